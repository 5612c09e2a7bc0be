// Who may ask /sql: the same users, methods and errors as over the wire.
import { describe, expect, test } from "vitest";
import { md5Verifier, parseVerifier, scramVerifier, staticAuthSource } from "../../src/auth/mod.ts";
import { CheckedLogins } from "../../src/http/checked-logins.ts";
import { scripted } from "../session/scripted-upstream.ts";
import { SqlClient } from "./sql-client.ts";

const users = new Map([
  ["scram", await scramVerifier("pässword", { iterations: 4096 })],
  ["md5", md5Verifier("md5", "secret")],
  ["plain", "secret:with/@"],
  ["empty", md5Verifier("empty", "")],
]);

function client(config: ConstructorParameters<typeof SqlClient>[1] = { users }): {
  sql: SqlClient;
  login(url: string, headers?: Record<string, string>): Promise<[status: number, code: string | null]>;
  seen: ReturnType<typeof scripted>;
} {
  const seen = scripted();
  const sql = new SqlClient(seen.upstream, { databases: new Map([["*", "test:"]]), ...config });
  return {
    sql,
    seen,
    async login(url, headers = {}) {
      const { status, code } = await sql.post(
        { query: "select 1" },
        { "neon-connection-string": url, ...headers },
      );
      return [status, code ?? null];
    },
  };
}

const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

describe("a connection string", () => {
  test.each([
    ["postgres://scram:p%C3%A4ssword@h/d", 200, null],
    ["postgres://md5:secret@h/d", 200, null],
    [
      "postgresql://plain:secret%3Awith%2F%40@ep-x-pooler.region.aws.neon.tech:5433/d?sslmode=require",
      200,
      null,
    ],
    ["postgres://h/d?user=md5&password=secret", 200, null],
    ["postgres://scram:wrong@h/d", 400, "28P01"],
    ["postgres://md5:wrong@h/d", 400, "28P01"],
    ["postgres://plain:wrong@h/d", 400, "28P01"],
    ["postgres://nobody:secret@h/d", 400, "28P01"],
    ["postgres://scram@h/d", 400, "28P01"],
    ["postgres://empty:@h/d", 400, "28P01"],
    ["postgres://h/d", 400, "22023"],
    ["mysql://scram:secret@h/d", 400, "22023"],
    ["postgres://scram:%00@h/d", 400, "22023"],
    ["postgres://md5:secret@h/d?replication=database", 400, "22023"],
  ])("%s", async (url, status, code) => {
    const { login } = client();
    expect(await login(url)).toEqual([status, code]);
    // Not otherwise when it is asked again.
    expect(await login(url)).toEqual([status, code]);
  });

  test("says which database, and which settings; what is the driver's own is not passed on", async () => {
    const { login, seen } = client();
    const own =
      "sslmode=verify-full&channel_binding=require&connect_timeout=5&pgbouncer=true&target_session_attrs=any";
    await login(
      `postgres://md5:secret@h/a%20b?${own}&options=-c%20work_mem%3D1MB&application_name=x&client_encoding=latin1`,
    );
    expect(seen.client.login).toMatchObject({ user: "md5", database: "a b" });
    expect(Object.fromEntries(seen.client.login.parameters)).toEqual({
      user: "md5",
      database: "a b",
      client_encoding: "UTF8",
      options: "-c work_mem=1MB",
      application_name: "x",
    });
    await login("postgres://md5:secret@h");
    expect(seen.client.login.database).toBe("md5");
  });

  test("or nothing at all is an error that says what to send", async () => {
    const { sql } = client();
    const request = new Request("http://gateway/sql", { method: "POST", body: '{"query":"select 1"}' });
    expect(await sql.fetch(request)).toMatchObject({
      status: 400,
      message: expect.stringContaining("send Neon-Connection-String"),
    });
  });
});

describe("Authorization: Basic", () => {
  test.each<[string, string, Record<string, string>, number, string | null]>([
    ["alone names the user's database", "", basic("md5", "secret"), 200, null],
    ["goes with a connection string without a user", "postgres://h/d", basic("scram", "pässword"), 200, null],
    ["or without a password", "postgres://scram@h/d", basic("scram", "pässword"), 200, null],
    ["of another user does not", "postgres://scram@h/d", basic("md5", "pässword"), 400, "28P01"],
    ["may be wrong", "postgres://h/d", basic("md5", "wrong"), 400, "28P01"],
    ["may be malformed", "postgres://h/d", { authorization: "Basic !" }, 400, "08P01"],
    ["may have no colon", "postgres://h/d", { authorization: "Basic eA==" }, 400, "08P01"],
  ])("%s", async (_, url, headers, status, code) => {
    const { sql } = client();
    const all = { ...headers, ...(url && { "neon-connection-string": url }) };
    const request = new Request("http://gateway/sql", {
      method: "POST",
      headers: all,
      body: '{"query":"select 1"}',
    });
    const answer = await sql.fetch(request);
    expect([answer.status, answer.code ?? null]).toEqual([status, code]);
  });
});

describe("methods", () => {
  test("trust asks for nothing, and takes no notice of a password", async () => {
    const { login } = client({ users: new Map() });
    expect(await login("postgres://anybody@h/d")).toEqual([200, null]);
    expect(await login("postgres://anybody:secret@h/d")).toEqual([200, null]);
  });

  test("trust of users that are named", async () => {
    const { login } = client({ users, auth: "trust" });
    expect(await login("postgres://md5@h/d")).toEqual([200, null]);
    expect(await login("postgres://anybody@h/d")).toEqual([400, "28000"]);
  });

  test("certificates are not to be had", async () => {
    const { login } = client({ users, auth: "cert" });
    expect(await login("postgres://md5:secret@h/d")).toEqual([400, "28000"]);
  });

  test("scram-sha-256, where a user has an md5 hash: as over the wire, there is no way", async () => {
    const { login } = client({ users, auth: "scram-sha-256" });
    expect(await login("postgres://md5:secret@h/d")).toEqual([400, "28P01"]);
    expect(await login("postgres://plain:secret%3Awith%2F%40@h/d")).toEqual([200, null]);
  });

  test("md5 is what the user's password is", async () => {
    const { login } = client({ users, auth: "md5" });
    expect(await login("postgres://md5:secret@h/d")).toEqual([200, null]);
    expect(await login("postgres://scram:p%C3%A4ssword@h/d")).toEqual([200, null]);
    expect(await login("postgres://scram:wrong@h/d")).toEqual([400, "28P01"]);
  });

  test("password", async () => {
    const { login } = client({ users, auth: "password" });
    expect(await login("postgres://plain:secret%3Awith%2F%40@h/d")).toEqual([200, null]);
    expect(await login("postgres://plain:wrong@h/d")).toEqual([400, "28P01"]);
  });
});

test("a database that there is not", async () => {
  const { login } = client({ users, databases: new Map([["app", "test:"]]) });
  expect(await login("postgres://md5:secret@h/other")).toEqual([400, "3D000"]);
});

describe("a password that was right", () => {
  const who = (user: string) => ({ user, database: "d", parameters: new Map(), tls: undefined });

  test("is known, for that user and that verifier alone", async () => {
    const text = await scramVerifier("secret", { iterations: 4096 });
    const verifiers = { me: parseVerifier(text), you: parseVerifier(text) };
    const source = {
      find: ({ user }: { user: string }) => ({
        method: "scram-sha-256" as const,
        verifier: verifiers[user as "me"],
      }),
    };
    const logins = new CheckedLogins(source);
    const first = logins.login("secret");
    expect(await first.find(who("me"))).toEqual({ method: "password", verifier: verifiers.me });
    // Not before it has led to a session.
    expect(await logins.login("secret").find(who("me"))).toMatchObject({ method: "password" });
    await first.succeeded();
    expect(await logins.login("secret").find(who("me"))).toEqual({ method: "trust" });
    expect(await logins.login("Secret").find(who("me"))).toMatchObject({ method: "password" });
    expect(await logins.login("secret").find(who("you"))).toMatchObject({ method: "password" });
    // The password was changed, or only set again.
    verifiers.me = parseVerifier(text);
    expect(await logins.login("secret").find(who("me"))).toMatchObject({ method: "password" });
  });

  test("is asked for again where a function checks it", async () => {
    const asked: string[] = [];
    const rule = {
      method: "password" as const,
      check(password: string) {
        asked.push(password);
        return true;
      },
    };
    const logins = new CheckedLogins({ find: () => rule });
    const login = logins.login("secret");
    expect(await login.find(who("me"))).toBe(rule);
    await login.succeeded();
    expect(await logins.login("secret").find(who("me"))).toBe(rule);
  });

  test("and who does not exist takes as long as who does", async () => {
    const logins = new CheckedLogins(staticAuthSource({ me: await scramVerifier("secret") }));
    const rule = await logins.login("secret").find(who("nobody"));
    expect(rule?.method).toBe("password");
    const derive = crypto.subtle.deriveBits;
    let derived = 0;
    crypto.subtle.deriveBits = (algorithm, key, length) => {
      derived++;
      return derive.call(crypto.subtle, algorithm, key, length ?? 0);
    };
    try {
      expect(await rule?.check?.("secret")).toBe(false);
    } finally {
      crypto.subtle.deriveBits = derive;
    }
    expect(derived).toBe(1);
  });
});
