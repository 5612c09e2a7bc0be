/** A client that leaves, or a server that does, at every moment of a session of the wire upstream. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { connect, copyIn, query } from "../../../src/client/mod.ts";
import type { FrontendInput } from "../../../src/wire/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import { bytes } from "../../wire/bytes.ts";
import {
  complete,
  copyInResponse,
  error,
  gateway,
  type Joined,
  joined,
  login,
  raw,
  ready,
} from "./gateway.ts";
import { discard } from "./scripted-servers.ts";

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

  test.each(["before", "after"])("by closing its side %s a COPY FROM STDIN begins", async (when) => {
    const running = await joined();
    const [session] = running.sessions;
    raw(running).send({ type: "Query", query: "COPY" });
    await running.server.expect("Query");
    if (when === "before") session?.finish();
    running.server.send(copyInResponse);
    await setTimeout(5);
    if (when === "after") session?.finish();
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
