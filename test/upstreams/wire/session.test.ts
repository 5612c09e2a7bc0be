/** One client of the wire upstream, before a server that the test plays. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Connection, cancel, connect, copyIn, type Events, query } from "../../../src/client/mod.ts";
import { type WireOptions, wireUpstream } from "../../../src/upstreams/mod.ts";
import { type BackendInput, type ErrorFields, type FrontendInput, fatal } from "../../../src/wire/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import type { ScriptedServer } from "../../client/scripted-server.ts";
import { testServer } from "../../client/server.ts";
import { bytes, concat, frontendBytes } from "../../wire/bytes.ts";
import { discard, ScriptedServers } from "./scripted-servers.ts";

const login = { user: "someone", sslMode: "disable" } as const;
const ready: BackendInput = { type: "ReadyForQuery", status: "I" };
const complete: BackendInput = { type: "CommandComplete", tag: "DONE" };
const copyInResponse: BackendInput = { type: "CopyInResponse", format: 0, columnFormats: [] };
const error = (severity: ErrorFields["severity"], code: string): BackendInput => ({
  type: "ErrorResponse",
  fields: { severity, code, message: "told", detail: "in full" },
});

function gateway(options: Partial<WireOptions> = {}) {
  const servers = new ScriptedServers();
  const client = { user: "gateway", database: "behind", sslMode: "disable" } as const;
  const upstream = wireUpstream({ open: servers.open, client, ...options });
  return { servers, upstream, ...testServer({ upstream }) };
}

type Gateway = ReturnType<typeof gateway>;

interface Joined extends Gateway {
  readonly client: Connection;
  readonly server: ScriptedServer;
}

/** A client, and the server connection that it has. */
async function joined(events: Events = {}, options: Partial<WireOptions> = {}): Promise<Joined> {
  const running = gateway(options);
  const connecting = connect(await running.open(), login, events);
  const server = await running.servers.accepted();
  return { ...running, client: await connecting, server };
}

/** The client as somebody who sends what he likes, and what he gets by its letters. */
function raw({ client }: Joined): { send(...messages: (FrontendInput | Uint8Array)[]): void; got: string[] } {
  const got: string[] = [];
  client.takeOver({
    frame: ({ code }) => void got.push(String.fromCharCode(code)),
    received: () => {},
    lost: ({ code }) => void got.push(code),
  });
  const encode = (message: FrontendInput | Uint8Array): Uint8Array =>
    message instanceof Uint8Array ? message : frontendBytes(message);
  return { got, send: (...messages) => void client.write(concat(...messages.map(encode))) };
}

const parse: FrontendInput = { type: "Parse", statement: "", query: "x", parameterTypes: [] };
const bind: FrontendInput = {
  type: "Bind",
  portal: "",
  statement: "",
  parameterFormats: [],
  parameters: [],
  resultFormats: [],
};
const execute: FrontendInput = { type: "Execute", portal: "", maxRows: 0 };
const data: FrontendInput = { type: "CopyData", data: Uint8Array.of(1) };

describe("connecting", () => {
  test("as the gateway's user, with the client's settings", async () => {
    const { open, servers } = gateway({
      client: { user: "gateway", sslMode: "disable", parameters: { options: "-c a=1", search_path: "x" } },
    });
    const connecting = connect(await open(), {
      ...login,
      database: "front",
      parameters: { application_name: "app", options: "-c b=2", search_path: "y" },
    });
    const server = await servers.next();
    const { parameters } = await server.accept();
    expect(Object.fromEntries(parameters)).toEqual({
      user: "gateway",
      database: "gateway",
      client_encoding: "UTF8",
      application_name: "app",
      options: "-c a=1 -c b=2",
      search_path: "y",
    });
    await connecting;
  });

  test("the client is told the server's settings", async () => {
    const { open, servers } = gateway();
    const connecting = connect(await open(), login);
    const server = await servers.next();
    await server.expect("StartupMessage");
    server.send(
      { type: "AuthenticationOk" },
      { type: "ParameterStatus", name: "server_version", value: "99" },
      { type: "ParameterStatus", name: "custom", value: "c" },
      { type: "BackendKeyData", processId: 1, secretKey: new Uint8Array(4) },
      ready,
    );
    const client = await connecting;
    expect(Object.fromEntries(client.parameters)).toEqual({ server_version: "99", custom: "c" });
    // The key is the gateway's own.
    expect(client.secretKey.length).toBe(32);
  });

  test("the gateway's own password is not the client's matter", async () => {
    const { open, servers } = gateway();
    const outcome = errorOf(connect(await open(), login));
    const server = await servers.next();
    await server.expect("StartupMessage");
    server.send(error("FATAL", "28P01"));
    expect(await outcome).toBe("FATAL 08001 the gateway could not log in to the database server");
  });

  test("every other error is", async () => {
    for (const code of ["3D000", "53300", "42704", "57P03"]) {
      const { open, servers } = gateway();
      const outcome = errorOf(connect(await open(), login));
      const server = await servers.next();
      await server.expect("StartupMessage");
      server.send(error("FATAL", code));
      expect(await outcome).toBe(`FATAL ${code} told`);
    }
    const { open, servers } = gateway();
    servers.failure = fatal("08001", "connection refused");
    expect(await errorOf(connect(await open(), login))).toBe("FATAL 08001 connection refused");
  });
});

describe("messages pass", () => {
  test("as they are, with what comes between them", async () => {
    const seen: string[] = [];
    const { client, server } = await joined({
      onNotice: ({ message }) => seen.push(`notice ${message}`),
      onNotification: (channel, payload, processId) => seen.push(`${channel} ${payload} ${processId}`),
      onParameter: (name, value) => seen.push(`${name}=${value}`),
    });
    const result = query(client, "SELECT 1");
    expect(await server.expect("Query")).toEqual({ type: "Query", query: "SELECT 1" });
    server.send(
      { type: "NoticeResponse", fields: { severity: "NOTICE", code: "00000", message: "n" } },
      { type: "ParameterStatus", name: "TimeZone", value: "CET" },
      complete,
      { type: "NotificationResponse", processId: 77, channel: "c", payload: "p" },
      ready,
    );
    expect((await result)[0]?.tag).toBe("DONE");
    // And while nobody asks for anything.
    server.send({ type: "NotificationResponse", processId: 78, channel: "d", payload: "q" });
    server.send({ type: "ParameterStatus", name: "TimeZone", value: "EET" });
    await setTimeout(10);
    expect(seen).toEqual(["notice n", "TimeZone=CET", "c p 77", "d q 78", "TimeZone=EET"]);
  });

  test("of the extended protocol too, untouched", async () => {
    const running = await joined();
    const { send, got } = raw(running);
    const odd: FrontendInput = {
      type: "Parse",
      statement: "s\u{fffd}",
      query: "?",
      parameterTypes: [0, 4_294_967_295],
    };
    send(odd, { type: "Describe", kind: "S", name: "s" }, { type: "Flush" });
    expect(await running.server.expect("Parse")).toEqual(odd);
    await running.server.expectAll("Describe", "Flush");
    running.server.send({ type: "ParseComplete" });
    running.server.send({ type: "NoData" });
    send({ type: "Sync" });
    await running.server.expect("Sync");
    running.server.send(ready);
    await setTimeout(10);
    expect(got).toEqual(["1", "n", "Z"]);
  });
});

describe("cancel", () => {
  test("goes to the server, with the server's key", async () => {
    const { client, server, servers, open } = await joined();
    const running = errorOf(query(client, "SELECT pg_sleep(1)"));
    await server.expect("Query");
    await cancel(await open(), client, { sslMode: "disable" });
    const cancelling = await servers.next();
    expect(await cancelling.expect("CancelRequest")).toMatchObject({
      processId: 42,
      secretKey: Uint8Array.of(1, 2, 3, 4),
    });
    cancelling.close();
    server.send(error("ERROR", "57014"), ready);
    expect(await running).toBe("ERROR 57014 told");
  });

  test("while idle does not reach the server", async () => {
    const { client, server, servers, open } = await joined();
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    server.send(complete, ready);
    await result;
    await cancel(await open(), client, { sslMode: "disable" });
    await setTimeout(10);
    expect(servers.opened).toBe(1);
  });

  test("on its way holds the connection back from the next client", async () => {
    const { client, server, servers, open, closed } = await joined();
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    await cancel(await open(), client, { sslMode: "disable" });
    const cancelling = await servers.next();
    await cancelling.expect("CancelRequest");
    server.send(complete, ready);
    await result;
    client.close();
    let cleaned = false;
    const cleaning = discard(server).then(() => {
      cleaned = true;
    });
    await setTimeout(20);
    expect(cleaned).toBe(false);
    cancelling.close();
    await cleaning;
    await closed();
  });
});

describe("the client leaves", () => {
  test("idle: the connection is cleaned, and serves the next one", async () => {
    const { client, server, servers, open, closed } = await joined();
    client.close();
    await discard(server);
    await closed();
    const next = await connect(await open(), login);
    const result = query(next, "SELECT 2");
    await server.expect("Query");
    server.send(complete, ready);
    await result;
    expect(servers.opened).toBe(1);
  });

  test.each(["T", "E"] as const)("in a transaction (%s): the connection is closed", async (status) => {
    const { client, server, servers, closed } = await joined();
    const result = query(client, "BEGIN");
    await server.expect("Query");
    server.send(complete, { type: "ReadyForQuery", status });
    await result;
    client.destroy();
    await server.expectClose();
    await closed();
    // Nothing ran that would have to be cancelled.
    expect(servers.opened).toBe(1);
  });

  /** The running statement is cancelled, then the connection closed. */
  async function cancelled({ server, servers, closed }: Joined): Promise<void> {
    const cancelling = await servers.next();
    await cancelling.expect("CancelRequest");
    expect(server.clientClosed).toBe(false);
    cancelling.close();
    await server.expectClose();
    await closed();
  }

  test("while a statement runs", async () => {
    const running = await joined();
    query(running.client, "SELECT pg_sleep(60)").catch(() => {});
    await running.server.expect("Query");
    running.client.destroy();
    await cancelled(running);
  });

  test("while rows stream, and a message is cut", async () => {
    const running = await joined();
    query(running.client, "SELECT 1").catch(() => {});
    await running.server.expect("Query");
    running.server.send(bytes("'D' 000000ff 0001"));
    await setTimeout(5);
    running.client.destroy();
    await cancelled(running);
  });

  test("in the middle of COPY FROM STDIN", async () => {
    const running = await joined();
    async function* source() {
      yield "x".repeat(40_000);
      await new Promise(() => {});
    }
    copyIn(running.client, "COPY", source()).catch(() => {});
    await running.server.expect("Query");
    running.server.send(copyInResponse);
    await running.server.expect("CopyData");
    running.client.destroy();
    await cancelled(running);
  });

  test("in a pipeline without Sync", async () => {
    const running = await joined();
    raw(running).send(parse, bind, { type: "Flush" });
    await running.server.expectAll("Parse", "Bind", "Flush");
    running.server.send({ type: "ParseComplete" }, { type: "BindComplete" });
    await setTimeout(5);
    running.client.destroy();
    await cancelled(running);
  });

  test("idle, with a message of the server cut", async () => {
    const { client, server, closed } = await joined();
    server.send(bytes("'A' 000000ff 0001"));
    await setTimeout(5);
    client.destroy();
    await server.expectClose();
    await closed();
  });

  test("before it has a connection", async () => {
    const { open, servers, closed } = gateway();
    const stream = await open();
    const outcome = errorOf(connect(stream, login));
    const server = await servers.next();
    await server.expect("StartupMessage");
    stream.destroy();
    await server.expectClose();
    expect(await outcome).toMatch(/^FATAL 08006/);
    await closed();
  });

  test("with COPY by Execute behind it, as libpq sends it: the connection is clean", async () => {
    const running = await joined();
    const { send, got } = raw(running);
    send(parse, bind, execute, { type: "Sync" });
    await running.server.expectAll("Parse", "Bind", "Execute", "Sync");
    running.server.send({ type: "ParseComplete" }, { type: "BindComplete" }, copyInResponse);
    await setTimeout(5);
    send(data, { type: "CopyDone" }, { type: "Sync" });
    await running.server.expectAll("CopyData", "CopyDone", "Sync");
    running.server.send(complete, ready);
    await setTimeout(5);
    expect(got).toEqual(["1", "2", "G", "C", "Z"]);
    running.client.close();
    await discard(running.server);
    await running.closed();
  });

  test("with an answer too many: the connection is closed", async () => {
    const { client, server, closed } = await joined();
    // The client takes it for a server gone mad, and leaves.
    server.send(ready);
    await server.expectClose();
    expect(client.closed).toBe(true);
    await closed();
  });
});

describe("the server leaves", () => {
  test("with FATAL: the client is told once, all of it", async () => {
    const ends: unknown[] = [];
    const { client, server, closed } = await joined({ onClose: (end) => ends.push(end?.fields) });
    const running = query(client, "SELECT 1");
    const outcome = errorOf(running);
    await server.expect("Query");
    server.send(error("FATAL", "57P01"));
    server.close();
    expect(await outcome).toBe("FATAL 57P01 told");
    expect(ends).toEqual([{ severity: "FATAL", code: "57P01", message: "told", detail: "in full" }]);
    await closed();
  });

  test("with FATAL while idle", async () => {
    const ended = Promise.withResolvers<unknown>();
    const { server, servers, closed } = await joined({ onClose: (end) => ended.resolve(end?.code) });
    server.send(error("FATAL", "57P05"));
    expect(await ended.promise).toBe("57P05");
    await closed();
    expect(servers.opened).toBe(1);
  });

  test("the answers before it arrive", async () => {
    const running = await joined();
    const { got, send } = raw(running);
    send({ type: "Query", query: "x" });
    await running.server.expect("Query");
    running.server.send({ type: "RowDescription", fields: [] }, complete, error("FATAL", "57P01"));
    await setTimeout(10);
    expect(got).toEqual(["T", "C", "E", "08006"]);
  });

  test("without a word", async () => {
    const { client, server, closed } = await joined();
    const outcome = errorOf(query(client, "SELECT 1"));
    await server.expect("Query");
    server.close();
    expect(await outcome).toBe("FATAL 08006 server closed the connection unexpectedly");
    await closed();
  });

  test("its senses", async () => {
    const { client, server, closed } = await joined();
    const outcome = errorOf(query(client, "SELECT 1"));
    await server.expect("Query");
    server.send(bytes("'!' 00000004"));
    expect(await outcome).toBe("FATAL 08P01 invalid backend message type 33");
    await server.expectClose();
    await closed();
  });

  test("between the start and the client's first message", async () => {
    const { open, servers, closed } = gateway();
    const connecting = connect(await open(), login);
    const server = await servers.next();
    await server.accept();
    server.close();
    const outcome = connecting.then(
      (client) => errorOf(query(client, "SELECT 1")),
      (error) => error.code,
    );
    expect(await outcome).toMatch(/08006/);
    await closed();
  });
});

describe("back-pressure", () => {
  test("a client that does not read stops the server", async () => {
    const running = gateway();
    const stream = await running.open();
    const connecting = connect(stream, login);
    const server = await running.servers.accepted();
    const client = await connecting;
    const reading = Promise.withResolvers<void>();
    const { onData } = stream;
    stream.onData = (chunk) => {
      onData(chunk);
      return reading.promise;
    };
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    const row: BackendInput = { type: "DataRow", values: [new Uint8Array(50_000)] };
    const field = {
      name: "",
      tableOid: 0,
      columnAttribute: 0,
      typeOid: 17,
      typeSize: -1,
      typeModifier: -1,
      format: 1,
    };
    server.send({ type: "RowDescription", fields: [field] });
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent++) await server.send(row);
      server.send(complete, ready);
    })();
    await setTimeout(30);
    expect(sent).toBeLessThan(10);
    reading.resolve();
    stream.onData = onData;
    await sending;
    expect((await result)[0]?.rows.length).toBe(100);
  });

  test("a server that does not read stops the client", async () => {
    const { client, server } = await joined();
    let given = 0;
    function* source() {
      for (; given < 300; given++) yield new Uint8Array(40_000);
    }
    const copying = copyIn(client, "COPY", source());
    await server.expect("Query");
    const reading = Promise.withResolvers<void>();
    server.pause(reading.promise);
    server.send(copyInResponse);
    await setTimeout(50);
    expect(given).toBeLessThan(100);
    reading.resolve();
    for (let count = 0; count < 300; count++) await server.expect("CopyData");
    await server.expect("CopyDone");
    server.send(complete, ready);
    expect(await copying).toBe("DONE");
  });
});

test("a shutdown ends idle sessions at once, and others after their statement", async () => {
  const idle = await joined();
  for (const session of idle.sessions) session.shutdown();
  await discard(idle.server);
  await idle.closed();
  expect(await errorOf(query(idle.client, "SELECT 1"))).toMatch(/^FATAL 57P01/);

  const busy = await joined();
  const result = query(busy.client, "SELECT 1");
  await busy.server.expect("Query");
  for (const session of busy.sessions) session.shutdown();
  busy.server.send(complete, ready);
  expect((await result)[0]?.tag).toBe("DONE");
  await discard(busy.server);
  await busy.closed();
});
