import { expect, test } from "vitest";
import { clientExchange, staticAuthSource } from "../../src/auth/mod.ts";
import { transactional } from "./scripted-upstream.ts";
import { connect, query, run, settled, startup, sync, TestClient } from "./test-client.ts";

test("each message of both sides is a line, in order", async () => {
  const lines: string[] = [];
  const client = await connect({ ...transactional(), trace: (line) => lines.push(line) });
  expect(lines[0]).toMatch(/^F\t\d+\tStartupMessage\t 3 0 "user" "postgres" "database" "postgres"/);
  expect(lines.some((line) => line.includes("BackendKeyData"))).toBe(true);
  lines.length = 0;
  await client.query("select 1");
  await client.ask(...run("select 2"), sync);
  expect(lines).toEqual([
    'F\t13\tQuery\t "select 1"',
    'B\t26\tRowDescription\t 1 "a" 0 0 25 65535 -1 0',
    "B\t11\tDataRow\t 1 1 '1'",
    'B\t13\tCommandComplete\t "SELECT 1"',
    "B\t5\tReadyForQuery\t I",
    'F\t16\tParse\t "" "select 2" 0',
    'F\t12\tBind\t "" "" 0 0 0',
    'F\t6\tDescribe\t P ""',
    'F\t9\tExecute\t "" 0',
    "F\t4\tSync",
    "B\t4\tParseComplete",
    "B\t4\tBindComplete",
    'B\t26\tRowDescription\t 1 "a" 0 0 25 65535 -1 0',
    "B\t11\tDataRow\t 1 1 '2'",
    'B\t13\tCommandComplete\t "SELECT 1"',
    "B\t5\tReadyForQuery\t I",
  ]);
});

test("a password is not in it", async () => {
  const lines: string[] = [];
  const auth = staticAuthSource({ postgres: "hunter2" }, { method: "password" });
  const client = new TestClient({ ...transactional(), auth, trace: (line) => lines.push(line) });
  void client.sendBytes(startup());
  await settled();
  void client.send({ type: "PasswordMessage", password: "hunter2" });
  await client.until("ReadyForQuery");
  expect(lines.some((line) => line.includes("PasswordMessage"))).toBe(true);
  expect(lines.join("\n")).not.toContain("hunter2");
});

test("nor is a wrong one, or what SCRAM proves it by", async () => {
  const lines: string[] = [];
  const auth = staticAuthSource({ postgres: "hunter2" });
  const client = new TestClient({ ...transactional(), auth, trace: (line) => lines.push(line) });
  const exchange = clientExchange({ user: "postgres", password: "hunter2" });
  void client.sendBytes(startup());
  await client.until("AuthenticationSASL");
  const initial = await exchange.receive(client.last("AuthenticationSASL"));
  if (initial) void client.send(initial);
  await client.until("AuthenticationSASLContinue");
  const proof = await exchange.receive(client.last("AuthenticationSASLContinue"));
  if (proof?.type !== "SASLResponse") throw new Error("no proof");
  void client.send(proof);
  await client.until("ReadyForQuery");
  const text = new TextDecoder().decode(proof.data);
  expect(text).toMatch(/p=/);
  expect(lines.join("\n")).not.toContain(text.slice(text.indexOf("p=")));
});

test("encryption requests and their answers do not disturb it", async () => {
  const lines: string[] = [];
  const client = new TestClient({ ...transactional(), trace: (line) => lines.push(line) });
  void client.sendBytes(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47));
  await client.skip(1);
  void client.sendBytes(startup());
  await client.until("ReadyForQuery");
  await client.ask(query("select 1"));
  expect(lines[0]).toMatch(/^F\t8\tSSLRequest/);
  expect(lines.at(-1)).toBe("B\t5\tReadyForQuery\t I");
});
