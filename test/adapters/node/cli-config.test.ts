// The configuration of `edgewire serve`: where settings come from, which one wins, and what is refused.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readConfig, type ServeConfig } from "../../../adapters/node/cli-config.ts";
import { ConfigError } from "../../../src/gateway/mod.ts";

const folder = mkdtempSync(join(tmpdir(), "edgewire-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: unknown): string {
  const path = join(folder, `${files++}.json`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const flags = (...args: string[]): ServeConfig => readConfig(args, {});
const refused = (args: string[], environment: NodeJS.ProcessEnv = {}): string => {
  try {
    readConfig(args, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return "nothing is wrong with it";
};

test("without anything: the embedded database on the loopback address", () => {
  expect(flags()).toEqual({
    listen: { host: "127.0.0.1", port: 6432 },
    http: { host: "127.0.0.1", port: 8080, asked: false },
    httpSettings: {},
    databases: new Map([["postgres", "pglite:"]]),
    users: new Map(),
    auth: undefined,
    tls: undefined,
    maxConnections: undefined,
    limits: {},
    trace: false,
  });
});

test.each([
  ["7000", { host: "127.0.0.1", port: 7000 }],
  ["0.0.0.0:7000", { host: "0.0.0.0", port: 7000 }],
  ["db.internal:7000", { host: "db.internal", port: 7000 }],
  ["[::1]:7000", { host: "::1", port: 7000 }],
  ["/tmp", { path: "/tmp", port: 6432 }],
  ["/tmp:7000", { path: "/tmp", port: 7000 }],
  ["./here", { path: "./here", port: 6432 }],
  ["../there:7000", { path: "../there", port: 7000 }],
  ["/run/.s.PGSQL.5432", { path: "/run/.s.PGSQL.5432", port: 6432 }],
])("--listen %s", (text, listen) => {
  expect(flags("--listen", text).listen).toEqual(listen);
});

test.each(["", "host", "host:port", "127.0.0.1:70000", "::1:7000"])("refuses --listen %j", (text) => {
  expect(refused(["--listen", text])).toMatch(/^listen is host:port/);
});

test("takes every flag", () => {
  const config = flags(
    ...["--listen", "7000", "--database", "a=pglite:./a", "--database", "b=postgres://u:p@h/b?x=y=z"],
    ...["--user", "me:SCRAM-SHA-256$4096:c2FsdA==$a:b", "--user", "you:secret:with:colons"],
    ...["--auth", "scram-sha-256", "--tls-cert", "c", "--tls-key", "k", "--tls-ca", "a"],
    ...["--max-connections", "10", "--statement-timeout", "1", "--idle-timeout", "2"],
    ...["--idle-in-transaction-timeout", "3", "--trace", "--http", "0.0.0.0:80"],
    ...["--origins", "https://a.example http://localhost:3000,*"],
    ...["--max-request-bytes", "4", "--max-response-bytes", "5"],
  );
  expect(config).toEqual({
    listen: { host: "127.0.0.1", port: 7000 },
    http: { host: "0.0.0.0", port: 80, asked: true },
    httpSettings: {
      origins: ["https://a.example", "http://localhost:3000", "*"],
      maxRequestBytes: 4,
      maxResponseBytes: 5,
    },
    databases: new Map([
      ["a", "pglite:./a"],
      ["b", "postgres://u:p@h/b?x=y=z"],
    ]),
    users: new Map([
      ["me", "SCRAM-SHA-256$4096:c2FsdA==$a:b"],
      ["you", "secret:with:colons"],
    ]),
    auth: "scram-sha-256",
    tls: { cert: "c", key: "k", ca: "a" },
    maxConnections: 10,
    limits: { statementTimeout: 1, idleTimeout: 2, idleInTransactionTimeout: 3 },
    trace: true,
  });
});

describe("HTTP", () => {
  test.each<[string, string[], unknown, NodeJS.ProcessEnv]>([
    ["a port", ["--http", "81"], undefined, {}],
    ["the file", [], "127.0.0.1:81", {}],
    ["the environment", [], undefined, { EDGEWIRE_HTTP: "127.0.0.1:81" }],
    ["a flag above a file that turns it off", ["--http", "81"], false, {}],
  ])("from %s", (_, args, http, environment) => {
    const all = http === undefined ? args : [...args, "--config", file({ http })];
    expect(readConfig(all, environment).http).toEqual({ host: "127.0.0.1", port: 81, asked: true });
  });

  test.each<[string, string[], unknown, NodeJS.ProcessEnv]>([
    ["a flag", ["--no-http"], "127.0.0.1:81", { EDGEWIRE_HTTP: "82" }],
    ["the file", [], false, { EDGEWIRE_HTTP: "82" }],
    ["the environment", [], undefined, { EDGEWIRE_HTTP: "off" }],
  ])("is turned off by %s", (_, args, http, environment) => {
    const all = http === undefined ? args : [...args, "--config", file({ http })];
    expect(readConfig(all, environment).http).toBeUndefined();
  });
});

test("HTTP does not let in whom a Unix socket keeps out", () => {
  expect(flags("--listen", "/tmp").http).toBeUndefined();
  expect(flags("--listen", "/tmp", "--user", "me:secret", "--auth", "trust").http).toBeUndefined();
  expect(flags("--listen", "/tmp", "--user", "me:secret").http).toMatchObject({ asked: false });
  expect(flags("--listen", "/tmp", "--http", "81").http).toMatchObject({ port: 81 });
});

test("takes the same from a file", () => {
  const path = file({
    listen: "7000",
    databases: { a: "pglite:./a" },
    users: { "me:too": "secret" },
    "max-connections": 10,
    "tls-cert": "c",
    "tls-key": "k",
    trace: true,
  });
  expect(flags("--config", path)).toMatchObject({
    listen: { host: "127.0.0.1", port: 7000 },
    databases: new Map([["a", "pglite:./a"]]),
    users: new Map([["me:too", "secret"]]),
    maxConnections: 10,
    tls: { cert: "c", key: "k" },
    trace: true,
  });
});

test("takes the same from environment variables", () => {
  const environment = {
    EDGEWIRE_LISTEN: "7000",
    EDGEWIRE_DATABASES: "a=pglite:./a  b=pglite:",
    EDGEWIRE_USERS: "me:secret you:other",
    EDGEWIRE_MAX_CONNECTIONS: "10",
    EDGEWIRE_IDLE_IN_TRANSACTION_TIMEOUT: "5",
    EDGEWIRE_TLS_CERT: "",
  };
  expect(readConfig([], environment)).toMatchObject({
    listen: { host: "127.0.0.1", port: 7000 },
    databases: new Map([
      ["a", "pglite:./a"],
      ["b", "pglite:"],
    ]),
    users: new Map([
      ["me", "secret"],
      ["you", "other"],
    ]),
    maxConnections: 10,
    limits: { idleInTransactionTimeout: 5 },
    tls: undefined,
  });
});

test("flags win over the file, the file over the environment", () => {
  const environment = {
    EDGEWIRE_CONFIG: file({ listen: "7001", "max-connections": 1, databases: { file: "pglite:" } }),
    EDGEWIRE_LISTEN: "7002",
    EDGEWIRE_MAX_CONNECTIONS: "2",
    EDGEWIRE_IDLE_TIMEOUT: "2",
    EDGEWIRE_DATABASES: "environment=pglite:",
  };
  expect(readConfig(["--listen", "7000"], environment)).toMatchObject({
    listen: { host: "127.0.0.1", port: 7000 },
    maxConnections: 1,
    limits: { idleTimeout: 2 },
    databases: new Map([["file", "pglite:"]]),
  });
});

describe("refuses", () => {
  test.each<[string, string[], RegExp]>([
    ["an unknown flag", ["--port", "1"], /^Unknown option '--port'; see edgewire serve --help$/],
    ["a flag without its value", ["--listen"], /--listen.*see edgewire serve --help/],
    ["an address of HTTP that is none", ["--http", "/tmp"], /^http is host:port, a port, or off/],
    ["HTTP and none", ["--http", "80", "--no-http"], /^give --http or --no-http/],
    ["an origin that is none", ["--origins", "app.example.com"], /written like https:/],
    ["an argument", ["postgres"], /Unexpected argument 'postgres'/],
    ["a database without a URL", ["--database", "a"], /a database is written name=url/],
    ["a database without a scheme", ["--database", "a=folder"], /has no scheme/],
    ["a database twice", ["--database", "a=pglite:", "--database", "a=pglite:x"], /"a" is configured twice/],
    ["a user without a verifier", ["--user", "me"], /name:verifier/],
    ["a user twice", ["--user", "me:a", "--user", "me:b"], /"me" is configured twice/],
    ["an unknown method", ["--auth", "gss"], /auth is one of trust, password/],
    ["passwords without users", ["--auth", "md5"], /give at least one --user/],
    ["certificates without authorities", ["--auth", "cert"], /give --tls-ca/],
    ["a certificate without a key", ["--tls-cert", "c"], /give --tls-cert file and --tls-key file/],
    ["a number that is none", ["--max-connections", "many"], /max-connections is a whole number/],
    ["a negative number", ["--idle-timeout=-1"], /idle-timeout is a whole number/],
  ])("%s", (_, args, message) => {
    expect(refused(args)).toMatch(message);
  });

  test.each<[string, unknown, RegExp]>([
    ["a file that is no JSON", "{", /cannot be read/],
    ["a file that is no object", [1], /must be a JSON object/],
    ["an unknown setting", { port: 1 }, /unknown setting "port"/],
    ["a setting of the wrong type", { listen: {} }, /"listen" must be a string or a number/],
    ["databases of the wrong type", { databases: ["a"] }, /"databases" must be a JSON object/],
    ["a database of the wrong type", { databases: { a: 1 } }, /"a" must be a string/],
    ["a trace of the wrong type", { trace: "yes" }, /"trace" must be true or false/],
  ])("%s", (_, content, message) => {
    expect(refused(["--config", file(content)])).toMatch(message);
  });

  test("a file that is not there", () => {
    expect(refused(["--config", join(folder, "missing.json")])).toMatch(/missing\.json cannot be read/);
  });
});
