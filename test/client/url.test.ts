import { describe, expect, test } from "vitest";
import { type ParsedUrl, parseUrl } from "../../src/client/mod.ts";
import { protocol30, protocol32 } from "../../src/wire/mod.ts";
import { errorOf } from "../wire/bytes.ts";

/** The parts that a test is about. */
function parts(url: string): Record<string, unknown> {
  const { host, port, options } = parseUrl(url);
  const { user, password, database, parameters } = options;
  const settings = Object.keys(parameters ?? {}).length > 0 && { parameters };
  return { user, ...(password !== undefined && { password }), host, port, database, ...settings };
}

const options = (url: string): ParsedUrl["options"] => parseUrl(url).options;

test("the parts of a URL", () => {
  expect(parts("postgres://u:p@db.example:5433/name")).toEqual({
    user: "u",
    password: "p",
    host: "db.example",
    port: 5433,
    database: "name",
  });
  expect(parts("postgresql://u@h")).toEqual({ user: "u", host: "h", port: 5432, database: "u" });
  expect(parts("POSTGRES://u@h/")).toEqual({ user: "u", host: "h", port: 5432, database: "u" });
  expect(parts("postgres://u@/db")).toMatchObject({ host: "127.0.0.1", database: "db" });
});

test("percent-encoding, in every part", () => {
  expect(parts("postgres://us%65r%40x:p%3A%2F%40%3f@h/d%C3%A9%2F?application_name=a%26b%20c")).toEqual({
    user: "user@x",
    password: "p:/@?",
    host: "h",
    port: 5432,
    database: "dé/",
    parameters: { application_name: "a&b c" },
  });
});

test("a plus is a plus, as in libpq", () => {
  expect(parts("postgres://u:a+b@h/d+e?options=-c+x")).toMatchObject({
    password: "a+b",
    database: "d+e",
    parameters: { options: "-c+x" },
  });
});

test("IPv6 addresses", () => {
  expect(parts("postgres://u@[::1]/d")).toMatchObject({ host: "::1", port: 5432 });
  expect(parts("postgres://u@[2001:db8::7]:6432/d")).toMatchObject({ host: "2001:db8::7", port: 6432 });
});

test("a Unix socket's folder as host", () => {
  expect(parts("postgres://u@%2Fvar%2Frun%2Fpostgresql/d")).toMatchObject({ host: "/var/run/postgresql" });
  expect(parts("postgres://u@%2Ftmp:5433/d")).toMatchObject({ host: "/tmp", port: 5433 });
  expect(parts("postgres:///d?host=/tmp&user=u")).toMatchObject({ host: "/tmp", database: "d", user: "u" });
  // libpq does not look at sslmode there.
  expect(options("postgres://u@%2Ftmp/d?sslmode=verify-full").sslMode).toBe("disable");
});

test("parameters win over the parts before them", () => {
  expect(parts("postgres://u:p@h:1/d?user=u2&password=p2&host=h2&port=2&dbname=d2")).toEqual({
    user: "u2",
    password: "p2",
    host: "h2",
    port: 2,
    database: "d2",
  });
});

test("what libpq does not know is a setting", () => {
  expect(
    parts("postgres://u@h?search_path=a,b&statement_timeout=5s&my.own=1&options=-c%20geqo%3Doff"),
  ).toEqual({
    user: "u",
    host: "h",
    port: 5432,
    database: "u",
    parameters: { search_path: "a,b", statement_timeout: "5s", "my.own": "1", options: "-c geqo=off" },
  });
});

test("settings with the names of Object's own properties", () => {
  const { parameters } = options("postgres://u@h?__proto__=x&constructor=y");
  expect(Object.entries(parameters ?? {})).toEqual([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});

test("user and password by default", () => {
  const defaults = { user: "me", password: "mine" };
  expect(parseUrl("postgres://h/d", defaults).options).toMatchObject({ user: "me", password: "mine" });
  expect(parseUrl("postgres://u:p@h/d", defaults).options).toMatchObject({ user: "u", password: "p" });
});

describe("TLS", () => {
  test.each(["disable", "prefer", "require", "verify-ca", "verify-full"])("sslmode=%s", (mode) => {
    expect(options(`postgres://u@h?sslmode=${mode}`).sslMode).toBe(mode);
  });

  test("prefer is the default, ssl=true is require", () => {
    expect(options("postgres://u@h").sslMode).toBe("prefer");
    expect(options("postgres://u@h?ssl=true").sslMode).toBe("require");
  });

  test("sslnegotiation=direct wants require or better", () => {
    expect(options("postgres://u@h?sslnegotiation=direct&sslmode=require")).toMatchObject({
      sslNegotiation: "direct",
      sslMode: "require",
    });
    for (const weak of ["", "&sslmode=prefer", "&sslmode=disable"]) {
      expect(errorOf(() => parseUrl(`postgres://u@h?sslnegotiation=direct${weak}`))).toMatch(
        /^ERROR 22023 weak sslmode "(prefer|disable)" may not be used with sslnegotiation=direct/,
      );
    }
  });

  test("who names an authority wants it asked", () => {
    expect(parseUrl("postgres://u@h?sslmode=require&sslrootcert=/ca.pem")).toMatchObject({
      rootCertificate: "/ca.pem",
      options: { sslMode: "verify-ca" },
    });
  });

  test("sslrootcert=system means verify-full", () => {
    expect(parseUrl("postgres://u@h?sslrootcert=system")).toMatchObject({
      rootCertificate: undefined,
      options: { sslMode: "verify-full" },
    });
    expect(errorOf(() => parseUrl("postgres://u@h?sslrootcert=system&sslmode=require"))).toMatch(
      /^ERROR 22023 weak sslmode "require" may not be used with sslrootcert=system/,
    );
  });

  test("sslcert and sslkey come together", () => {
    expect(parseUrl("postgres://u@h?sslcert=/c&sslkey=/k")).toMatchObject({ certificate: "/c", key: "/k" });
    expect(errorOf(() => parseUrl("postgres://u@h?sslcert=/c"))).toBe(
      "ERROR 22023 sslcert and sslkey are given together",
    );
  });
});

test("the other options of libpq", () => {
  expect(options("postgres://u@h?channel_binding=require&connect_timeout=3")).toMatchObject({
    channelBinding: "require",
    connectTimeout: 3_000,
  });
  expect(options("postgres://u@h?connect_timeout=0").connectTimeout).toBe(0);
  expect(options("postgres://u@h?connect_timeout=-1").connectTimeout).toBe(0);
  expect(options("postgres://u@h?max_protocol_version=3.0").protocol).toBe(protocol30);
  expect(options("postgres://u@h?max_protocol_version=latest").protocol).toBe(protocol32);
  expect(options("postgres://u@h?min_protocol_version=3.2").minProtocol).toBe(protocol32);
  expect(options("postgres://u@h?require_auth=scram-sha-256,none").requireAuth).toEqual([
    "scram-sha-256",
    "trust",
    "cert",
  ]);
  expect(options("postgres://u@h?require_auth=!password,!md5").requireAuth).toEqual([
    "scram-sha-256",
    "trust",
    "cert",
  ]);
});

test("values that ask for what is done anyway", () => {
  const harmless = "gssencmode=disable&target_session_attrs=any&keepalives=1&client_encoding=UTF8&sslsni=1";
  expect(options(`postgres://u@h?${harmless}`).parameters).toEqual({});
  expect(options("postgres://u@h?fallback_application_name=f").parameters).toEqual({ application_name: "f" });
  expect(options("postgres://u@h?fallback_application_name=f&application_name=a").parameters).toEqual({
    application_name: "a",
  });
});

const noPort =
  'the connection URL has no valid port: write "/", "@", ":" and "?" in a password as %2F, %40, %3A and %3F';

test.each([
  ["mysql://u@h", "not a connection URL: it begins with postgres:// or postgresql://"],
  ["host=h user=u", "not a connection URL: it begins with postgres:// or postgresql://"],
  ["postgres://h/d", "the connection URL names no user: postgres://user@host/database"],
  ["postgres://u@h:x/d", noPort],
  ["postgres://u@h:-1/d", noPort],
  ["postgres://u:p@ss@h/d", noPort],
  ["postgres://u@h:0/d", 'invalid port number: "0"'],
  ["postgres://u@h:65536/d", 'invalid port number: "65536"'],
  ["postgres://u@h?port=-5", 'invalid integer value "-5" for connection option "port"'],
  ["postgres://u@[::1/d", 'no matching "]" after an IPv6 address in the connection URL: "[::1"'],
  ["postgres://u@[]/d", "the IPv6 address in the connection URL is empty"],
  ["postgres://u@[::1]x/d", 'unexpected "x" after the IPv6 address in the connection URL'],
  [
    "postgres://u@h/d?sslmode",
    'missing key/value separator "=" in the parameter "sslmode" of the connection URL',
  ],
  ["postgres://u@h/d?a=b=c", 'extra key/value separator "=" in the parameter "a" of the connection URL'],
  ["postgres://u@h/d?=c", "a parameter of the connection URL has no name"],
  ["postgres://u@h/d%", 'invalid percent-encoded token in "d%"'],
  ["postgres://u@h/d%4", 'invalid percent-encoded token in "d%4"'],
  ["postgres://u@h/d%zz", 'invalid percent-encoded token in "d%zz"'],
  ["postgres://u@h/d%00", 'forbidden value %00 in "d%00"'],
  ["postgres://u@h/d%ff", '"d%ff" in the connection URL is not UTF-8'],
  [
    "postgres://u@h?sslmode=always",
    'invalid sslmode value: "always" (one of disable, prefer, require, verify-ca, verify-full)',
  ],
  [
    "postgres://u@h?channel_binding=yes",
    'invalid channel_binding value: "yes" (one of disable, prefer, require)',
  ],
  ["postgres://u@h?sslnegotiation=x", 'invalid sslnegotiation value: "x" (one of postgres, direct)'],
  [
    "postgres://u@h?connect_timeout=soon",
    'invalid integer value "soon" for connection option "connect_timeout"',
  ],
  ["postgres://u@h?max_protocol_version=4", 'invalid max_protocol_version value: "4"'],
  ["postgres://u@h?require_auth=magic", 'invalid require_auth value: "magic"'],
  [
    "postgres://u@h?require_auth=md5,!none",
    'negative and positive require_auth methods cannot be mixed: "md5,!none"',
  ],
])("%s is refused", (url, message) => {
  expect(errorOf(() => parseUrl(url))).toBe(`ERROR 22023 ${message}`);
});

test.each([
  ["postgres://u@h1,h2/d", "several hosts in one URL is not supported"],
  ["postgres://u@h?hostaddr=1.2.3.4", '"hostaddr" in a connection URL is not supported'],
  ["postgres://u@h?gssencmode=require", "gssencmode=require is not supported"],
  ["postgres://u@h?target_session_attrs=read-write", "target_session_attrs=read-write is not supported"],
  ["postgres://u@h?client_encoding=LATIN1", "client_encoding=LATIN1 is not supported"],
  ["postgres://u@h?replication=database", "replication=database is not supported"],
])("%s is not supported", (url, message) => {
  expect(errorOf(() => parseUrl(url))).toBe(`ERROR 0A000 ${message}`);
});

test("no error shows a password", () => {
  for (const url of [
    "postgres://u:s3cret%@h/d",
    "postgres://u:s3cret%00@h/d",
    "postgres://u:s3cret%ff@h/d",
    "postgres://u@h/d?password=s3cret%",
    "postgrs://u:s3cret@h/d",
    "postgres://u:s3cret@h:port/d",
    "postgres://u:s3cret@s3cret@h/d",
    "postgres://u:s3cret/s3cret@h/d",
    "postgres://u:s3cret?s3cret@h/d",
    "postgres://u:1?s3cret@h/d",
  ]) {
    const error = errorOf(() => parseUrl(url));
    expect(error).toMatch(/^ERROR 22023/);
    expect(error).not.toContain("s3cret");
  }
});
