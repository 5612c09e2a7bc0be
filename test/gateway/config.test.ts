import { describe, expect, test } from "vitest";
import { ConfigError, collect, parseDatabase, parseUser } from "../../src/gateway/mod.ts";

/** The message of the ConfigError that was thrown. */
function mistake(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("no mistake was found");
}

describe("a database", () => {
  test.each([
    ["app=pglite:", ["app", "pglite:"]],
    ["app=pglite:./data", ["app", "pglite:./data"]],
    ["*=postgres://u:p=x@host/db?a=b", ["*", "postgres://u:p=x@host/db?a=b"]],
    ["my db=HTTPS://x", ["my db", "HTTPS://x"]],
  ])("%s", (text, parsed) => {
    expect(parseDatabase(text)).toEqual(parsed);
  });

  test.each(["app", "=pglite:", "app=", ""])("%j is not one, and the message has an example", (text) => {
    expect(mistake(() => parseDatabase(text))).toBe(
      `a database is written name=url, not "${text}" (for example app=pglite:./data)`,
    );
  });

  test.each(["app=./data", "app=host/db", "app=1:x"])("%s has no scheme", (text) => {
    expect(mistake(() => parseDatabase(text))).toBe(
      `the URL of database "app" has no scheme: "${text.slice(4)}"`,
    );
  });
});

describe("a user", () => {
  test.each([
    ["alice:secret", ["alice", "secret"]],
    ["alice:with:colons", ["alice", "with:colons"]],
    ["bob:SCRAM-SHA-256$4096:c2FsdA==$a:b", ["bob", "SCRAM-SHA-256$4096:c2FsdA==$a:b"]],
  ])("%s", (text, parsed) => {
    expect(parseUser(text)).toEqual(parsed);
  });

  test.each(["alice", ":secret", "alice:", ""])("%j is not one, and what was given is not shown", (text) => {
    const message = mistake(() => parseUser(text));
    expect(message).toBe("a user is written name:verifier, with a SCRAM-SHA-256$… verifier or a password");
  });
});

describe("a list", () => {
  test("of different names", () => {
    const pairs = [
      ["a", "1"],
      ["b", "2"],
    ] as const;
    expect(collect(pairs, "database")).toEqual(new Map(pairs));
  });

  test("with one name twice is a mistake", () => {
    const pairs = [
      ["a", "1"],
      ["a", "1"],
    ] as const;
    expect(mistake(() => collect(pairs, "user"))).toBe('user "a" is configured twice');
  });
});
