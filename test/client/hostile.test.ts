/** Servers that break the protocol, or go away, at every moment of it. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  type Connection,
  connect,
  copyIn,
  copyOut,
  type Events,
  execute,
  openPortal,
  pipeline,
  prepare,
  query,
  rows,
} from "../../src/client/mod.ts";
import type { BackendInput, ErrorFields, FieldDescription, PgError } from "../../src/wire/mod.ts";
import { bytes } from "../wire/bytes.ts";
import { collect, errorOf } from "./outcome.ts";
import { ScriptedServer } from "./scripted-server.ts";

const ready: BackendInput = { type: "ReadyForQuery", status: "I" };
const field: FieldDescription = {
  name: "a",
  tableOid: 0,
  columnAttribute: 0,
  typeOid: 25,
  typeSize: -1,
  typeModifier: -1,
  format: 0,
};
const description: BackendInput = { type: "RowDescription", fields: [field] };
const row: BackendInput = { type: "DataRow", values: ["x"] };
const complete: BackendInput = { type: "CommandComplete", tag: "SELECT 1" };
const copyInResponse: BackendInput = { type: "CopyInResponse", format: 0, columnFormats: [0] };
const copyOutResponse: BackendInput = { type: "CopyOutResponse", format: 0, columnFormats: [0] };
const error = (severity: ErrorFields["severity"], code = "XX000"): BackendInput => ({
  type: "ErrorResponse",
  fields: { severity, code, message: "told" },
});

interface Connected {
  readonly server: ScriptedServer;
  readonly connection: Connection;
  readonly ends: (PgError | undefined)[];
}

async function connected(events: Events = {}, cut?: number): Promise<Connected> {
  const server = new ScriptedServer({ cut });
  const ends: (PgError | undefined)[] = [];
  const connecting = connect(
    server.stream,
    { user: "u", sslMode: "disable" },
    { ...events, onClose: (end) => ends.push(end) },
  );
  await server.accept();
  return { server, connection: await connecting, ends };
}

/** What a query comes to whose answer is this. */
async function answered(...messages: readonly (BackendInput | Uint8Array)[]): Promise<string> {
  const { server, connection, ends } = await connected();
  const outcome = errorOf(query(connection, "SELECT 1"));
  await server.expect("Query");
  server.send(...messages);
  const text = await outcome;
  if (!connection.closed) return `${text}, and goes on`;
  // Whoever watches is told the same, once.
  expect(ends.map((end) => end && `${end.severity} ${end.code} ${end.message}`)).toEqual([text]);
  await server.expectClose();
  return text;
}

describe("while idle", () => {
  test.each([
    ["ReadyForQuery", ready],
    ["CommandComplete", complete],
    ["DataRow", row],
    ["CopyInResponse", copyInResponse],
    ["AuthenticationOk", { type: "AuthenticationOk" }],
    ["FunctionCallResponse", { type: "FunctionCallResponse", value: null }],
  ] satisfies [string, BackendInput][])("a %s out of the blue ends the connection", async (type, message) => {
    const { server, connection, ends } = await connected();
    server.send(message);
    await server.expectClose();
    expect(await errorOf(query(connection, "SELECT 1"))).toBe(
      `FATAL 08P01 the server sent ${type} without being asked`,
    );
    expect(ends).toMatchObject([{ code: "08P01" }]);
  });

  test.each(["ERROR", "FATAL", "PANIC"] as const)("%s ends the connection, and is told", async (severity) => {
    const { server, connection, ends } = await connected();
    server.send(error(severity, "57P01"));
    await server.expectClose();
    expect(ends).toMatchObject([{ severity, code: "57P01", message: "told" }]);
    expect(await errorOf(execute(connection, { sql: "SELECT 1" }))).toBe(`${severity} 57P01 told`);
  });

  test("the server closes", async () => {
    const { server, connection, ends } = await connected();
    server.close();
    await setTimeout(5);
    expect(connection.closed).toBe(true);
    expect(ends).toMatchObject([{ code: "08006" }]);
  });
});

describe("in an answer", () => {
  test("a message of a type that does not exist", async () => {
    expect(await answered(description, bytes("'!' 00000004"))).toBe(
      "FATAL 08P01 invalid backend message type 33",
    );
  });

  test("a length that is none", async () => {
    expect(await answered(bytes("'D' 00000003"))).toBe("FATAL 08P01 invalid message length");
    expect(await answered(bytes("'D' 7fffffff"))).toBe("FATAL 08P01 invalid message length");
    expect(await answered(bytes("'D' ffffffff"))).toBe("FATAL 08P01 invalid message length");
  });

  test("a message too long for its type", async () => {
    expect(await answered(bytes("'C' 00010000"))).toMatch(/^FATAL 54000 message of type "C" is too long/);
  });

  test("a body that makes no sense", async () => {
    expect(await answered(bytes("'C' 00000006 4141"))).toBe("ERROR 08P01 invalid string in message");
    expect(await answered(description, bytes("'D' 00000008 ffff 0000"))).toBe(
      "ERROR 08P01 insufficient data left in message",
    );
    expect(await answered(bytes("'T' 00000006 ffff"))).toBe("ERROR 08P01 insufficient data left in message");
  });

  test("rows that are not as described", async () => {
    expect(await answered(row)).toBe(
      'ERROR 08P01 server sent data ("D" message) without prior row description ("T" message)',
    );
    expect(await answered(description, { type: "DataRow", values: [] })).toBe(
      'ERROR 08P01 unexpected field count in "D" message',
    );
    expect(await answered(description, { type: "DataRow", values: ["a", "b"] })).toBe(
      'ERROR 08P01 unexpected field count in "D" message',
    );
    // The description was the first statement's.
    expect(await answered(description, row, complete, row)).toMatch(/without prior row description/);
  });

  test.each([
    ["AuthenticationOk", { type: "AuthenticationOk" }],
    ["BackendKeyData", { type: "BackendKeyData", processId: 1, secretKey: new Uint8Array(4) }],
    ["NegotiateProtocolVersion", { type: "NegotiateProtocolVersion", version: 196_608, options: [] }],
    ["FunctionCallResponse", { type: "FunctionCallResponse", value: null }],
    ["CopyBothResponse", { type: "CopyBothResponse", format: 0, columnFormats: [] }],
  ] satisfies [string, BackendInput][])("a %s", async (type, message) => {
    expect(await answered(message)).toBe(`FATAL 08P01 the server sent ${type} without being asked`);
  });

  test("text that is not UTF-8 fails the query alone", async () => {
    const broken: BackendInput = { type: "DataRow", values: [Uint8Array.of(0xff)] };
    expect(await answered(description, broken, row, complete, ready)).toBe(
      'ERROR 22021 invalid byte sequence for encoding "UTF8": 0xff, and goes on',
    );
  });

  test("bytes are no text", async () => {
    const { server, connection } = await connected();
    const result = execute(connection, { sql: "SELECT 1", resultFormats: [1] });
    await server.expectAll("Parse", "Bind", "Describe", "Execute", "Sync");
    const binary: BackendInput = { type: "RowDescription", fields: [{ ...field, format: 1 }] };
    server.send(binary, { type: "DataRow", values: [Uint8Array.of(0xff)] }, complete, ready);
    expect((await result).rows).toEqual([[Uint8Array.of(0xff)]]);
  });

  test("ReadyForQuery without any result", async () => {
    const { server, connection } = await connected();
    const nothing = query(connection, "SELECT 1");
    await server.expect("Query");
    server.send(ready);
    expect(await nothing).toEqual([]);
    const one = errorOf(execute(connection, { sql: "SELECT 1" }));
    const behind = errorOf(query(connection, "SELECT 2"));
    await server.expectAll("Parse", "Bind", "Describe", "Execute", "Sync", "Query");
    server.send(ready);
    const text = "FATAL 08P01 the server gave 0 results for 1 statements";
    expect(await one).toBe(text);
    // Whose answer comes next cannot be told any more.
    expect(await behind).toBe(text);
    await server.expectClose();
  });

  test("more results than statements", async () => {
    const { server, connection } = await connected();
    const two = errorOf(pipeline(connection, [{ sql: "a" }, { sql: "b" }]));
    await server.expect("Parse");
    server.send(complete, complete, complete, ready);
    expect(await two).toBe("FATAL 08P01 the server gave 3 results for 2 statements");
  });

  test("only the first error counts, and nothing after it", async () => {
    expect(
      await answered(error("ERROR", "22012"), error("ERROR", "42601"), description, row, complete, ready),
    ).toBe("ERROR 22012 told, and goes on");
  });
});

describe("the end comes", () => {
  test("as FATAL, to everything that waits", async () => {
    const { server, connection, ends } = await connected();
    const calls = [
      query(connection, "SELECT 1"),
      execute(connection, { sql: "SELECT 2" }),
      collect(rows(connection, { sql: "SELECT 3" })),
      copyIn(connection, "COPY", []),
    ].map(errorOf);
    await server.expect("Query");
    server.send(description, row, error("FATAL", "57P01"), ready, ready);
    server.close();
    expect(await Promise.all(calls)).toEqual(calls.map(() => "FATAL 57P01 told"));
    expect(ends.length).toBe(1);
  });

  const gone = "FATAL 08006 server closed the connection unexpectedly";

  test.each([
    ["a result", [description, row]],
    ["a message", [description, bytes("'D' 00000fff 0001")]],
    ["a header", [bytes("'D' 00")]],
    ["nothing", []],
    ["the last message", [description, row, complete]],
  ])("in the middle of %s", async (_, messages) => {
    const { server, connection } = await connected();
    const outcome = errorOf(query(connection, "SELECT 1"));
    await server.expect("Query");
    if (messages.length > 0) server.send(...messages);
    server.close();
    expect(await outcome).toBe(gone);
  });

  test("in prepare, openPortal, and a prepared statement's run", async () => {
    for (const call of [
      (connection: Connection) => prepare(connection, "s", { sql: "x" }),
      (connection: Connection) => openPortal(connection, "p", { sql: "x" }),
    ]) {
      const { server, connection } = await connected();
      const outcome = errorOf(call(connection));
      await server.expect("Parse");
      server.send({ type: "ParseComplete" });
      server.close();
      expect(await outcome).toBe(gone);
    }
    const { server, connection } = await connected();
    const preparing = prepare(connection, "s", { sql: "x" });
    await server.expectAll("Parse", "Describe", "Sync");
    server.send(
      { type: "ParseComplete" },
      { type: "ParameterDescription", parameterTypes: [] },
      { type: "NoData" },
      ready,
    );
    const statement = await preparing;
    const run = errorOf(statement.execute());
    await server.expect("Bind");
    server.close();
    expect(await run).toBe(gone);
    expect(await errorOf(statement.close())).toBe(gone);
  });

  test("between two batches of rows", async () => {
    const { server, connection } = await connected();
    const iterator = rows(connection, { sql: "x" }, 1);
    const first = iterator.next();
    await server.expectAll("Parse", "Bind", "Describe", "Execute", "Flush");
    server.send(description, row, { type: "PortalSuspended" });
    expect((await first).value).toEqual([["x"]]);
    server.close();
    await setTimeout(5);
    expect(await errorOf(iterator.next())).toBe(gone);
  });

  test("while the reader has a batch in hand, and leaves", async () => {
    const { server, connection } = await connected();
    const iterator = rows(connection, { sql: "x" }, 1);
    const first = iterator.next();
    await server.expect("Parse");
    server.send(description, row, { type: "PortalSuspended" });
    await first;
    server.close();
    await setTimeout(5);
    expect(await iterator.return()).toEqual({ done: true, value: undefined });
  });

  test("while COPY waits for the source", async () => {
    const { server, connection } = await connected();
    const waiting = Promise.withResolvers<void>();
    async function* source() {
      yield "1\n";
      waiting.resolve();
      await new Promise(() => {});
    }
    const copying = errorOf(copyIn(connection, "COPY", source()));
    await server.expect("Query");
    server.send(copyInResponse);
    await waiting.promise;
    server.close();
    expect(await copying).toBe(gone);
  });

  test("in the middle of COPY TO STDOUT", async () => {
    const { server, connection } = await connected();
    const chunks: Uint8Array[] = [];
    const copying = (async () => {
      for await (const chunk of copyOut(connection, "COPY")) chunks.push(chunk);
    })();
    const outcome = errorOf(copying);
    await server.expect("Query");
    server.send(copyOutResponse, { type: "CopyData", data: Uint8Array.of(1) });
    server.close();
    expect(await outcome).toBe(gone);
    expect(chunks).toEqual([Uint8Array.of(1)]);
  });
});

describe("COPY FROM STDIN that nobody has data for", () => {
  const refused = "ERROR 0A000 COPY FROM STDIN needs copyIn()";

  test("in a Query: CopyFail", async () => {
    const { server, connection } = await connected();
    const outcome = errorOf(query(connection, "COPY"));
    await server.expect("Query");
    server.send(copyInResponse);
    await server.expect("CopyFail");
    server.send(error("ERROR", "57014"), ready);
    expect(await outcome).toBe(refused);
    expect(connection.idle).toBe(true);
  });

  test("in a pipeline: CopyFail, and the Sync that the COPY has swallowed", async () => {
    const { server, connection } = await connected();
    const outcome = errorOf(execute(connection, { sql: "COPY" }));
    await server.expectAll("Parse", "Bind", "Describe", "Execute", "Sync");
    server.send({ type: "ParseComplete" }, { type: "BindComplete" }, { type: "NoData" }, copyInResponse);
    await server.expectAll("CopyFail", "Sync");
    server.send(error("ERROR", "57014"), ready);
    expect(await outcome).toBe(refused);
    expect(connection.idle).toBe(true);
  });

  test("with other calls behind it, whose messages the COPY has swallowed", async () => {
    const { server, connection } = await connected();
    const outcomes = [query(connection, "COPY"), query(connection, "SELECT 1")].map(errorOf);
    await server.expectAll("Query", "Query");
    server.send(copyInResponse);
    const text = "FATAL 0A000 COPY FROM STDIN needs copyIn(), and cannot be part of a pipeline";
    expect(await Promise.all(outcomes)).toEqual([text, text]);
    await server.expectClose();
  });
});

describe("rows()", () => {
  test("ReadyForQuery before Sync ends the connection", async () => {
    const { server, connection } = await connected();
    const outcome = errorOf(collect(rows(connection, { sql: "x" })));
    await server.expectAll("Parse", "Bind", "Describe", "Execute", "Flush");
    server.send(ready);
    expect(await outcome).toBe("FATAL 08P01 the server sent ReadyForQuery without being asked");
    await server.expectClose();
  });
});

test("a callback that throws ends the connection", async () => {
  const { server, connection } = await connected({
    onNotification: () => {
      throw new Error("a bug");
    },
  });
  const outcome = errorOf(query(connection, "SELECT 1"));
  await server.expect("Query");
  server.send({ type: "NotificationResponse", processId: 1, channel: "c", payload: "" });
  expect(await outcome).toBe("ERROR XX000 a bug");
  await server.expectClose();
});

test("every answer byte by byte", async () => {
  const { server, connection } = await connected({}, 1);
  const result = query(connection, "SELECT 1");
  await server.expect("Query");
  server.send(description, row, row, complete, ready);
  expect((await result)[0]?.rows).toEqual([["x"], ["x"]]);
});
