import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AuthSource, callbackAuthSource, clientExchange, staticAuthSource } from "../../src/auth/mod.ts";
import { memoryCancelRegistry } from "../../src/session/mod.ts";
import type { FrontendMessage } from "../../src/wire/mod.ts";
import { bytes, concat } from "../wire/bytes.ts";
import { transactional } from "./scripted-upstream.ts";
import {
  bytesOf,
  connect,
  copyDone,
  parse,
  query,
  run,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

const auth: AuthSource = staticAuthSource({ postgres: "sesame" }, { method: "password" });

const password = (text: string): FrontendMessage => ({ type: "PasswordMessage", password: text });

async function asked(options: { auth?: AuthSource } = {}) {
  const script = transactional();
  const client = new TestClient({ auth, ...script, ...options });
  void client.sendBytes(startup());
  await settled();
  return { client, calls: script.calls };
}

test("a password lets the client in", async () => {
  const { client } = await asked();
  expect(client.take()).toEqual(["AuthenticationCleartextPassword"]);
  void client.send(password("sesame"));
  await client.until("ReadyForQuery");
  expect(client.take()[0]).toBe("AuthenticationOk");
});

test("SCRAM does, over several messages", async () => {
  const { client } = await asked({ auth: staticAuthSource({ postgres: "sesame" }) });
  const exchange = clientExchange({ user: "postgres", password: "sesame" });
  const seen: string[] = [];
  while (!seen.includes("ReadyForQuery")) {
    await client.until(
      seen.length === 0
        ? "AuthenticationSASL"
        : seen.length === 1
          ? "AuthenticationSASLContinue"
          : "ReadyForQuery",
    );
    const messages = client.messages;
    client.take();
    for (const message of messages) {
      seen.push(message.type);
      const reply = message.type.startsWith("Authentication") && (await exchange.receive(message));
      if (reply) void client.send(reply);
    }
  }
  expect(seen.slice(0, 4)).toEqual([
    "AuthenticationSASL",
    "AuthenticationSASLContinue",
    "AuthenticationSASLFinal",
    "AuthenticationOk",
  ]);
});

describe("whatever goes wrong is FATAL, without ReadyForQuery, and ends the connection", () => {
  const cases: [string, Uint8Array, string][] = [
    [
      "a wrong password",
      bytesOf([password("x")]),
      '28P01 password authentication failed for user "postgres"',
    ],
    [
      "a Query in its place",
      bytesOf([query("select 1")]),
      "08P01 expected password response, got message type 81",
    ],
    ["a Sync in its place", bytesOf([sync]), "08P01 expected password response, got message type 83"],
    ["a type that does not exist", bytes("7a 00000004"), "08P01 invalid frontend message type 122"],
    ["a length below 4", bytes("70 00000003"), "08P01 invalid message length"],
    ["65,536 bytes", bytes("70 00010000"), "08P01 invalid message length"],
    ["no terminator", bytes("70 00000005 'x'"), "08P01 invalid password packet size"],
  ];
  for (const [name, sent, error] of cases) {
    test(name, async () => {
      const { client, calls } = await asked();
      client.take();
      void client.sendBytes(sent);
      await client.untilClosed();
      expect(client.take()).toEqual([`ErrorResponse FATAL ${error}`]);
      expect(client.transport.ended).toBe(true);
      expect(calls).toEqual([]);
    });
  }

  test("an authentication source that throws: the client sees none of its text", async () => {
    const { client } = await asked({
      auth: { find: () => Promise.reject(new Error("ldap://secret is down")) },
    });
    await client.untilClosed();
    const lines = client.take();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^ErrorResponse FATAL /);
    expect(lines[0]).not.toContain("secret");
  });
});

describe("messages pipelined behind the password", () => {
  test("are served", async () => {
    const { client, calls } = await asked();
    void client.send(password("sesame"), query("select 1"), ...run("select $1", "2"), sync);
    await client.until("ReadyForQuery", 3);
    expect(client.take().filter((line) => !line.startsWith("ParameterStatus"))).toEqual([
      "AuthenticationCleartextPassword",
      "AuthenticationOk",
      "BackendKeyData",
      "ReadyForQuery I",
      "RowDescription a",
      "DataRow 1",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
      "ParseComplete",
      "BindComplete",
      "RowDescription a",
      "DataRow 2",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
    expect(calls).toEqual(["query select 1", "query select $1"]);
  });

  test("are served when startup packet, password and query come in one chunk", async () => {
    const script = transactional();
    const client = new TestClient({ auth, ...script });
    void client.sendBytes(concat(startup(), bytesOf([password("sesame"), query("select 1")])));
    await client.until("ReadyForQuery", 2);
    expect(client.take().slice(-4)).toEqual([
      "RowDescription a",
      "DataRow 1",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
  });

  test("are served while the check of the password and the upstream take their time", async () => {
    const checked = Promise.withResolvers<boolean>();
    const { client, calls } = await asked({ auth: callbackAuthSource(() => checked.promise) });
    void client.send(password("sesame"), query("select 1"));
    await settled();
    expect(calls).toEqual([]);
    checked.resolve(true);
    await client.until("ReadyForQuery", 2);
    expect(calls).toEqual(["query select 1"]);
  });

  test("are not executed behind a wrong one", async () => {
    const { client, calls } = await asked();
    void client.send(
      password("wrong"),
      query("drop table t"),
      ...run("drop table t"),
      sync,
      password("sesame"),
    );
    await client.untilClosed();
    await settled();
    expect(client.take().at(-1)).toBe(
      'ErrorResponse FATAL 28P01 password authentication failed for user "postgres"',
    );
    expect(calls).toEqual([]);
  });

  test("are not executed behind a startup packet that is refused", async () => {
    const script = transactional();
    const client = new TestClient(script);
    void client.sendBytes(concat(startup({}, 0x20000), startup(), bytesOf([query("drop table t")])));
    await client.untilClosed();
    await settled();
    expect(client.take()).toHaveLength(1);
    expect(script.calls).toEqual([]);
  });
});

test("after authentication a password is a message that does not exist", async () => {
  const script = transactional();
  const client = await connect({ upstream: script.upstream });
  void client.send(password("sesame"));
  await client.untilClosed();
  expect(client.take()).toEqual(["ErrorResponse FATAL 08P01 invalid frontend message type 112"]);
  expect(script.calls).toEqual(["close"]);
});

describe("time-out", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("of a client that sends nothing: the end, without a word", async () => {
    const client = new TestClient(transactional());
    vi.advanceTimersByTime(59_999);
    expect(client.transport.ended).toBe(false);
    vi.advanceTimersByTime(1);
    await client.untilClosed();
    expect(client.transport.ended).toBe(true);
    expect(client.take()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("of a client that sends half of its startup packet: the same", async () => {
    const client = new TestClient(transactional());
    void client.sendBytes(startup().subarray(0, 11));
    vi.advanceTimersByTime(60_000);
    await client.untilClosed();
    expect(client.take()).toEqual([]);
  });

  test("of a client that does not send its password", async () => {
    const client = new TestClient({ auth, ...transactional(), limits: { authenticationTimeout: 1000 } });
    void client.sendBytes(startup());
    await settled();
    expect(client.take()).toEqual(["AuthenticationCleartextPassword"]);
    vi.advanceTimersByTime(1000);
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 57014 canceling authentication due to timeout"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("of a source that does not answer, whose late answer is dropped", async () => {
    const found = Promise.withResolvers<{ method: "trust" }>();
    const { upstream, calls } = transactional();
    const cancels = memoryCancelRegistry();
    const client = new TestClient({ auth: { find: () => found.promise }, upstream, cancels });
    void client.sendBytes(concat(startup(), bytesOf([query("select 1")])));
    await settled();
    vi.advanceTimersByTime(60_000);
    await client.untilClosed();
    found.resolve({ method: "trust" });
    await settled();
    expect(client.take()).toEqual(["ErrorResponse FATAL 57014 canceling authentication due to timeout"]);
    expect(calls).toEqual([]);
    expect(cancels.size).toBe(0);
  });

  test("is over once the client is in", async () => {
    const client = await connect(transactional());
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(120_000);
    expect(client.transport.ended).toBe(false);
    expect(await client.query("select 1")).toHaveLength(4);
  });
});

test("COPY messages and a Parse before authentication are no messages either", async () => {
  for (const message of [copyDone, parse("select 1")]) {
    const { client, calls } = await asked();
    void client.send(message);
    await client.untilClosed();
    expect(client.take().at(-1)).toMatch(
      /^ErrorResponse FATAL 08P01 expected password response, got message type/,
    );
    expect(calls).toEqual([]);
  }
});
