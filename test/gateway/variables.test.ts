import { describe, expect, test } from "vitest";
import { ConfigError, readVariables } from "../../src/gateway/mod.ts";

test("nothing: no database, and nobody is asked for anything", () => {
  expect(readVariables({})).toEqual({
    databases: new Map(),
    users: new Map(),
    auth: undefined,
    limits: {},
    http: {},
  });
});

test("everything, among what means nothing here", () => {
  const variables = {
    EDGEWIRE_DATABASES: "app=postgres://u:p=1@h/d?x=y\n  *=pglite:",
    EDGEWIRE_USERS: "me:SCRAM-SHA-256$4096:c2FsdA==$a:b you:secret:with:colons",
    EDGEWIRE_AUTH: "scram-sha-256",
    EDGEWIRE_STATEMENT_TIMEOUT: "1000",
    // As [vars] of wrangler.toml may have it.
    EDGEWIRE_IDLE_TIMEOUT: 2000,
    EDGEWIRE_IDLE_IN_TRANSACTION_TIMEOUT: "",
    EDGEWIRE_ORIGINS: "https://a.example, loopback",
    EDGEWIRE_MAX_REQUEST_BYTES: "1",
    EDGEWIRE_MAX_RESPONSE_BYTES: "2",
    EDGEWIRE_BROKER: { get: () => undefined },
    OTHER: "x",
  };
  expect(readVariables(variables)).toEqual({
    databases: new Map([
      ["app", "postgres://u:p=1@h/d?x=y"],
      ["*", "pglite:"],
    ]),
    users: new Map([
      ["me", "SCRAM-SHA-256$4096:c2FsdA==$a:b"],
      ["you", "secret:with:colons"],
    ]),
    auth: "scram-sha-256",
    limits: { statementTimeout: 1000, idleTimeout: 2000 },
    http: { origins: ["https://a.example", "loopback"], maxRequestBytes: 1, maxResponseBytes: 2 },
  });
});

describe("refuses", () => {
  test.each<[Record<string, unknown>, RegExp]>([
    [{ EDGEWIRE_DATABASES: "app" }, /a database is written name=url/],
    [{ EDGEWIRE_DATABASES: "a=pglite: a=pglite:" }, /"a" is configured twice/],
    [{ EDGEWIRE_DATABASES: { app: "pglite:" } }, /EDGEWIRE_DATABASES must be a text/],
    [{ EDGEWIRE_USERS: "me" }, /name:verifier/],
    [{ EDGEWIRE_AUTH: "gss" }, /auth is one of trust, password/],
    [{ EDGEWIRE_STATEMENT_TIMEOUT: "1s" }, /statement-timeout is a whole number/],
    [{ EDGEWIRE_ORIGINS: "app.example.com" }, /an origin is written like https:/],
  ])("%j", (variables, message) => {
    expect(() => readVariables(variables)).toThrow(ConfigError);
    expect(() => readVariables(variables)).toThrow(message);
  });
});
