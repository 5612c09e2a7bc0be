// A password that lies behind the StartupMessage before anybody asked for it, as Neon's driver sends it.
import { describe, expect, test, vi } from "vitest";
import { type AuthSource, md5Verifier, scramVerifier, staticAuthSource } from "../../src/auth/mod.ts";
import { concat } from "../wire/bytes.ts";
import { transactional } from "./scripted-upstream.ts";
import { bytesOf, query, settled, startup, TestClient } from "./test-client.ts";

const users = {
  scram: await scramVerifier("sesame"),
  md5: md5Verifier("md5", "sesame"),
  plain: "sesame",
};

const password = (text: string) => bytesOf([{ type: "PasswordMessage", password: text }]);

function open(auth: AuthSource, byteByByte = false) {
  const script = transactional();
  return { calls: script.calls, client: new TestClient({ ...script, auth, byteByByte }) };
}

for (const [user, method] of [
  ["scram", undefined],
  ["md5", undefined],
  ["plain", undefined],
  ["scram", "md5"],
  ["md5", "md5"],
  ["md5", "scram-sha-256"],
  ["plain", "password"],
  ["nobody", "trust"],
] as const) {
  const auth = staticAuthSource({ ...users, nobody: "" }, method && { method });

  test(`${user} by ${method ?? "the method of its verifier"} is let in, and its query answered`, async () => {
    const { client } = open(auth);
    void client.sendBytes(concat(startup({ user }), password("sesame"), bytesOf([query("select 1")])));
    await client.until("ReadyForQuery", 2);
    expect(client.take().filter((line) => !line.startsWith("ParameterStatus"))).toEqual([
      "AuthenticationCleartextPassword",
      "AuthenticationOk",
      "BackendKeyData",
      "ReadyForQuery I",
      "RowDescription a",
      "DataRow 1",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
  });
}

describe("nobody gets in with a wrong one", () => {
  const auth = staticAuthSource(users);
  for (const [user, sent, error] of [
    ["scram", "x", '28P01 password authentication failed for user "scram"'],
    ["md5", "x", '28P01 password authentication failed for user "md5"'],
    ["plain", "x", '28P01 password authentication failed for user "plain"'],
    ["nobody", "sesame", '28P01 password authentication failed for user "nobody"'],
    ["plain", "", "28P01 empty password returned by client"],
  ] as const) {
    test(`${user} with "${sent}"`, async () => {
      const { client, calls } = open(auth);
      void client.sendBytes(concat(startup({ user }), password(sent), bytesOf([query("drop table t")])));
      await client.untilClosed();
      expect(client.take()).toEqual(["AuthenticationCleartextPassword", `ErrorResponse FATAL ${error}`]);
      expect(calls).toEqual([]);
    });
  }
});

test("every refusal costs one derivation of a key, so that time does not tell who exists", async () => {
  const derivations = vi.spyOn(crypto.subtle, "deriveBits");
  const auth = staticAuthSource(users);
  const counts: Record<string, number> = {};
  // The first time a plain password becomes a verifier, which is kept.
  for (const user of ["plain", "plain", "scram", "md5", "nobody"]) {
    derivations.mockClear();
    const { client } = open(auth);
    void client.sendBytes(concat(startup({ user }), password("wrong")));
    await client.untilClosed();
    counts[user] = derivations.mock.calls.length;
  }
  derivations.mockRestore();
  expect(counts).toEqual({ plain: 1, scram: 1, md5: 1, nobody: 1 });
});

test("trust takes an empty one, too: the driver sends what it has", async () => {
  const { client } = open(staticAuthSource({ nobody: "" }, { method: "trust" }));
  void client.sendBytes(concat(startup({ user: "nobody" }), password("")));
  await client.until("ReadyForQuery");
  expect(client.take().slice(0, 2)).toEqual(["AuthenticationCleartextPassword", "AuthenticationOk"]);
});

test("its first byte is enough to know it by", async () => {
  const { client } = open(staticAuthSource(users));
  const message = password("sesame");
  void client.sendBytes(concat(startup({ user: "scram" }), message.subarray(0, 1)));
  await settled();
  void client.sendBytes(message.subarray(1));
  await client.until("ReadyForQuery");
  expect(client.take().slice(0, 2)).toEqual(["AuthenticationCleartextPassword", "AuthenticationOk"]);
});

test("one that comes after SCRAM was asked for is no answer to that", async () => {
  const { client } = open(staticAuthSource(users), true);
  void client.sendBytes(concat(startup({ user: "scram" }), password("sesame")));
  await client.untilClosed();
  expect(client.take()).toEqual([
    "AuthenticationSASL SCRAM-SHA-256",
    "ErrorResponse FATAL 08P01 client selected an invalid SASL authentication mechanism",
  ]);
});

test("one that comes after a trusted client was let in is no message", async () => {
  const { client } = open(staticAuthSource({ nobody: "" }, { method: "trust" }), true);
  void client.sendBytes(concat(startup({ user: "nobody" }), password("sesame")));
  await client.untilClosed();
  expect(client.take().at(-1)).toBe("ErrorResponse FATAL 08P01 invalid frontend message type 112");
});

test("a query behind the StartupMessage changes nothing: SCRAM is asked for", async () => {
  const { client } = open(staticAuthSource(users));
  void client.sendBytes(concat(startup({ user: "scram" }), bytesOf([query("select 1")])));
  await client.untilClosed();
  expect(client.take()).toEqual([
    "AuthenticationSASL SCRAM-SHA-256",
    "ErrorResponse FATAL 08P01 expected SASL response, got message type 81",
  ]);
});
