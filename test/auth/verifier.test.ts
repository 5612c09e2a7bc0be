import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  formatScramVerifier,
  isEmptyPassword,
  md5Verifier,
  parseVerifier,
  passwordMatches,
  scramVerifier,
} from "../../src/auth/verifier.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const salt = Uint8Array.from({ length: 16 }, (_, index) => index);

// Made by PostgreSQL 15: SELECT rolpassword FROM pg_authid, after CREATE ROLE ... PASSWORD 'pencil'.
const fromPostgres =
  "SCRAM-SHA-256$4096:CFOo/teLxa6P++sVkL2UPw==$y1lfSeY4pmbUVkKsDFCG5fb1xYgK9xE0e6ObyxVdhIM=:2EKhYMEZmKjYKEHxb83D+99I2iCoD4RCEFM4yXEKNLI=";
const md5FromPostgres = "md538f591e5ee08fc954ca8f09e3078a243";

describe("parseVerifier", () => {
  test("reads what PostgreSQL stores for SCRAM", () => {
    const verifier = parseVerifier(fromPostgres);
    if (verifier.type !== "scram-sha-256") throw new Error(verifier.type);
    expect(verifier.iterations).toBe(4096);
    expect(verifier.salt).toHaveLength(16);
    expect(verifier.storedKey).toHaveLength(32);
    expect(verifier.serverKey).toHaveLength(32);
    expect(formatScramVerifier(verifier)).toBe(fromPostgres);
  });

  test("reads what PostgreSQL stores for md5", () => {
    expect(parseVerifier(md5FromPostgres)).toEqual({ type: "md5", hash: md5FromPostgres.slice(3) });
  });

  const [, parameters = "", keys = ""] = fromPostgres.split("$");
  const [iterations = "", encodedSalt = ""] = parameters.split(":");
  const [storedKey = "", serverKey = ""] = keys.split(":");
  test.each([
    ["the empty text", ""],
    ["a word", "secret"],
    ["md5 with too few digits", "md5d41d8cd98f00b204e9800998ecf8427"],
    ["md5 with too many digits", "md5d41d8cd98f00b204e9800998ecf8427e0"],
    ["md5 with capital digits", "md5D41D8CD98F00B204E9800998ECF8427E"],
    ["SCRAM with nothing behind it", "SCRAM-SHA-256$"],
    ["another hash", fromPostgres.replace("256", "512")],
    ["small letters", fromPostgres.replace("SCRAM-SHA-256", "scram-sha-256")],
    ["no iterations", `SCRAM-SHA-256$:${encodedSalt}$${storedKey}:${serverKey}`],
    ["iterations of zero", `SCRAM-SHA-256$0:${encodedSalt}$${storedKey}:${serverKey}`],
    ["negative iterations", `SCRAM-SHA-256$-1:${encodedSalt}$${storedKey}:${serverKey}`],
    ["iterations beyond an int", `SCRAM-SHA-256$2147483648:${encodedSalt}$${storedKey}:${serverKey}`],
    ["iterations that are no number", `SCRAM-SHA-256$4096x:${encodedSalt}$${storedKey}:${serverKey}`],
    ["no salt", `SCRAM-SHA-256$${iterations}:$${storedKey}:${serverKey}`],
    ["a salt that is not base64", `SCRAM-SHA-256$${iterations}:?$${storedKey}:${serverKey}`],
    ["a key without its padding", `SCRAM-SHA-256$${iterations}:YWJj$${storedKey}:${serverKey.slice(0, -1)}`],
    ["a short key", `SCRAM-SHA-256$${iterations}:${encodedSalt}$YWJj:${serverKey}`],
    ["one key", `SCRAM-SHA-256$${iterations}:${encodedSalt}$${storedKey}`],
    ["three keys", `${fromPostgres}:${serverKey}`],
    ["a line break behind it", `${fromPostgres}\n`],
    ["a space before it", ` ${fromPostgres}`],
  ])("%s is a plain password", (_, text) => {
    expect(parseVerifier(text)).toEqual({ type: "plain", password: text });
  });
});

describe("scramVerifier", () => {
  test("has PostgreSQL's form, a random salt of 16 bytes and 4096 iterations", async () => {
    const [first, second] = await Promise.all([scramVerifier("pencil"), scramVerifier("pencil")]);
    expect(first).toMatch(/^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/);
    expect(first).not.toBe(second);
  });

  test("derives what PostgreSQL derived", async () => {
    const verifier = parseVerifier(fromPostgres);
    if (verifier.type !== "scram-sha-256") throw new Error(verifier.type);
    expect(await scramVerifier("pencil", { salt: verifier.salt })).toBe(fromPostgres);
  });

  test("normalizes the password", async () => {
    expect(await scramVerifier("I\u00adX", { salt })).toBe(await scramVerifier("\u2168", { salt }));
  });

  test("takes iterations", async () => {
    expect(await scramVerifier("pencil", { salt, iterations: 10 })).toMatch(/^SCRAM-SHA-256\$10:/);
  });
});

test("md5Verifier is the MD5 of the password and the user", () => {
  expect(md5Verifier("md5_u", "pencil")).toBe(md5FromPostgres);
  const hash = createHash("md5").update("pencilalice").digest("hex");
  expect(md5Verifier("alice", "pencil")).toBe(`md5${hash}`);
});

describe("passwordMatches", async () => {
  test.each([
    ["plain", "pencil"],
    ["md5", md5Verifier("alice", "pencil")],
    ["scram", await scramVerifier("pencil", { iterations: 100 })],
    ["PostgreSQL's scram", fromPostgres],
  ])("against %s", async (_, text) => {
    const verifier = parseVerifier(text);
    expect(await passwordMatches(verifier, "alice", bytes("pencil"))).toBe(true);
    for (const wrong of ["Pencil", "pencil ", "pencils", "", "p"]) {
      expect(await passwordMatches(verifier, "alice", bytes(wrong))).toBe(false);
    }
  });

  test("an md5 hash belongs to one user", async () => {
    expect(await passwordMatches(parseVerifier(md5Verifier("alice", "x")), "bob", bytes("x"))).toBe(false);
  });

  test("a password in another encoding is compared as its bytes", async () => {
    const latin1 = Uint8Array.of(0x70, 0xe9);
    const verifier = parseVerifier(`md5${createHash("md5").update(latin1).update("alice").digest("hex")}`);
    expect(await passwordMatches(verifier, "alice", latin1)).toBe(true);
    expect(await passwordMatches(verifier, "alice", bytes("pé"))).toBe(false);
  });
});

test("isEmptyPassword knows the empty password in every form", async () => {
  const scram = parseVerifier(await scramVerifier("", { iterations: 100 }));
  expect(await isEmptyPassword(scram, "alice")).toBe(true);
  expect(await isEmptyPassword(parseVerifier(md5Verifier("alice", "")), "alice")).toBe(true);
  expect(await isEmptyPassword(parseVerifier(""), "alice")).toBe(true);
  expect(await isEmptyPassword(parseVerifier(fromPostgres), "alice")).toBe(false);
  expect(await isEmptyPassword(parseVerifier(md5Verifier("alice", "x")), "alice")).toBe(false);
  expect(await isEmptyPassword(parseVerifier("x"), "alice")).toBe(false);
});
