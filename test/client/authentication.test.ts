/** Every way to authenticate, against edgewire's own server half. The exchanges themselves are tested in test/auth. */
import { describe, expect, test } from "vitest";
import {
  type AuthSource,
  callbackAuthSource,
  md5Verifier,
  staticAuthSource,
  trustAuthSource,
} from "../../src/auth/mod.ts";
import { type ClientOptions, connect, query } from "../../src/client/mod.ts";
import { algorithms, selfSigned } from "../auth/certificate.ts";
import { errorOf } from "./outcome.ts";
import { ScriptedServer } from "./scripted-server.ts";
import { testServer } from "./server.ts";

const serverCertificate = selfSigned(algorithms["ecdsa-with-SHA256"]);
/** What both ends know of one TLS connection. */
const tls = { client: { serverCertificate }, server: { serverCertificate } };
const clientCertificate = { commonName: "u" };

function open(auth: AuthSource, pipe: Parameters<typeof testServer>[0]["duplex"] = {}) {
  const upstream = () => ({ type: "rows", columns: [{ name: "ok" }], rows: [["yes"]] }) as const;
  return testServer({ auth, upstream, duplex: pipe }).open();
}

/** Logs in and runs a query: "yes", or the error. */
async function login(
  auth: AuthSource,
  options: Partial<ClientOptions> = {},
  pipe: Parameters<typeof testServer>[0]["duplex"] = {},
): Promise<string> {
  const connecting = connect(await open(auth, pipe), { user: "u", password: "secret", ...options });
  try {
    const connection = await connecting;
    const [result] = await query(connection, "x");
    connection.close();
    return String(result?.rows[0]?.[0]);
  } catch {
    return errorOf(connecting);
  }
}

const wrong = 'FATAL 28P01 password authentication failed for user "u"';
const scram = staticAuthSource({ u: "secret" });
const md5 = staticAuthSource({ u: md5Verifier("u", "secret") });
const cleartext = staticAuthSource({ u: "secret" }, { method: "password" });

test("trust", async () => {
  expect(await login(trustAuthSource(), { password: undefined })).toBe("yes");
});

describe.each([
  ["password", cleartext],
  ["a callback", callbackAuthSource((_, password) => password === "secret")],
  ["md5", md5],
  ["scram-sha-256", scram],
])("%s", (_, source) => {
  test("the right one, and a wrong one", async () => {
    expect(await login(source)).toBe("yes");
    expect(await login(source, { password: "guess" })).toBe(wrong);
  });

  test("from a function, which is asked when it is needed", async () => {
    let asked = 0;
    const password = async (): Promise<string> => {
      asked++;
      return "secret";
    };
    expect(await login(source, { password })).toBe("yes");
    expect(asked).toBe(1);
    expect(await login(trustAuthSource(), { password })).toBe("yes");
    expect(asked).toBe(1);
  });

  test("none", async () => {
    expect(await login(source, { password: undefined })).toBe("FATAL 28P01 no password supplied");
  });

  test("byte by byte", async () => {
    expect(await login(source, {}, { cut: 1 })).toBe("yes");
  });
});

describe("channel binding", () => {
  test("SCRAM-SHA-256-PLUS over TLS", async () => {
    expect(await login(scram, { channelBinding: "require" }, { tls })).toBe("yes");
    expect(await login(scram, { channelBinding: "prefer" }, { tls })).toBe("yes");
    expect(await login(scram, { channelBinding: "disable" }, { tls })).toBe("yes");
  });

  test("to another certificate than the server's", async () => {
    const other = {
      client: { serverCertificate: selfSigned(algorithms["ecdsa-with-SHA256"]) },
      server: tls.server,
    };
    expect(await login(scram, {}, { tls: other })).toMatch(/^FATAL 28000 SCRAM channel binding check failed/);
  });

  test("is required, and cannot be had", async () => {
    const required = { channelBinding: "require" } as const;
    expect(await login(scram, required)).toBe("FATAL 28000 channel binding required, but TLS is not in use");
    expect(await login(md5, required, { tls })).toMatch(/^FATAL 28000 channel binding required/);
    expect(await login(trustAuthSource(), required, { tls })).toMatch(
      /^FATAL 28000 channel binding required/,
    );
  });
});

describe("a client certificate", () => {
  test("the user's", async () => {
    const source = staticAuthSource({ u: "" }, { method: "cert" });
    const pipe = { tls: { client: {}, server: { clientCertificate } } };
    expect(await login(source, { password: undefined }, pipe)).toBe("yes");
    expect(await login(source, { password: undefined, sslMode: "disable" }, pipe)).toMatch(/^FATAL 28000/);
  });
});

describe("require_auth", () => {
  test("the method is among those allowed", async () => {
    expect(await login(scram, { requireAuth: ["scram-sha-256"] })).toBe("yes");
    expect(await login(md5, { requireAuth: ["md5", "scram-sha-256"] })).toBe("yes");
  });

  test("the server asks for a weaker one", async () => {
    expect(await login(cleartext, { requireAuth: ["scram-sha-256"] })).toBe(
      'FATAL 28000 authentication method requirement "scram-sha-256" failed: server requested a cleartext password',
    );
    expect(await login(trustAuthSource(), { requireAuth: ["scram-sha-256"] })).toMatch(
      /did not complete authentication$/,
    );
  });
});

test("AuthenticationOk of a server that has not proven itself", async () => {
  const server = new ScriptedServer();
  const connecting = connect(server.stream, { user: "u", password: "secret", sslMode: "disable" });
  connecting.catch(() => {});
  await server.expect("StartupMessage");
  server.send({ type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] });
  server.password = "SASLInitialResponse";
  await server.expect("SASLInitialResponse");
  server.send({ type: "AuthenticationOk" });
  expect(await errorOf(connecting)).toBe(
    "FATAL 28000 server accepted the connection without proving that it knows the password",
  );
  await server.expectClose();
});

test.each([
  ["AuthenticationGSS", "GSSAPI"],
  ["AuthenticationSSPI", "SSPI"],
  ["AuthenticationKerberosV5", "Kerberos 5"],
  ["AuthenticationSCMCredential", "SCM credential"],
] as const)("%s is not supported", async (type, name) => {
  const server = new ScriptedServer();
  const connecting = connect(server.stream, { user: "u", sslMode: "disable" });
  connecting.catch(() => {});
  await server.expect("StartupMessage");
  server.send({ type });
  expect(await errorOf(connecting)).toBe(`FATAL 0A000 ${name} authentication not supported`);
});

test("an unknown database, after authentication", async () => {
  expect(await login(scram, { database: "nosuch" })).toBe('FATAL 3D000 database "nosuch" does not exist');
});
