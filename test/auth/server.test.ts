import { describe, expect, test } from "vitest";
import { endPointHash } from "../../src/auth/channel-binding.ts";
import { md5PasswordHash, md5Response } from "../../src/auth/md5.ts";
import { bytesToMessage, messageToBytes } from "../../src/auth/scram-messages.ts";
import { type AuthStep, type ServerExchange, serverExchange } from "../../src/auth/server.ts";
import {
  type AuthSource,
  callbackAuthSource,
  staticAuthSource,
  type TlsInfo,
  trustAuthSource,
} from "../../src/auth/source.ts";
import { md5Verifier, scramVerifier } from "../../src/auth/verifier.ts";
import { PgError } from "../../src/wire/error.ts";
import { algorithms, selfSigned } from "./certificate.ts";
import { body, login, refusal } from "./dialogue.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const password = (text: string) => bytes(`${text}\0`);
const initial = (mechanism: string, message: string | null) =>
  body({
    type: "SASLInitialResponse",
    mechanism,
    data: message === null ? null : messageToBytes(message),
  });

const certificate = selfSigned(algorithms["ecdsa-with-SHA256"]);
const overTls: TlsInfo = { protocol: "TLSv1.3", serverCertificate: certificate };
const stored = await scramVerifier("pencil");

function wrongPassword(user: string) {
  return {
    severity: "FATAL",
    code: "28P01",
    message: `password authentication failed for user "${user}"`,
  };
}

/** The text of the SCRAM message in a step. */
function sent(step: AuthStep): string {
  const [message] = step.send;
  if (message?.type !== "AuthenticationSASLContinue") throw new Error(`${message?.type} was sent`);
  return bytesToMessage(message.data);
}

async function afterFirst(
  source: AuthSource,
  user = "alice",
  first = "n,,n=,r=abc",
): Promise<{ exchange: ServerExchange; serverFirst: string }> {
  const exchange = serverExchange(source, login(user), { nonce: () => "XYZ" });
  await exchange.start();
  return { exchange, serverFirst: sent(await exchange.receive(initial("SCRAM-SHA-256", first))) };
}

describe("trust", () => {
  test("is done at once", async () => {
    expect(await serverExchange(trustAuthSource(), login("anybody")).start()).toEqual({
      type: "done",
      send: [],
    });
  });

  test("over a table lets in who is in it", async () => {
    const source = staticAuthSource({ alice: "" }, { method: "trust" });
    expect((await serverExchange(source, login("alice")).start()).type).toBe("done");
    expect(await refusal(serverExchange(source, login("bob")).start())).toEqual({
      severity: "FATAL",
      code: "28000",
      message: 'role "bob" does not exist',
    });
  });
});

describe("password", () => {
  const source = staticAuthSource(
    { alice: stored, bob: md5Verifier("bob", "pencil"), carol: "pencil", dave: "" },
    { method: "password" },
  );

  test.each(["alice", "bob", "carol"])("%s gets in with the password and with no other", async (user) => {
    const exchange = serverExchange(source, login(user));
    expect(await exchange.start()).toEqual({
      type: "continue",
      send: [{ type: "AuthenticationCleartextPassword" }],
      expects: "PasswordMessage",
    });
    expect(await exchange.receive(password("pencil"))).toEqual({ type: "done", send: [] });

    const second = serverExchange(source, login(user));
    await second.start();
    expect(await refusal(second.receive(password("pen")))).toEqual(wrongPassword(user));
  });

  test.each(["dave", "nobody", "__proto__"])("%s is asked and refused", async (user) => {
    const exchange = serverExchange(source, login(user));
    expect((await exchange.start()).type).toBe("continue");
    expect(await refusal(exchange.receive(password("pencil")))).toEqual(wrongPassword(user));
  });

  test.each([
    ["no terminator", bytes("pencil"), "08P01", "invalid password packet size"],
    ["bytes behind the terminator", bytes("pencil\0\0"), "08P01", "invalid password packet size"],
    ["nothing at all", new Uint8Array(), "08P01", "invalid password packet size"],
    ["the empty password", password(""), "28P01", "empty password returned by client"],
  ])("%s", async (_, message, code, text) => {
    for (const user of ["alice", "dave", "nobody"]) {
      const exchange = serverExchange(source, login(user));
      await exchange.start();
      expect(await refusal(exchange.receive(message))).toEqual({ severity: "FATAL", code, message: text });
    }
  });

  test("says in the cause what a client is not told", async () => {
    const exchange = serverExchange(source, login("nobody"));
    await exchange.start();
    const error = await exchange.receive(password("x")).catch((caught: unknown) => caught);
    expect((error as Error).cause).toEqual(new Error("no such user, or it has no password"));
  });
});

describe("a callback", () => {
  const seen: string[] = [];
  const source = callbackAuthSource(async ({ user, database }, text) => {
    seen.push(`${user}@${database}:${text}`);
    if (text === "throw") throw new Error("the directory is down");
    if (text === "throw PgError") throw new PgError("53300", "too many connections");
    return text === "pencil";
  });
  const answer = async (message: Uint8Array) => {
    const exchange = serverExchange(source, login("alice"));
    await exchange.start();
    return await exchange.receive(message);
  };

  test("decides", async () => {
    seen.length = 0;
    expect(await answer(password("pencil"))).toEqual({ type: "done", send: [] });
    expect(await refusal(answer(password("pen")))).toEqual(wrongPassword("alice"));
    expect(seen).toEqual(["alice@alice:pencil", "alice@alice:pen"]);
  });

  test("never sees an empty password, or one that is not UTF-8", async () => {
    seen.length = 0;
    expect((await refusal(answer(password("")))).code).toBe("28P01");
    expect(await refusal(answer(Uint8Array.of(0xff, 0)))).toEqual(wrongPassword("alice"));
    expect(seen).toEqual([]);
  });

  test("that fails tells the client no more than that", async () => {
    expect(await refusal(answer(password("throw")))).toEqual({
      severity: "FATAL",
      code: "XX000",
      message: 'could not check the authentication of user "alice"',
    });
  });

  test("that throws a PgError has it sent, as FATAL", async () => {
    expect(await refusal(answer(password("throw PgError")))).toEqual({
      severity: "FATAL",
      code: "53300",
      message: "too many connections",
    });
  });

  test("counts as a yes only with true", async () => {
    const lax = callbackAuthSource(() => "yes" as unknown as boolean);
    const exchange = serverExchange(lax, login("alice"));
    await exchange.start();
    expect(await refusal(exchange.receive(password("x")))).toEqual(wrongPassword("alice"));
  });
});

describe("md5", () => {
  const source = staticAuthSource({ alice: md5Verifier("alice", "pencil"), empty: md5Verifier("empty", "") });
  const salted = async (user: string, from: AuthSource = source) => {
    const exchange = serverExchange(from, login(user));
    const step = await exchange.start();
    const [message] = step.send;
    if (step.type !== "continue" || message?.type !== "AuthenticationMD5Password")
      throw new Error(message?.type);
    expect(step.expects).toBe("PasswordMessage");
    return { exchange, salt: message.salt };
  };

  test("is done with the right answer, whose salt is new each time", async () => {
    const { exchange, salt } = await salted("alice");
    expect(salt).toHaveLength(4);
    const answer = md5Response(md5PasswordHash("alice", "pencil"), salt);
    expect(await exchange.receive(password(answer))).toEqual({ type: "done", send: [] });

    const salts = await Promise.all(Array.from({ length: 8 }, () => salted("alice")));
    expect(new Set(salts.map((each) => each.salt.join())).size).toBeGreaterThan(1);
  });

  test.each(["pencil", "md5", `md5${"0".repeat(32)}`, "x"])("refuses %j", async (answer) => {
    const { exchange } = await salted("alice");
    expect(await refusal(exchange.receive(password(answer)))).toEqual(wrongPassword("alice"));
  });

  test("refuses the stored hash of the empty password", async () => {
    const { exchange, salt } = await salted("empty");
    const answer = md5Response(md5PasswordHash("empty", ""), salt);
    expect(await refusal(exchange.receive(password(answer)))).toEqual(wrongPassword("empty"));
  });

  test("an unknown user among md5 users is asked for md5 too", async () => {
    const { exchange, salt } = await salted("nobody");
    const answer = md5Response(md5PasswordHash("nobody", "pencil"), salt);
    expect(await refusal(exchange.receive(password(answer)))).toEqual(wrongPassword("nobody"));
  });

  test("the method md5 with a SCRAM verifier, a plain password or nobody's is SCRAM, as in PostgreSQL", async () => {
    const mixed = staticAuthSource({ alice: stored, bob: "pencil" }, { method: "md5" });
    for (const user of ["alice", "bob", "nobody"]) {
      const step = await serverExchange(mixed, login(user)).start();
      expect(step.send).toEqual([{ type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }]);
    }
  });

  test("the method scram-sha-256 with an md5 hash goes through SCRAM and fails, as in PostgreSQL", async () => {
    const strict = staticAuthSource({ alice: md5Verifier("alice", "pencil") }, { method: "scram-sha-256" });
    const { exchange } = await afterFirst(strict);
    const proof = `c=biws,r=abcXYZ,p=${"A".repeat(43)}=`;
    expect(await refusal(exchange.receive(messageToBytes(proof)))).toEqual(wrongPassword("alice"));
  });
});

describe("cert", () => {
  const source = staticAuthSource({ alice: "", "": "" }, { method: "cert" });
  const certified = (commonName: string): TlsInfo => ({ ...overTls, clientCertificate: { commonName } });

  test("lets in whom the certificate names", async () => {
    const step = await serverExchange(source, login("alice", certified("alice"))).start();
    expect(step).toEqual({ type: "done", send: [] });
  });

  test.each([
    ["another user's", "alice", certified("bob")],
    ["one in other letters", "alice", certified("Alice")],
    ["one without a name", "alice", certified("")],
    ["one without a name, for a user without a name", "", certified("")],
  ])("refuses %s", async (_, user, tls) => {
    expect(await refusal(serverExchange(source, login(user, tls)).start())).toEqual({
      severity: "FATAL",
      code: "28000",
      message: `certificate authentication failed for user "${user}"`,
    });
  });

  test.each([
    ["no TLS", undefined],
    ["no certificate", overTls],
  ])("refuses %s", async (_, tls) => {
    expect(await refusal(serverExchange(source, login("alice", tls)).start())).toEqual({
      severity: "FATAL",
      code: "28000",
      message: "connection requires a valid client certificate",
    });
  });

  test("refuses a certificate of a user that is not in the table", async () => {
    const message = 'role "bob" does not exist';
    expect((await refusal(serverExchange(source, login("bob", certified("bob"))).start())).message).toBe(
      message,
    );
  });
});

describe("SCRAM: what is offered", () => {
  const source = staticAuthSource({ alice: stored });
  const mechanisms = async (tls?: TlsInfo) =>
    (await serverExchange(source, login("alice", tls)).start()).send;

  test("without TLS, no channel binding", async () => {
    expect(await mechanisms()).toEqual([{ type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }]);
  });

  test("with TLS, channel binding first", async () => {
    expect(await mechanisms(overTls)).toEqual([
      { type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] },
    ]);
  });

  test.each([
    ["a certificate that the transport does not tell", { protocol: "TLSv1.3" }],
    ["a certificate that has no binding", { serverCertificate: selfSigned(algorithms.Ed25519) }],
  ])("with %s, no channel binding", async (_, tls) => {
    expect(await mechanisms(tls)).toEqual([{ type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }]);
  });
});

describe("SCRAM: users without a password", () => {
  const source = staticAuthSource({ alice: stored, dave: "", plain: "pencil" });

  test("are shown a salt that stays the same, as long as a real one", async () => {
    for (const user of ["dave", "nobody"]) {
      const { serverFirst } = await afterFirst(source, user);
      expect(serverFirst).toMatch(/^r=abcXYZ,s=[A-Za-z0-9+/]{22}==,i=4096$/);
      expect((await afterFirst(source, user)).serverFirst).toBe(serverFirst);
    }
    expect((await afterFirst(source, "nobody")).serverFirst).not.toBe(
      (await afterFirst(source, "noone")).serverFirst,
    );
  });

  test("are refused as late, and in the same words, as with a wrong password", async () => {
    for (const user of ["alice", "dave", "nobody", "plain"]) {
      const { exchange } = await afterFirst(source, user);
      const message = messageToBytes(`c=biws,r=abcXYZ,p=${"A".repeat(43)}=`);
      expect(await refusal(exchange.receive(message))).toEqual(wrongPassword(user));
    }
  });

  test("are shown the iterations that others have", async () => {
    const strong = staticAuthSource({ alice: await scramVerifier("pencil", { iterations: 5000 }) });
    expect((await afterFirst(strong, "nobody")).serverFirst).toMatch(/,i=5000$/);
    expect((await afterFirst(staticAuthSource({}), "nobody")).serverFirst).toMatch(/,i=4096$/);
  });

  test("are shown salts that depend on the source's secret", async () => {
    const salt = async (secret?: Uint8Array) => {
      const from = staticAuthSource({}, secret ? { secret } : {});
      return (await afterFirst(from, "nobody")).serverFirst;
    };
    expect(await salt(bytes("one"))).toBe(await salt(bytes("one")));
    expect(await salt(bytes("one"))).not.toBe(await salt(bytes("two")));
    expect(await salt()).toBe(await salt());
  });

  test("a source that knows nothing of a user means the same", async () => {
    const { exchange, serverFirst } = await afterFirst({ find: () => undefined }, "nobody");
    expect(serverFirst).toMatch(/,i=4096$/);
    const message = messageToBytes(`c=biws,r=abcXYZ,p=${"A".repeat(43)}=`);
    expect(await refusal(exchange.receive(message))).toEqual(wrongPassword("nobody"));
  });

  test("a plain password has the salt that the unknown user of that name would have", async () => {
    const without = staticAuthSource({});
    expect((await afterFirst(source, "plain")).serverFirst).toBe(
      (await afterFirst(without, "plain")).serverFirst,
    );
  });
});

describe("SCRAM: the initial response", () => {
  const source = staticAuthSource({ alice: stored });
  const start = async (tls?: TlsInfo) => {
    const exchange = serverExchange(source, login("alice", tls), { nonce: () => "XYZ" });
    await exchange.start();
    return exchange;
  };

  test("may come later, after an empty challenge", async () => {
    const exchange = await start();
    expect(await exchange.receive(initial("SCRAM-SHA-256", null))).toEqual({
      type: "continue",
      send: [{ type: "AuthenticationSASLContinue", data: new Uint8Array() }],
      expects: "SASLResponse",
    });
    expect(sent(await exchange.receive(bytes("n,,n=,r=abc")))).toMatch(/^r=abcXYZ,s=/);
  });

  test.each(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "", "scram-sha-256", "PLAIN", "\u00ff"])(
    "the mechanism %j was not offered",
    async (mechanism) => {
      expect(await refusal((await start()).receive(initial(mechanism, "n,,n=,r=abc")))).toEqual({
        severity: "FATAL",
        code: "08P01",
        message: "client selected an invalid SASL authentication mechanism",
      });
    },
  );

  test.each([
    ["no terminator", bytes("SCRAM-SHA-256"), "invalid string in message"],
    ["no length", bytes("SCRAM-SHA-256\0"), "insufficient data left in message"],
    ["a length beyond the end", bytes("SCRAM-SHA-256\0\0\0\0\x09abc"), "insufficient data left in message"],
    [
      "a length of -2",
      Uint8Array.of(...bytes("SCRAM-SHA-256\0"), 255, 255, 255, 254),
      "insufficient data left in message",
    ],
    ["bytes behind the end", bytes("SCRAM-SHA-256\0\0\0\0\x01nn"), "invalid message format"],
    ["nothing", new Uint8Array(), "invalid string in message"],
  ])("%s", async (_, message, text) => {
    expect(await refusal((await start()).receive(message))).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: text,
    });
  });
});

const malformedText = "malformed SCRAM message";

describe("SCRAM: client-first-message is refused", () => {
  const source = staticAuthSource({ alice: stored });
  const first = async (message: string, mechanism = "SCRAM-SHA-256", tls?: TlsInfo) => {
    const exchange = serverExchange(source, login("alice", tls));
    await exchange.start();
    return await refusal(exchange.receive(initial(mechanism, message)));
  };

  test.each([
    ["", "The message is empty."],
    ["n,,n=,r=a\0bc", "Message length does not match input length."],
    ["x,,n=,r=abc", `Unexpected channel-binding flag "'x'".`],
    ["\u00e9,,n=,r=abc", 'Unexpected channel-binding flag "0xe9".'],
    ["n", 'Comma expected, but found character "0x00".'],
    ["nn,n=,r=abc", `Comma expected, but found character "'n'".`],
    ["y ,n=,r=abc", 'Comma expected, but found character "0x20".'],
    ["n,", 'Unexpected attribute "0x00" in client-first-message.'],
    ["n,x,n=,r=abc", `Unexpected attribute "'x'" in client-first-message.`],
    ["n,,", 'Expected attribute "n" but found "0x00".'],
    ["n,,r=abc", `Expected attribute "n" but found "'r'".`],
    ["n,,n", 'Expected character "=" for attribute "n".'],
    ["n,,n=", 'Expected attribute "r" but found "0x00".'],
    ["n,,n=,x=abc", `Expected attribute "r" but found "'x'".`],
    ["n,,n=,r:abc", 'Expected character "=" for attribute "r".'],
    ["n,,n=,r=abc,1=2", `Attribute expected, but found invalid character "'1'".`],
    ["n,,n=,r=abc,x", 'Expected character "=" for attribute "x".'],
    [
      "p=tls-server-end-point,,n=,r=abc",
      "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
    ],
  ])("%j: %s", async (message, detail) => {
    expect(await first(message)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: malformedText,
      detail,
    });
  });

  test.each([
    ["n,a=bob,n=,r=abc", "client uses authorization identity, but it is not supported"],
    ["n,,m=1,n=,r=abc", "client requires an unsupported SCRAM extension"],
  ])("%j: %s", async (message, text) => {
    expect(await first(message)).toEqual({ severity: "FATAL", code: "0A000", message: text });
  });

  test.each(["a b", "a\u00e9", "a\u007f", "a\t"])("a nonce of %j", async (nonce) => {
    expect(await first(`n,,n=,r=${nonce}`)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "non-printable characters in SCRAM nonce",
    });
  });

  test.each(["n,,n=,r=abc", "y,,n=,r=abc"])("%j with the mechanism for channel binding", async (message) => {
    expect(await first(message, "SCRAM-SHA-256-PLUS", overTls)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: malformedText,
      detail:
        "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
    });
  });

  test("the flag y where channel binding was offered: its offer was taken out on the way", async () => {
    expect(await first("y,,n=,r=abc", "SCRAM-SHA-256", overTls)).toEqual({
      severity: "FATAL",
      code: "28000",
      message: "SCRAM channel binding negotiation error",
      detail:
        "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.",
    });
  });

  test("channel binding data without TLS", async () => {
    expect((await first("p=tls-server-end-point,,n=,r=abc", "SCRAM-SHA-256-PLUS")).message).toBe(
      "client selected an invalid SASL authentication mechanism",
    );
  });

  test.each([
    ["tls-unique", "tls-unique"],
    ["tls-exporter-with-a-very-long-\u00e9-name", "tls-exporter-with-a-very-long-"],
    ["\u00e9", "?"],
  ])("the channel binding type %s", async (type, shown) => {
    expect(await first(`p=${type},,n=,r=abc`, "SCRAM-SHA-256-PLUS", overTls)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: `unsupported SCRAM channel-binding type "${shown}"`,
    });
  });
});

describe("SCRAM: client-first-message is read", () => {
  test.each([
    "n,,n=,r=abc",
    "y,,n=,r=abc",
    "n,,n=alice,r=abc",
    "n,,n=*,r=abc",
    "n,,n=\u00c3\u00a9,r=abc",
    "n,,n=,r=abc,x=1,y=",
    "n,,n=,r=abc,",
  ])("%j", async (message) => {
    const { serverFirst } = await afterFirst(staticAuthSource({ alice: stored }), "alice", message);
    expect(serverFirst).toMatch(/^r=abcXYZ,s=[^,]+,i=4096$/);
  });
});

describe("SCRAM: client-final-message is refused", () => {
  const source = staticAuthSource({ alice: stored });
  const final = async (message: string, first = "n,,n=,r=abc") => {
    const { exchange } = await afterFirst(source, "alice", first);
    return await refusal(exchange.receive(messageToBytes(message)));
  };
  const proof = `${"A".repeat(43)}=`;

  test.each([
    ["", "The message is empty."],
    [`c=biws,r=abcXYZ,p=${proof}\0`, "Message length does not match input length."],
    [`r=abcXYZ,p=${proof}`, `Expected attribute "c" but found "'r'".`],
    ["c=biws", 'Expected attribute "r" but found "0x00".'],
    ["c=biws,r=abcXYZ", "Attribute expected, but found end of string."],
    ["c=biws,r=abcXYZ,x=1", "Attribute expected, but found end of string."],
    ["c=biws,r=abcXYZ,,", `Attribute expected, but found invalid character "','".`],
    ["c=biws,r=abcXYZ,p", 'Expected character "=" for attribute "p".'],
    ["c=biws,r=abcXYZ,p=", "Malformed proof in client-final-message."],
    ["c=biws,r=abcXYZ,p=AAAA", "Malformed proof in client-final-message."],
    [`c=biws,r=abcXYZ,p=${"A".repeat(43)}`, "Malformed proof in client-final-message."],
    [`c=biws,r=abcXYZ,p=${"?".repeat(44)}`, "Malformed proof in client-final-message."],
    [`c=biws,r=abcXYZ,p=${proof},x=1`, "Garbage found at the end of client-final-message."],
  ])("%j: %s", async (message, detail) => {
    expect(await final(message)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: malformedText,
      detail,
    });
  });

  test.each(["abc", "XYZ", "abcXYZ1", "abcXY", "abdXYZ", ""])("a nonce of %j", async (nonce) => {
    expect(await final(`c=biws,r=${nonce},p=${proof}`)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "invalid SCRAM response",
      detail: "Nonce does not match.",
    });
  });

  test.each([
    ["n,,n=,r=abc", "eSws"],
    ["y,,n=,r=abc", "biws"],
    ["n,,n=,r=abc", "biw="],
    ["n,,n=,r=abc", ""],
  ])("after %j a binding of %j", async (first, binding) => {
    expect(await final(`c=${binding},r=abcXYZ,p=${proof}`, first)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "unexpected SCRAM channel-binding attribute in client-final-message",
    });
  });

  test("a binding to another certificate", async () => {
    const exchange = serverExchange(source, login("alice", overTls), { nonce: () => "XYZ" });
    await exchange.start();
    await exchange.receive(initial("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"));
    const other = await endPointHash(selfSigned(algorithms["ecdsa-with-SHA256"]));
    const binding = btoa(`p=tls-server-end-point,,${bytesToMessage(other as Uint8Array)}`);
    expect(await refusal(exchange.receive(messageToBytes(`c=${binding},r=abcXYZ,p=${proof}`)))).toEqual({
      severity: "FATAL",
      code: "28000",
      message: "SCRAM channel binding check failed",
    });
  });
});

describe("an exchange", () => {
  test("ends with its first error", async () => {
    const exchange = serverExchange(
      staticAuthSource({ alice: "pencil" }, { method: "password" }),
      login("alice"),
    );
    await exchange.start();
    expect((await refusal(exchange.receive(password("pen")))).code).toBe("28P01");
    expect(await refusal(exchange.receive(password("pencil")))).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "unexpected authentication response",
    });
  });

  test("takes nothing once it is done, or before it started", async () => {
    const exchange = serverExchange(trustAuthSource(), login("alice"));
    expect((await refusal(exchange.receive(password("x")))).code).toBe("08P01");
    await exchange.start();
    expect((await refusal(exchange.receive(password("x")))).code).toBe("08P01");
  });

  test("starts once", async () => {
    const exchange = serverExchange(trustAuthSource(), login("alice"));
    await exchange.start();
    expect((await refusal(exchange.start())).code).toBe("XX000");
  });

  test("whose source fails does not tell why", async () => {
    const source: AuthSource = {
      find: () => {
        throw new Error("connect ECONNREFUSED 10.0.0.7:5432");
      },
    };
    expect(await refusal(serverExchange(source, login("alice")).start())).toEqual({
      severity: "FATAL",
      code: "XX000",
      message: 'could not check the authentication of user "alice"',
    });
  });

  test("is its own: two at a time do not mix", async () => {
    const source = staticAuthSource({ alice: stored });
    const nonces = ["ONE", "TWO"];
    const exchanges = nonces.map((nonce) => serverExchange(source, login("alice"), { nonce: () => nonce }));
    for (const exchange of exchanges) await exchange.start();
    const firsts = await Promise.all(
      exchanges.map(async (exchange) =>
        sent(await exchange.receive(initial("SCRAM-SHA-256", "n,,n=,r=abc"))),
      ),
    );
    expect(firsts.map((first) => first.slice(0, 8))).toEqual(["r=abcONE", "r=abcTWO"]);
  });
});
