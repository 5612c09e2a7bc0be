import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type ClientOptions, type Connection, connect, query } from "../../src/client/mod.ts";
import { type BackendInput, type ErrorFields, protocol30, protocol32 } from "../../src/wire/mod.ts";
import { backendBytes } from "../wire/bytes.ts";
import { errorOf, rejection } from "./outcome.ts";
import { ScriptedServer } from "./scripted-server.ts";

const user: ClientOptions = { user: "u", sslMode: "disable" };
const key: BackendInput = { type: "BackendKeyData", processId: 7, secretKey: new Uint8Array(32).fill(9) };
const ok: BackendInput = { type: "AuthenticationOk" };
const ready: BackendInput = { type: "ReadyForQuery", status: "I" };

/** Connects to a server that says this after the StartupMessage. */
async function told(messages: readonly (BackendInput | Uint8Array)[], options = user): Promise<Connection> {
  const server = new ScriptedServer();
  const connecting = connect(server.stream, options);
  await server.expect("StartupMessage");
  server.send(...messages);
  return connecting;
}

describe("the start", () => {
  test("what the server tells is known", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, {
      ...user,
      database: "d",
      parameters: { application_name: "tests", search_path: "a" },
    });
    const { version, parameters } = await server.expect("StartupMessage");
    expect(version).toBe(protocol32);
    expect(Object.fromEntries(parameters)).toEqual({
      user: "u",
      database: "d",
      client_encoding: "UTF8",
      application_name: "tests",
      search_path: "a",
    });
    server.send(ok, { type: "ParameterStatus", name: "TimeZone", value: "UTC" }, key, {
      type: "ReadyForQuery",
      status: "T",
    });
    const connection = await connecting;
    expect(connection.parameters.get("TimeZone")).toBe("UTC");
    expect(connection).toMatchObject({
      processId: 7,
      secretKey: new Uint8Array(32).fill(9),
      protocol: protocol32,
      status: "T",
      tls: undefined,
      closed: false,
      idle: true,
    });
    connection.close();
    await server.expect("Terminate");
  });

  test("byte by byte", async () => {
    const server = new ScriptedServer({ cut: 1 });
    const connecting = connect(server.stream, user);
    await server.accept();
    expect((await connecting).processId).toBe(42);
  });

  test("the database is the user's by default", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, user);
    expect((await server.accept()).parameters.get("database")).toBe("u");
    await connecting;
  });

  test("a server without BackendKeyData", async () => {
    const connection = await told([ok, ready]);
    expect(connection).toMatchObject({ processId: 0, secretKey: new Uint8Array(0) });
  });

  test("notices and parameters come to the events, from the start on", async () => {
    const server = new ScriptedServer();
    const notices: ErrorFields[] = [];
    const connecting = connect(server.stream, user, { onNotice: (fields) => notices.push(fields) });
    await server.expect("StartupMessage");
    const notice = {
      type: "NoticeResponse",
      fields: { severity: "WARNING", code: "01000", message: "w" },
    } as const;
    server.send(notice, ok, notice, key, ready, notice);
    await connecting;
    expect(notices.map(({ message }) => message)).toEqual(["w", "w", "w"]);
  });

  test.each(["user", "database", "replication"])("%s is no free parameter", async (name) => {
    const server = new ScriptedServer();
    expect(await errorOf(connect(server.stream, { ...user, parameters: { [name]: "x" } }))).toBe(
      `FATAL 22023 "${name}" is not for the startup parameters`,
    );
    await server.expectClose();
  });
});

describe("protocol versions", () => {
  const negotiate = (version: number, ...options: string[]): BackendInput => ({
    type: "NegotiateProtocolVersion",
    version,
    options,
  });
  const shortKey: BackendInput = { ...key, secretKey: Uint8Array.of(1, 2, 3, 4) };

  test("a server that speaks 3.0 only", async () => {
    const connection = await told([negotiate(protocol30), ok, shortKey, ready]);
    expect(connection.protocol).toBe(protocol30);
  });

  test("3.0 is asked for", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, { ...user, protocol: protocol30 });
    expect((await server.accept()).version).toBe(protocol30);
    expect((await connecting).protocol).toBe(protocol30);
  });

  test("3.0 is too little", async () => {
    expect(await errorOf(told([negotiate(protocol30)], { ...user, minProtocol: protocol32 }))).toBe(
      "FATAL 08001 the server speaks protocol 3.0, and at least 3.2 is wanted",
    );
  });

  test.each([
    ["nothing to negotiate", [negotiate(protocol32)]],
    ["more than was asked for", [negotiate(196_611)]],
    ["another major version", [negotiate(4 << 16)]],
    ["twice", [negotiate(196_609), negotiate(protocol30)]],
    ["after authentication", [ok, negotiate(protocol30)]],
  ])("a wrong NegotiateProtocolVersion: %s", async (_, messages) => {
    expect(await errorOf(told(messages))).toBe(
      "FATAL 08P01 the server sent NegotiateProtocolVersion at a time when it may not",
    );
  });

  test("options that were not sent", async () => {
    expect(await errorOf(told([negotiate(protocol30, "_pq_.x")]))).toBe(
      "FATAL 08P01 the server does not know the options _pq_.x",
    );
  });

  test("a long key belongs to 3.2", async () => {
    expect(await errorOf(told([negotiate(protocol30), ok, key, ready]))).toBe(
      "FATAL 08P01 a cancel key has 4 bytes in protocol 3.0",
    );
  });
});

describe("TLS", () => {
  const tls = {
    client: { protocol: "TLSv1.3", alpn: "postgresql" },
    server: { protocol: "TLSv1.3", alpn: "postgresql" },
  };

  test("is asked for, and started", async () => {
    const server = new ScriptedServer({ tls });
    const connecting = connect(server.stream, { user: "u" });
    await server.expect("SSLRequest");
    server.sendRaw(0x53);
    await server.startTls();
    await server.accept();
    expect((await connecting).tls).toEqual(tls.client);
  });

  test("prefer goes on without", async () => {
    const server = new ScriptedServer({ tls });
    const connecting = connect(server.stream, { user: "u" });
    await server.expect("SSLRequest");
    server.sendRaw(0x4e);
    await server.accept();
    expect((await connecting).tls).toBeUndefined();
  });

  test("prefer does not ask where TLS cannot be", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, { user: "u" });
    await server.accept();
    await connecting;
  });

  test.each(["require", "verify-ca", "verify-full"] as const)(
    "%s does not go on without",
    async (sslMode) => {
      const server = new ScriptedServer({ tls });
      const connecting = connect(server.stream, { user: "u", sslMode });
      connecting.catch(() => {});
      await server.expect("SSLRequest");
      server.sendRaw(0x4e);
      expect(await errorOf(connecting)).toBe("FATAL 08001 server does not support SSL, but SSL was required");
      await server.expectClose();
      expect(await errorOf(connect(new ScriptedServer().stream, { user: "u", sslMode }))).toBe(
        `FATAL 08001 sslmode "${sslMode}" needs TLS, which this connection cannot do`,
      );
    },
  );

  test("the stream is told how much to verify", async () => {
    for (const [sslMode, verification] of [
      ["prefer", "none"],
      ["require", "none"],
      ["verify-ca", "authority"],
      ["verify-full", "full"],
    ] as const) {
      const server = new ScriptedServer({ tls });
      const asked = Promise.withResolvers<string>();
      server.stream.startTls = (how) => {
        asked.resolve(how);
        return Promise.reject(new Error("not today"));
      };
      const connecting = connect(server.stream, { user: "u", sslMode });
      connecting.catch(() => {});
      await server.expect("SSLRequest");
      server.sendRaw(0x53);
      expect(await asked.promise).toBe(verification);
      await expect(connecting).rejects.toThrow("not today");
      await server.expectClose();
    }
  });

  test("bytes behind the S are refused (CVE-2021-23222)", async () => {
    const server = new ScriptedServer({ tls });
    const connecting = connect(server.stream, { user: "u" });
    connecting.catch(() => {});
    await server.expect("SSLRequest");
    server.sendRaw(0x53, 0x52);
    expect(await errorOf(connecting)).toBe("FATAL 08P01 received unencrypted data after SSL response");
    await server.expectClose();
  });

  test("an error in place of the letter is not shown (CVE-2024-10977)", async () => {
    const server = new ScriptedServer({ tls });
    const connecting = connect(server.stream, { user: "u" });
    connecting.catch(() => {});
    await server.expect("SSLRequest");
    server.send({ type: "ErrorResponse", fields: { severity: "FATAL", code: "53300", message: "evil" } });
    expect(await errorOf(connecting)).toBe("FATAL 08P01 received invalid response to SSL negotiation");
  });

  test("direct: no SSLRequest", async () => {
    const server = new ScriptedServer({ tls });
    const connecting = connect(server.stream, { user: "u", sslMode: "require", sslNegotiation: "direct" });
    await server.startTls();
    await server.accept();
    expect((await connecting).tls).toEqual(tls.client);
  });

  test("direct without ALPN is refused", async () => {
    const server = new ScriptedServer({ tls: { ...tls, client: { protocol: "TLSv1.3" } } });
    const options = { user: "u", sslMode: "require", sslNegotiation: "direct" } as const;
    expect(await errorOf(connect(server.stream, options))).toBe(
      "FATAL 08001 direct TLS connection was established without the ALPN protocol postgresql",
    );
    expect(
      await errorOf(connect(new ScriptedServer({ tls }).stream, { ...options, sslMode: "prefer" })),
    ).toBe('FATAL 08001 weak sslmode "prefer" may not be used with sslnegotiation=direct');
  });
});

describe("a start that fails", () => {
  test("with the server's error, all fields of it", async () => {
    const fields: ErrorFields = {
      severity: "FATAL",
      code: "3D000",
      message: 'database "d" does not exist',
      detail: "d",
      hint: "h",
      routine: "InitPostgres",
    };
    const error = await rejection(told([{ type: "ErrorResponse", fields }]));
    expect(error.fields).toEqual(fields);
  });

  test.each([
    ["ReadyForQuery", [ready]],
    ["BackendKeyData", [key]],
    ["ParameterStatus", [{ type: "ParameterStatus", name: "a", value: "b" }]],
    ["CommandComplete", [ok, { type: "CommandComplete", tag: "SELECT 1" }]],
    ["AuthenticationOk", [ok, ok]],
    ["AuthenticationCleartextPassword", [ok, { type: "AuthenticationCleartextPassword" }]],
  ] satisfies [string, BackendInput[]][])("with a %s out of place", async (type, messages) => {
    expect(await errorOf(told(messages))).toBe(
      `FATAL 08P01 the server sent ${type} at a time when it may not`,
    );
  });

  test("with messages that have no place in a start", async () => {
    const row = backendBytes({ type: "DataRow", values: [] });
    expect(await errorOf(told([row]))).toBe("FATAL 08P01 invalid backend message type 68");
  });

  test("with bytes that are no protocol", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, user);
    connecting.catch(() => {});
    await server.expect("StartupMessage");
    server.sendRaw(...Buffer.from("HTTP/1.1 400 Bad Request\r\n"));
    // H is CopyOutResponse, and "TTP/" a length of gigabytes.
    expect(await errorOf(connecting)).toBe("FATAL 08P01 invalid message length");
    await server.expectClose();
  });

  test("with an error longer than any that a server sends before it knows us", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, user);
    connecting.catch(() => {});
    await server.expect("StartupMessage");
    server.sendRaw(0x45, 0, 1, 0, 0);
    expect(await errorOf(connecting)).toMatch(/^FATAL 54000 message of type "E" is too long: 65536 bytes/);
  });

  test.each([0, 1, 2])("when the server closes, %i messages on", async (count) => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, user);
    connecting.catch(() => {});
    await server.expect("StartupMessage");
    server.send(...[ok, key].slice(0, count));
    server.close();
    expect(await errorOf(connecting)).toBe("FATAL 08006 server closed the connection unexpectedly");
  });

  test("when the server closes in place of an answer to SSLRequest", async () => {
    const server = new ScriptedServer({ tls: { client: {}, server: {} } });
    const connecting = connect(server.stream, { user: "u" });
    connecting.catch(() => {});
    await server.expect("SSLRequest");
    server.close();
    expect(await errorOf(connecting)).toBe("FATAL 08006 server closed the connection unexpectedly");
  });

  test("when the server closes right behind its first ReadyForQuery", async () => {
    const server = new ScriptedServer();
    const connecting = connect(server.stream, user);
    await server.accept();
    server.close();
    const connection = await connecting;
    expect(await errorOf(query(connection, "SELECT 1"))).toBe(
      "FATAL 08006 server closed the connection unexpectedly",
    );
    expect(connection.closed).toBe(true);
  });

  test("when it takes too long, wherever it stands", async () => {
    const silent = new ScriptedServer();
    expect(await errorOf(connect(silent.stream, { ...user, connectTimeout: 20 }))).toBe(
      "FATAL 08001 timeout expired",
    );
    await silent.expectClose();

    const handshake = new ScriptedServer({ tls: { client: {}, server: {} } });
    handshake.stream.startTls = () => new Promise(() => {});
    const connecting = connect(handshake.stream, { user: "u", connectTimeout: 50 });
    connecting.catch(() => {});
    await handshake.expect("SSLRequest");
    handshake.sendRaw(0x53);
    expect(await errorOf(connecting)).toBe("FATAL 08001 timeout expired");
    await handshake.expectClose();

    const password = new ScriptedServer();
    const asked = connect(password.stream, {
      ...user,
      password: () => new Promise<string>(() => {}),
      connectTimeout: 50,
    });
    asked.catch(() => {});
    await password.expect("StartupMessage");
    password.send({ type: "AuthenticationCleartextPassword" });
    expect(await errorOf(asked)).toBe("FATAL 08001 timeout expired");
    await password.expectClose();
  });

  test("when it is aborted", async () => {
    const server = new ScriptedServer();
    const aborting = new AbortController();
    const connecting = connect(server.stream, { ...user, signal: aborting.signal });
    connecting.catch(() => {});
    await server.expect("StartupMessage");
    aborting.abort(new Error("never mind"));
    await expect(connecting).rejects.toThrow("never mind");
    await server.expectClose();
    await expect(
      connect(new ScriptedServer().stream, { ...user, signal: AbortSignal.abort(new Error("before")) }),
    ).rejects.toThrow("before");
  });

  test("and the abort of a connection that stands means nothing", async () => {
    const server = new ScriptedServer();
    const aborting = new AbortController();
    const connecting = connect(server.stream, { ...user, signal: aborting.signal });
    await server.accept();
    const connection = await connecting;
    aborting.abort();
    await setTimeout(5);
    expect(connection.closed).toBe(false);
  });
});
