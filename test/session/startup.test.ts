import { describe, expect, test } from "vitest";
import { memoryCancelRegistry } from "../../src/session/mod.ts";
import { encodeStartup, fatal, PgError, protocol32, type StartupPacket, Writer } from "../../src/wire/mod.ts";
import { concat } from "../wire/bytes.ts";
import { MemoryTransport } from "./memory-transport.ts";
import { scripted } from "./scripted-upstream.ts";
import { bytesOf, query, settled, startup, TestClient } from "./test-client.ts";

function packet(startupPacket: StartupPacket): Uint8Array {
  const writer = new Writer();
  encodeStartup(writer, startupPacket);
  return writer.take();
}

const sslRequest = packet({ type: "SSLRequest" });
const gssRequest = packet({ type: "GSSENCRequest" });

/** What a client gets that sends this and nothing more, to the end of the connection. */
async function refusal(bytes: Uint8Array, client = new TestClient(scripted())): Promise<string[]> {
  void client.sendBytes(bytes);
  await client.untilClosed();
  expect(client.transport.ended).toBe(true);
  return client.take();
}

/** The messages of a whole startup. */
async function started(bytes: Uint8Array, client = new TestClient(scripted())): Promise<string[]> {
  void client.sendBytes(bytes);
  await client.until("ReadyForQuery");
  return client.take();
}

describe("the answer to a StartupMessage", () => {
  test("is AuthenticationOk, the reported settings, the cancel key and ReadyForQuery", async () => {
    const lines = await started(startup({ application_name: "psql" }));
    expect(lines).toEqual([
      "AuthenticationOk",
      "ParameterStatus application_name=psql",
      "ParameterStatus client_encoding=UTF8",
      "ParameterStatus DateStyle=ISO, MDY",
      "ParameterStatus default_transaction_read_only=off",
      "ParameterStatus in_hot_standby=off",
      "ParameterStatus integer_datetimes=on",
      "ParameterStatus IntervalStyle=postgres",
      "ParameterStatus is_superuser=off",
      "ParameterStatus scram_iterations=4096",
      'ParameterStatus search_path="$user", public',
      "ParameterStatus server_encoding=UTF8",
      "ParameterStatus server_version=18.0",
      "ParameterStatus session_authorization=postgres",
      "ParameterStatus standard_conforming_strings=on",
      "ParameterStatus TimeZone=UTC",
      "BackendKeyData",
      "ReadyForQuery I",
    ]);
  });

  test("leaves in one write", async () => {
    const client = new TestClient(scripted());
    await started(startup(), client);
    expect(client.transport.writes).toHaveLength(1);
  });

  test("has the upstream's own settings in place of the session's", async () => {
    const upstream = scripted({
      parameters: [
        ["server_version", "16.1 (mine)"],
        ["TimeZone", "Asia/Tokyo"],
      ],
    });
    const lines = await started(startup(), new TestClient(upstream));
    expect(lines).toContain("ParameterStatus server_version=16.1 (mine)");
    expect(lines).toContain("ParameterStatus TimeZone=Asia/Tokyo");
  });

  test("gives the user's name to a client that names no database", async () => {
    let database = "";
    const upstream = scripted().upstream;
    const client = new TestClient({
      upstream: (login) => {
        database = login.database;
        return upstream;
      },
    });
    await started(
      packet({ type: "StartupMessage", version: 196608, parameters: new Map([["user", "alice"]]) }),
      client,
    );
    expect(database).toBe("alice");
  });
});

describe("encryption requests", () => {
  test.each([
    ["SSL", [sslRequest], "N"],
    ["GSS", [gssRequest], "N"],
    ["SSL, then GSS", [sslRequest, gssRequest], "NN"],
    ["GSS, then SSL", [gssRequest, sslRequest], "NN"],
  ])("%s: refused without TLS, and the startup goes on", async (_, requests, letters) => {
    const client = new TestClient(scripted());
    let seen = "";
    for (const request of requests) {
      void client.sendBytes(request);
      seen += await client.skip(1);
    }
    expect(seen).toBe(letters);
    expect((await started(startup(), client)).at(-1)).toBe("ReadyForQuery I");
  });

  test("SSLRequest is answered S before TLS is started, once", async () => {
    let told = "";
    const transport: MemoryTransport = new MemoryTransport({
      startTls: async () => {
        told = transport.writes.map((bytes) => new TextDecoder().decode(bytes)).join("");
        return { protocol: "TLSv1.3" };
      },
    });
    let protocol: string | undefined;
    const { upstream } = scripted();
    const client = new TestClient({
      transport,
      upstream: (login) => {
        protocol = login.tls?.protocol;
        return upstream;
      },
    });
    void client.sendBytes(gssRequest);
    await client.skip(1);
    void client.sendBytes(sslRequest);
    expect(await client.skip(1)).toBe("S");
    expect(told).toBe("NS");
    await settled();
    expect((await started(startup(), client)).at(-1)).toBe("ReadyForQuery I");
    expect(protocol).toBe("TLSv1.3");
  });

  test("a handshake that fails ends the session", async () => {
    const transport = new MemoryTransport({ startTls: () => Promise.reject(new Error("handshake failed")) });
    const client = new TestClient({ ...scripted(), transport });
    void client.sendBytes(sslRequest);
    await client.untilClosed();
    expect(await client.skip(1)).toBe("S");
  });

  test.each([
    ["SSLRequest, with TLS at hand", sslRequest, true, "", "received unencrypted data after SSL request"],
    ["SSLRequest, without TLS", sslRequest, false, "N", "received unencrypted data after SSL request"],
    ["GSSENCRequest", gssRequest, true, "N", "received unencrypted data after GSSAPI encryption request"],
  ])("bytes behind %s are refused", async (_, request, tls, letter, message) => {
    let handshakes = 0;
    const startTls = async () => {
      handshakes++;
      return {};
    };
    const transport = new MemoryTransport(tls ? { startTls } : {});
    const script = scripted();
    const client = new TestClient({ upstream: script.upstream, transport });
    void client.sendBytes(concat(request, startup(), bytesOf([query("select 1")])));
    expect(await client.skip(letter.length)).toBe(letter);
    await client.untilClosed();
    expect(client.take()).toEqual([`ErrorResponse FATAL 08P01 ${message}`]);
    expect(handshakes).toBe(0);
    expect(script.calls).toEqual([]);
  });

  test.each([
    ["SSL", sslRequest, "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2"],
    ["GSS", gssRequest, "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.2"],
  ])("a second %sRequest is one of an unknown version", async (_, request, message) => {
    const client = new TestClient(scripted());
    void client.sendBytes(request);
    await client.skip(1);
    expect(await refusal(request, client)).toEqual([`ErrorResponse FATAL 0A000 ${message}`]);
  });

  test("inside direct TLS, SSLRequest is refused", async () => {
    const transport = new MemoryTransport({ tls: { alpn: "postgresql" }, startTls: async () => ({}) });
    const client = new TestClient({ ...scripted(), transport });
    expect(await refusal(sslRequest, client)).toEqual([
      "ErrorResponse FATAL 0A000 unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2",
    ]);
  });

  test("direct TLS is known to whoever authenticates and routes", async () => {
    const transport = new MemoryTransport({ tls: { alpn: "postgresql", serverName: "db.example" } });
    const { upstream } = scripted();
    let seen: unknown;
    const client = new TestClient({
      transport,
      upstream: ({ tls }) => {
        seen = tls;
        return upstream;
      },
    });
    await started(startup(), client);
    expect(seen).toEqual({ alpn: "postgresql", serverName: "db.example" });
  });
});

describe("protocol versions", () => {
  const options = { "_pq_.compression": "zstd", "_pq_.x": "" };

  test.each([
    ["3.0", 196608, {}, []],
    ["3.2", protocol32, {}, []],
    // The newest version that the client asked for and that is known.
    ["3.1, which never was", 196609, {}, []],
    ["3.9999", 196608 + 9999, {}, ["NegotiateProtocolVersion 196610"]],
    ["3.0 with options", 196608, options, ["NegotiateProtocolVersion 196608 _pq_.compression _pq_.x"]],
    ["3.2 with options", protocol32, options, ["NegotiateProtocolVersion 196610 _pq_.compression _pq_.x"]],
    ["3.9999 with options", 206607, options, ["NegotiateProtocolVersion 196610 _pq_.compression _pq_.x"]],
  ])("%s", async (_, version, parameters, negotiation) => {
    const lines = await started(startup(parameters, version));
    expect(lines.slice(0, negotiation.length + 1)).toEqual([...negotiation, "AuthenticationOk"]);
  });

  test("an option of the protocol is no setting", async () => {
    const { upstream } = scripted();
    let parameters: ReadonlyMap<string, string> = new Map();
    const client = new TestClient({
      upstream: (login) => {
        parameters = login.parameters;
        return upstream;
      },
    });
    await started(startup({ "_pq_.x": "y", application_name: "a" }), client);
    expect([...parameters.keys()]).toEqual(["user", "database", "application_name"]);
  });

  test.each([
    ["2.0", 0x20000, "2.0"],
    ["4.0", 0x40000, "4.0"],
    ["1.0", 0x10000, "1.0"],
  ])("%s is refused", async (_, version, name) => {
    expect(await refusal(startup({}, version))).toEqual([
      `ErrorResponse FATAL 0A000 unsupported frontend protocol ${name}: server supports 3.0 to 3.2`,
    ]);
  });

  test("the secret key has 4 bytes in 3.0 and 32 in 3.2", async () => {
    const lengths: number[] = [];
    for (const version of [196608, protocol32, 206607]) {
      const client = new TestClient(scripted());
      void client.sendBytes(startup({}, version));
      await client.until("ReadyForQuery");
      lengths.push(client.last("BackendKeyData").secretKey.length);
    }
    expect(lengths).toEqual([4, 32, 32]);
  });
});

describe("what is refused", () => {
  test.each([
    ["no user", new Map([["database", "postgres"]])],
    ["an empty user", new Map([["user", ""]])],
  ])("%s", async (_, parameters) => {
    expect(await refusal(packet({ type: "StartupMessage", version: 196608, parameters }))).toEqual([
      "ErrorResponse FATAL 28000 no PostgreSQL user name specified in startup packet",
    ]);
  });

  test.each(["true", "database", "on", "1", "Database"])("replication=%s", async (replication) => {
    expect(await refusal(startup({ replication }))).toEqual([
      "ErrorResponse FATAL 0A000 replication connections are not supported",
    ]);
  });

  test.each(["false", "off", "no", "0", "False"])("replication=%s is none", async (replication) => {
    expect((await started(startup({ replication }))).at(-1)).toBe("ReadyForQuery I");
  });

  test("a database that nobody serves, after authentication", async () => {
    const client = new TestClient({ upstream: () => undefined });
    expect(await refusal(startup({ database: "nosuch" }), client)).toEqual([
      "AuthenticationOk",
      'ErrorResponse FATAL 3D000 database "nosuch" does not exist',
    ]);
  });

  test("a server that is full, but not its CancelRequests", async () => {
    const cancels = memoryCancelRegistry();
    let cancelled = 0;
    const key = cancels.register({ cancel: () => cancelled++ }, 4);
    const refuse = fatal("53300", "sorry, too many clients already");
    const options = { ...scripted(), refuse, cancels };
    expect(await refusal(startup(), new TestClient(options))).toEqual([
      "ErrorResponse FATAL 53300 sorry, too many clients already",
    ]);
    const request = packet({ type: "CancelRequest", processId: key.processId, secretKey: key.secretKey });
    expect(await refusal(request, new TestClient(options))).toEqual([]);
    expect(cancelled).toBe(1);
  });

  test.each([
    ["no packet at all, but a Query", bytesOf([query("select 1")]), "08P01 invalid length of startup packet"],
    ["a length of 3", Uint8Array.of(0, 0, 0, 3), "08P01 invalid length of startup packet"],
    [
      "10,001 bytes of content",
      Uint8Array.of(0, 0, 0x27, 0x15, 0, 3, 0, 0),
      "08P01 invalid length of startup packet",
    ],
    ["HTTP", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), "08P01 invalid length of startup packet"],
  ])("%s", async (_, bytes, error) => {
    expect(await refusal(bytes)).toEqual([`ErrorResponse FATAL ${error}`]);
  });

  test.each([
    [
      "a setting that does not exist",
      { nosuch: "1" },
      'ErrorResponse FATAL 42704 unrecognized configuration parameter "nosuch"',
    ],
    [
      "an encoding that is not UTF8",
      { client_encoding: "LATIN1" },
      "ErrorResponse FATAL 0A000 conversion between LATIN1 and UTF8 is not supported",
    ],
    [
      "a setting in options",
      { options: "-c server_version=1" },
      'ErrorResponse FATAL 55P02 parameter "server_version" cannot be changed',
    ],
  ])("%s", async (_, parameters, error) => {
    const script = scripted();
    const lines = await refusal(startup(parameters), new TestClient(script));
    expect(lines).toEqual(["AuthenticationOk", error]);
    expect(script.calls).toEqual(["close"]);
  });
});

describe("an upstream that does not connect", () => {
  test("tells its own error, as FATAL", async () => {
    const client = new TestClient({
      upstream: {
        connect: () => {
          throw new PgError("57P03", "the database system is starting up", { hint: "Try again." });
        },
      },
    });
    void client.sendBytes(startup());
    await client.untilClosed();
    client.read();
    expect(client.last("ErrorResponse").fields).toEqual({
      severity: "FATAL",
      code: "57P03",
      message: "the database system is starting up",
      hint: "Try again.",
    });
  });

  test("is XX000 when it throws something else", async () => {
    const client = new TestClient({
      upstream: { connect: () => Promise.reject(new TypeError("fetch failed")) },
    });
    expect(await refusal(startup(), client)).toEqual([
      "AuthenticationOk",
      "ErrorResponse FATAL XX000 fetch failed",
    ]);
  });

  test("leaves no cancel key behind", async () => {
    const cancels = memoryCancelRegistry();
    const client = new TestClient({ upstream: { connect: () => Promise.reject(new Error("no")) }, cancels });
    await refusal(startup(), client);
    expect(cancels.size).toBe(0);
  });

  test("that connects after the client has gone is closed at once", async () => {
    const connected = Promise.withResolvers<void>();
    const script = scripted();
    const cancels = memoryCancelRegistry();
    const client = new TestClient({
      cancels,
      upstream: {
        connect: async (context) => {
          await connected.promise;
          return script.upstream.connect(context);
        },
      },
    });
    void client.sendBytes(startup());
    await settled();
    client.session.end();
    await settled();
    connected.resolve();
    await settled();
    expect(script.calls).toEqual(["close"]);
    expect(script.client.signal.aborted).toBe(true);
    expect(client.take()).toEqual([]);
    expect(cancels.size).toBe(0);
  });
});
