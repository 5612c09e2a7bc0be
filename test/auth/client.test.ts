import { describe, expect, test } from "vitest";
import { endPointHash } from "../../src/auth/channel-binding.ts";
import { type ClientExchangeOptions, clientExchange } from "../../src/auth/client.ts";
import { bytesToMessage, messageToBytes } from "../../src/auth/scram-messages.ts";
import { serverExchange } from "../../src/auth/server.ts";
import { type AuthMethod, staticAuthSource, type TlsInfo } from "../../src/auth/source.ts";
import { md5Verifier, scramVerifier } from "../../src/auth/verifier.ts";
import type { BackendMessage } from "../../src/wire/backend.ts";
import { algorithms, selfSigned } from "./certificate.ts";
import { converse, login, refusal } from "./dialogue.ts";

const certificate = selfSigned(algorithms["ecdsa-with-SHA256"]);
const tls: TlsInfo = { protocol: "TLSv1.3", serverCertificate: certificate };
const stored = await scramVerifier("pencil");

function client(options: Partial<ClientExchangeOptions> = {}) {
  return clientExchange({ user: "alice", password: "pencil", nonce: () => "abc", ...options });
}

const saslContinue = (message: string): BackendMessage => ({
  type: "AuthenticationSASLContinue",
  data: messageToBytes(message),
});
const saslFinal = (message: string): BackendMessage => ({
  type: "AuthenticationSASLFinal",
  data: messageToBytes(message),
});
const sasl = (...mechanisms: string[]): BackendMessage => ({ type: "AuthenticationSASL", mechanisms });
const plain = sasl("SCRAM-SHA-256");
const both = sasl("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");
const ok: BackendMessage = { type: "AuthenticationOk" };
const cleartext: BackendMessage = { type: "AuthenticationCleartextPassword" };
const md5: BackendMessage = { type: "AuthenticationMD5Password", salt: Uint8Array.of(1, 2, 3, 4) };

/** The mechanism and the first message that a client chooses. */
async function choice(options: Partial<ClientExchangeOptions>, offer: BackendMessage): Promise<string[]> {
  const message = await client(options).receive(offer);
  if (message?.type !== "SASLInitialResponse") throw new Error(message?.type);
  return [message.mechanism, bytesToMessage(message.data ?? new Uint8Array())];
}

describe("the choice of a mechanism", () => {
  test("without TLS", async () => {
    expect(await choice({}, plain)).toEqual(["SCRAM-SHA-256", "n,,n=,r=abc"]);
    expect(await choice({ channelBinding: "disable" }, plain)).toEqual(["SCRAM-SHA-256", "n,,n=,r=abc"]);
  });

  test("with TLS, channel binding where it is offered", async () => {
    for (const channelBinding of ["prefer", "require"] as const) {
      expect(await choice({ tls, channelBinding }, both)).toEqual([
        "SCRAM-SHA-256-PLUS",
        "p=tls-server-end-point,,n=,r=abc",
      ]);
    }
    expect(await choice({ tls }, sasl("X", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"))).toEqual([
      "SCRAM-SHA-256-PLUS",
      "p=tls-server-end-point,,n=,r=abc",
    ]);
  });

  test("with TLS but no offer, the flag y says that the client could have", async () => {
    expect(await choice({ tls }, plain)).toEqual(["SCRAM-SHA-256", "y,,n=,r=abc"]);
  });

  test("with TLS and channel binding disabled, the flag n", async () => {
    expect(await choice({ tls, channelBinding: "disable" }, both)).toEqual(["SCRAM-SHA-256", "n,,n=,r=abc"]);
  });

  test.each([
    ["that the transport does not tell", { protocol: "TLSv1.3" }],
    ["that has no binding", { serverCertificate: selfSigned(algorithms.Ed25519) }],
  ])("with a certificate %s, the flag n", async (_, unbound) => {
    expect(await choice({ tls: unbound }, both)).toEqual(["SCRAM-SHA-256", "n,,n=,r=abc"]);
    const required = client({ tls: unbound, channelBinding: "require" }).receive(both);
    expect((await refusal(required)).code).toBe("28000");
  });

  test("nonces are random", async () => {
    const options: ClientExchangeOptions = { user: "alice", password: "pencil" };
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const message = await clientExchange(options).receive(plain);
        if (message?.type !== "SASLInitialResponse") throw new Error(message?.type);
        return bytesToMessage(message.data ?? new Uint8Array());
      }),
    );
    expect(nonces[0]).toMatch(/^n,,n=,r=[A-Za-z0-9+/]{24}$/);
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test.each([
    ["channel binding offered without TLS", {}, both, "28000"],
    [
      "channel binding offered without TLS, even if disabled",
      { channelBinding: "disable" as const },
      both,
      "28000",
    ],
    ["no mechanism", {}, sasl(), "0A000"],
    ["unknown mechanisms", {}, sasl("SCRAM-SHA-1", "OAUTHBEARER"), "0A000"],
    ["binding required without TLS", { channelBinding: "require" as const }, plain, "28000"],
    ["binding required and not offered", { channelBinding: "require" as const, tls }, plain, "28000"],
    [
      "nothing but binding, disabled",
      { channelBinding: "disable" as const, tls },
      sasl("SCRAM-SHA-256-PLUS"),
      "28000",
    ],
  ])("refuses %s", async (_, options, offer, code) => {
    const refused = await refusal(client(options).receive(offer));
    expect(refused.severity).toBe("FATAL");
    expect(refused.code).toBe(code);
  });
});

describe("channel binding required", () => {
  test.each([
    ["cleartext", cleartext],
    ["md5", md5],
    ["no authentication", ok],
  ])("refuses %s", async (_, message) => {
    const exchange = client({ tls, channelBinding: "require" });
    expect(await refusal(exchange.receive(message))).toMatchObject({
      code: "28000",
      message: expect.stringContaining("channel binding required"),
    });
  });
});

describe("allowed methods", () => {
  const requests: [AuthMethod, BackendMessage][] = [
    ["password", cleartext],
    ["md5", md5],
    ["scram-sha-256", plain],
    ["trust", ok],
    ["cert", ok],
  ];

  test.each(requests)("%s alone", async (method, request) => {
    for (const [, other] of requests) {
      const promise = client({ allowed: [method] }).receive(other);
      if (other.type === request.type) await promise;
      else {
        expect(await refusal(promise)).toMatchObject({
          severity: "FATAL",
          code: "28000",
          message: expect.stringContaining(`authentication method requirement "${method}" failed: server `),
        });
      }
    }
  });

  test("by default all", async () => {
    for (const [, request] of requests) await client().receive(request);
  });

  test("the password is not asked for before the request is found good", async () => {
    let asked = 0;
    const password = () => {
      asked++;
      return "pencil";
    };
    await refusal(client({ password, allowed: ["scram-sha-256"] }).receive(cleartext));
    await refusal(client({ password, allowed: ["scram-sha-256"] }).receive(md5));
    await refusal(client({ password, channelBinding: "require" }).receive(cleartext));
    await refusal(client({ password }).receive(both));
    await client({ password }).receive(ok);
    expect(asked).toBe(0);
    await client({ password }).receive(cleartext);
    expect(asked).toBe(1);
  });
});

describe("the password", () => {
  test("may come from a function, or a promise", async () => {
    for (const password of ["pencil", () => "pencil", async () => "pencil"]) {
      expect(await client({ password }).receive(cleartext)).toEqual({
        type: "PasswordMessage",
        password: "pencil",
      });
    }
  });

  test.each([
    ["none", undefined],
    ["an empty one", ""],
    ["a function that has none", () => ""],
  ])("%s is not sent", async (_, password) => {
    for (const request of [cleartext, md5, plain]) {
      const exchange = clientExchange({ user: "alice", ...(password !== undefined && { password }) });
      expect(await refusal(exchange.receive(request))).toEqual({
        severity: "FATAL",
        code: "28P01",
        message: "no password supplied",
      });
    }
  });
});

describe("a server's messages are refused", () => {
  const first = async (message: string, options: Partial<ClientExchangeOptions> = {}) => {
    const exchange = client(options);
    await exchange.receive(plain);
    return await refusal(exchange.receive(saslContinue(message)));
  };

  test.each([
    ["", "The message is empty."],
    ["r=abcXYZ,s=QUJD,i=4096\0", "Message length does not match input length."],
    ["s=QUJD,i=4096", `Expected attribute "r" but found "'s'".`],
    ["r=abcXYZ", 'Expected attribute "s" but found "0x00".'],
    ["r=abcXYZ,s=?,i=4096", "Invalid salt in server-first-message."],
    ["r=abcXYZ,s=QUJD", 'Expected attribute "i" but found "0x00".'],
    ["r=abcXYZ,s=QUJD,i=", "Invalid iteration count in server-first-message."],
    ["r=abcXYZ,s=QUJD,i=0", "Invalid iteration count in server-first-message."],
    ["r=abcXYZ,s=QUJD,i=-1", "Invalid iteration count in server-first-message."],
    ["r=abcXYZ,s=QUJD,i=1e3", "Invalid iteration count in server-first-message."],
    ["r=abcXYZ,s=QUJD,i=99999999999", "Invalid iteration count in server-first-message."],
    ["r=abcXYZ,s=QUJD,i=4096,x=1", "Garbage found at the end of server-first-message."],
  ])("%j: %s", async (message, detail) => {
    expect(await first(message)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "malformed SCRAM message",
      detail,
    });
  });

  test.each(["abdXYZ", "ab", "abc", "", "XYZabc"])("the nonce %j", async (nonce) => {
    expect(await first(`r=${nonce},s=QUJD,i=4096`)).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "invalid SCRAM response",
      detail: "Nonce does not match.",
    });
  });

  test("a mandatory extension", async () => {
    expect((await first("m=1,r=abcXYZ,s=QUJD,i=4096")).code).toBe("0A000");
  });

  test("more iterations than allowed, at once", async () => {
    const started = performance.now();
    expect(await first("r=abcXYZ,s=QUJD,i=2147483647")).toEqual({
      severity: "FATAL",
      code: "08P01",
      message: "server asked for 2147483647 SCRAM iterations",
      detail: "Only 1 to 1000000 are allowed.",
    });
    expect(performance.now() - started).toBeLessThan(1000);
    expect((await first("r=abcXYZ,s=QUJD,i=4097", { maxIterations: 4096 })).code).toBe("08P01");
  });

  test("fewer iterations than asked for", async () => {
    expect((await first("r=abcXYZ,s=QUJD,i=4095", { minIterations: 4096 })).detail).toBe(
      "Only 4096 to 1000000 are allowed.",
    );
  });

  const final = async (message: string) => {
    const exchange = client();
    await exchange.receive(plain);
    await exchange.receive(saslContinue("r=abcXYZ,s=QUJD,i=10"));
    return await refusal(exchange.receive(saslFinal(message)));
  };

  test.each([
    ["", "The message is empty."],
    ["x=1", `Expected attribute "v" but found "'x'".`],
    ["v=QUJD", "Invalid signature in server-final-message."],
    ["v=?", "Invalid signature in server-final-message."],
    [`v=${"A".repeat(43)}=,x=1`, "Garbage found at the end of server-final-message."],
  ])("at the end %j: %s", async (message, detail) => {
    expect(await final(message)).toMatchObject({ code: "08P01", message: "malformed SCRAM message", detail });
  });

  test("a signature of somebody who does not know the password", async () => {
    expect(await final(`v=${"A".repeat(43)}=`)).toEqual({
      severity: "FATAL",
      code: "28000",
      message: "incorrect server signature",
    });
  });

  test("an error in the place of a signature", async () => {
    expect(await final("e=invalid-proof")).toEqual({
      severity: "FATAL",
      code: "28P01",
      message: "error received from server in SCRAM exchange: invalid-proof",
    });
    expect((await final("e=\u0007\u00e9")).message).toBe("error received from server in SCRAM exchange: ??");
  });
});

describe("a server's messages out of order are refused", () => {
  const inTurn: [string, BackendMessage[]][] = [
    ["SASLContinue first", [saslContinue("r=abcXYZ,s=QUJD,i=10")]],
    ["SASLFinal first", [saslFinal("v=")]],
    ["SASLFinal before the proof", [plain, saslFinal(`v=${"A".repeat(43)}=`)]],
    ["Ok before the server proved itself", [plain, ok]],
    ["Ok in the place of its proof", [plain, saslContinue("r=abcXYZ,s=QUJD,i=10"), ok]],
    [
      "a second challenge",
      [plain, saslContinue("r=abcXYZ,s=QUJD,i=10"), saslContinue("r=abcXYZ,s=QUJD,i=10")],
    ],
    ["a second SASL request", [plain, plain]],
    ["a downgrade in the middle", [plain, cleartext]],
    ["a downgrade after the proof", [plain, saslContinue("r=abcXYZ,s=QUJD,i=10"), md5]],
    ["a second password", [cleartext, cleartext]],
    ["SASL after a password", [md5, plain]],
    ["a message that is not for this", [{ type: "ReadyForQuery", status: "I" }]],
    ["anything after Ok", [ok, cleartext]],
  ];

  test.each(inTurn)("%s", async (_, messages) => {
    // "trust" in the list must not let an unfinished exchange pass.
    const exchange = client({ allowed: ["trust", "password", "md5", "scram-sha-256"] });
    for (const message of messages.slice(0, -1)) await exchange.receive(message);
    const refused = await refusal(exchange.receive(messages.at(-1) as BackendMessage));
    expect(refused.severity).toBe("FATAL");
    expect(["08P01", "28000"]).toContain(refused.code);
    // It is over, whatever comes then.
    expect((await refusal(exchange.receive(ok))).code).toBe("08P01");
  });

  test.each([
    ["AuthenticationKerberosV5", { type: "AuthenticationKerberosV5" }],
    ["AuthenticationSCMCredential", { type: "AuthenticationSCMCredential" }],
    ["AuthenticationGSS", { type: "AuthenticationGSS" }],
    ["AuthenticationGSSContinue", { type: "AuthenticationGSSContinue", data: new Uint8Array() }],
    ["AuthenticationSSPI", { type: "AuthenticationSSPI" }],
  ] as [string, BackendMessage][])("%s is not supported", async (_, message) => {
    expect(await refusal(client().receive(message))).toMatchObject({ severity: "FATAL", code: "0A000" });
  });
});

/** Passwords and users whose bytes are not ASCII, or that SASLprep changes or refuses. */
const odd = [
  "I\u00adX",
  "p\u00e4ss w\u00f6rd",
  "\u05d0\u05d1",
  "\u05d0a",
  "\u{1f600}",
  "a,=b",
  " ",
  "\u0007",
];

describe("a client and a server", () => {
  const saslMessages = [
    "AuthenticationSASL",
    "SASLInitialResponse",
    "AuthenticationSASLContinue",
    "SASLResponse",
    "AuthenticationSASLFinal",
    "AuthenticationOk",
  ];
  const cases: [string, string, AuthMethod | undefined, TlsInfo | undefined, string[]][] = [
    ["trust", "", "trust", undefined, ["AuthenticationOk"]],
    ["cert", "", "cert", { ...tls, clientCertificate: { commonName: "alice" } }, ["AuthenticationOk"]],
    [
      "password against a SCRAM verifier",
      stored,
      "password",
      undefined,
      ["AuthenticationCleartextPassword", "PasswordMessage", "AuthenticationOk"],
    ],
    [
      "md5",
      md5Verifier("alice", "pencil"),
      undefined,
      undefined,
      ["AuthenticationMD5Password", "PasswordMessage", "AuthenticationOk"],
    ],
    ["SCRAM", stored, undefined, undefined, saslMessages],
    ["SCRAM with channel binding", stored, undefined, tls, saslMessages],
    ["SCRAM against a plain password", "pencil", undefined, undefined, saslMessages],
    ["SCRAM against a plain password with channel binding", "pencil", "md5", tls, saslMessages],
  ];

  test.each(cases)("%s", async (name, verifier, method, transport, messages) => {
    const source = staticAuthSource({ alice: verifier }, method === undefined ? {} : { method });
    const talk = (user: string, password: string) =>
      converse(
        serverExchange(source, login(user, transport)),
        clientExchange({ user, password, ...(transport && { tls: transport }) }),
      );
    expect(await talk("alice", "pencil")).toEqual(messages);
    if (method === "trust" || method === "cert") return;
    for (const [user, password] of [
      ["alice", "Pencil"],
      ["alice", "pencils"],
      ["bob", "pencil"],
    ] as const) {
      expect(await refusal(talk(user, password)), name).toEqual({
        severity: "FATAL",
        code: "28P01",
        message: `password authentication failed for user "${user}"`,
      });
    }
  });

  test.each(odd)("the password %j, in each form", async (password) => {
    const user = "\u00e9l\u00e8ve";
    for (const verifier of [await scramVerifier(password), md5Verifier(user, password), password]) {
      for (const method of ["password", undefined] as const) {
        const source = staticAuthSource({ [user]: verifier }, method === undefined ? {} : { method });
        const seen = await converse(serverExchange(source, login(user)), clientExchange({ user, password }));
        expect(seen.at(-1)).toBe("AuthenticationOk");
      }
    }
  });

  test("a SCRAM verifier of the empty password lets nobody in", async () => {
    const empty = await scramVerifier("", { iterations: 10 });
    const source = staticAuthSource({ alice: empty });
    // A client that does send an empty password: what SCRAM signs with it is what it signs with a zero byte.
    const talk = converse(
      serverExchange(source, login("alice")),
      clientExchange({ user: "alice", password: "\0" }),
    );
    expect((await refusal(talk)).code).toBe("28P01");
  });

  describe("with somebody between them who", () => {
    const source = staticAuthSource({ alice: stored });
    const talk = (
      tampering: Parameters<typeof converse>[2],
      options: Partial<ClientExchangeOptions> = {},
      serverTls: TlsInfo | undefined = tls,
    ) =>
      converse(
        serverExchange(source, login("alice", serverTls)),
        clientExchange({ user: "alice", password: "pencil", tls, ...options }),
        tampering,
      );

    test("does nothing", async () => {
      expect((await talk({})).at(-1)).toBe("AuthenticationOk");
    });

    test("takes channel binding out of the offer", async () => {
      const refused = await refusal(
        talk({ toClient: (message) => (message.type === "AuthenticationSASL" ? plain : message) }),
      );
      expect(refused).toMatchObject({ code: "28000", message: "SCRAM channel binding negotiation error" });
    });

    test("ends TLS with a certificate of its own", async () => {
      const own = { serverCertificate: selfSigned(algorithms["ecdsa-with-SHA256"]) };
      const refused = await refusal(talk({}, { tls: own }));
      expect(refused).toMatchObject({ code: "28000", message: "SCRAM channel binding check failed" });
    });

    test("takes the flag y for n, to hide what it did to the offer", async () => {
      const refused = await refusal(
        talk({
          toClient: (message) => (message.type === "AuthenticationSASL" ? plain : message),
          toServer: (message) =>
            message.type === "SASLInitialResponse" && message.data
              ? { ...message, data: messageToBytes(bytesToMessage(message.data).replace("y,,", "n,,")) }
              : message,
        }),
      );
      expect(refused.message).toBe("unexpected SCRAM channel-binding attribute in client-final-message");
    });

    test("puts its own binding into the last message", async () => {
      const mine = bytesToMessage((await endPointHash(certificate)) as Uint8Array);
      const refused = await refusal(
        talk(
          {
            toServer: (message) =>
              message.type === "SASLResponse"
                ? {
                    ...message,
                    data: messageToBytes(
                      bytesToMessage(message.data).replace(
                        /^c=[^,]*/,
                        `c=${btoa(`p=tls-server-end-point,,${mine}`)}`,
                      ),
                    ),
                  }
                : message,
          },
          { tls: { serverCertificate: selfSigned(algorithms["ecdsa-with-SHA384"]) } },
        ),
      );
      // The binding is a part of what the proof signs.
      expect(refused.code).toBe("28P01");
    });

    test("lowers the iterations, to guess the password sooner", async () => {
      const refused = await refusal(
        talk({
          toClient: (message) =>
            message.type === "AuthenticationSASLContinue"
              ? saslContinue(bytesToMessage(message.data).replace("i=4096", "i=1"))
              : message,
        }),
      );
      expect(refused.code).toBe("28P01");
    });

    test("changes one byte of any SCRAM message", async () => {
      for (const type of ["SASLResponse", "AuthenticationSASLContinue", "AuthenticationSASLFinal"] as const) {
        for (const at of [0, 3, 10, 25, 40]) {
          const flip = <Message extends { type: string }>(message: Message): Message => {
            if (message.type !== type || !("data" in message)) return message;
            const data = Uint8Array.from(message.data as Uint8Array);
            data[at] = (data[at] as number) ^ 1;
            return { ...message, data };
          };
          const refused = await refusal(talk({ toClient: flip, toServer: flip }));
          expect(refused.severity).toBe("FATAL");
          expect(["08P01", "28000", "28P01"]).toContain(refused.code);
        }
      }
    });

    test("asks for the password itself", async () => {
      const asking = { toClient: () => cleartext };
      expect((await refusal(talk(asking, { allowed: ["scram-sha-256"] }))).code).toBe("28000");
      expect((await refusal(talk(asking, { channelBinding: "require" }))).code).toBe("28000");
    });
  });
});
