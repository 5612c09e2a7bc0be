// The server's side of authentication (PostgreSQL documentation, 53.2.1 Start-up and 53.3 SASL Authentication): from the
// startup packet to the point where AuthenticationOk may be sent.
//
// Every failure is FATAL, and a wrong password, an unknown user and a user without a password fail alike: 28P01 after
// the same messages. What really happened is in the error's `cause`, for the server's log.

import type { BackendMessage } from "../wire/backend.ts";
import { fatal, PgError } from "../wire/error.ts";
import type { PasswordKind } from "../wire/frontend.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { endPointHash } from "./channel-binding.ts";
import { equalBytes } from "./constant-time.ts";
import { md5Response } from "./md5.ts";
import { mockIterations, mockSalt } from "./mock.ts";
import { preparePassword } from "./saslprep.ts";
import { scramKeys, scramSha256, scramSha256Plus } from "./scram.ts";
import { bytesToMessage } from "./scram-messages.ts";
import { doomedVerifier, ScramServer } from "./scram-server.ts";
import type { AuthRule, AuthSource, Login } from "./source.ts";
import { deriveScram, isEmptyPassword, passwordMatches, type Verifier } from "./verifier.ts";

/** What to send now, and whether the client has still something to say. AuthenticationOk is left to the session. */
export type AuthStep =
  | { readonly type: "continue"; readonly send: BackendMessage[]; readonly expects: PasswordKind }
  | { readonly type: "done"; readonly send: BackendMessage[] };

/** One connection's authentication. Never shared, and of no use after "done" or an error. */
export interface ServerExchange {
  /** Looks the login up. Call once. */
  start(): Promise<AuthStep>;
  /** Takes the body of the client's next `p` message. */
  receive(body: Uint8Array): Promise<AuthStep>;
}

export interface ServerExchangeOptions {
  /** Makes the server's part of the SCRAM nonce; for tests with fixed messages. */
  readonly nonce?: () => string;
  /**
   * The client has sent its password already, before it was asked for anything. It is then asked for it in cleartext and
   * it is checked against what is stored, whatever the method: that gives nothing away that is not under way. With
   * `trust` and `cert`, too, it is asked for, so that it has its place in the dialogue, and is of no account.
   */
  readonly pipelinedPassword?: boolean;
}

/**
 * Begins the authentication of a connection.
 *
 * Both methods of the exchange throw a PgError, FATAL: 28P01 (no or wrong password), 28000 (certificate, channel
 * binding), 08P01 (malformed messages), 0A000 (SCRAM features PostgreSQL has not), or what the source throws.
 */
export function serverExchange(
  source: AuthSource,
  login: Login,
  options: ServerExchangeOptions = {},
): ServerExchange {
  return new Exchange(source, login, options);
}

const encoder = new TextEncoder();
const finished: AuthStep = { type: "done", send: [] };

/** Every error as FATAL. A stranger's text is not for a client that nobody knows yet. */
function asFatal(cause: unknown, user: string): PgError {
  if (!(cause instanceof PgError)) {
    const message = `could not check the authentication of user "${user}"`;
    return new PgError(sqlstate.internalError, message, { severity: "FATAL" }, { cause });
  }
  if (cause.severity === "FATAL" || cause.severity === "PANIC") return cause;
  return new PgError(cause.code, cause.message, { ...cause.fields, severity: "FATAL" }, { cause });
}

/** The text of a PasswordMessage as its bytes: the client's encoding is not known before authentication. */
function passwordBytes(body: Uint8Array): Uint8Array {
  if (body.length === 0 || body.indexOf(0) !== body.length - 1) {
    throw fatal(sqlstate.protocolViolation, "invalid password packet size");
  }
  if (body.length === 1) throw fatal(sqlstate.invalidPassword, "empty password returned by client");
  return body.subarray(0, -1);
}

/** Reads SASLInitialResponse: one of the mechanisms and the client's first message, null when it sends that later. */
function initialResponse(
  body: Uint8Array,
  mechanisms: readonly string[],
): { mechanism: string; data: Uint8Array | null } {
  const end = body.indexOf(0);
  if (end < 0) throw fatal(sqlstate.protocolViolation, "invalid string in message");
  const mechanism = bytesToMessage(body.subarray(0, end));
  if (!mechanisms.includes(mechanism)) {
    throw fatal(sqlstate.protocolViolation, "client selected an invalid SASL authentication mechanism");
  }
  const reader = new Reader(body.subarray(end + 1));
  const data = reader.sized();
  reader.end();
  return { mechanism, data };
}

class Exchange implements ServerExchange {
  readonly #source: AuthSource;
  readonly #login: Login;
  readonly #options: ServerExchangeOptions;
  #started = false;
  /** What the client's next message means; undefined when none is due. */
  #next: ((body: Uint8Array) => AuthStep | Promise<AuthStep>) | undefined;

  constructor(source: AuthSource, login: Login, options: ServerExchangeOptions) {
    this.#source = source;
    this.#login = login;
    this.#options = options;
  }

  async start(): Promise<AuthStep> {
    try {
      if (this.#started) throw new Error("an authentication exchange starts once");
      this.#started = true;
      const rule = (await this.#source.find(this.#login)) ?? { method: "scram-sha-256" };
      return await this.#begin(rule);
    } catch (cause) {
      throw asFatal(cause, this.#login.user);
    }
  }

  async receive(body: Uint8Array): Promise<AuthStep> {
    const next = this.#next;
    this.#next = undefined;
    try {
      if (next === undefined) throw fatal(sqlstate.protocolViolation, "unexpected authentication response");
      return await next(body);
    } catch (cause) {
      throw asFatal(cause, this.#login.user);
    }
  }

  async #begin(rule: AuthRule): Promise<AuthStep> {
    const { method, verifier } = rule;
    if (method === "password") return this.#askPassword((body) => this.#checkPassword(rule, body));
    const done = method === "trust" ? finished : method === "cert" ? this.#checkCertificate() : undefined;
    if (this.#options.pipelinedPassword) {
      const stored: AuthRule = { method: "password", ...(verifier && { verifier }) };
      return this.#askPassword((body) => done ?? this.#checkPassword(stored, body));
    }
    if (done) return done;
    // PostgreSQL's rule: the method md5 means the kind of password that the user has.
    if (method === "md5" && verifier?.type === "md5") return this.#askMd5(verifier.hash);
    return await this.#askSasl(verifier);
  }

  #ask(
    message: BackendMessage,
    expects: PasswordKind,
    next: (body: Uint8Array) => AuthStep | Promise<AuthStep>,
  ): AuthStep {
    this.#next = next;
    return { type: "continue", send: [message], expects };
  }

  #askPassword(check: (body: Uint8Array) => AuthStep | Promise<AuthStep>): AuthStep {
    return this.#ask({ type: "AuthenticationCleartextPassword" }, "PasswordMessage", check);
  }

  /** The one answer to every failed proof. */
  #wrongPassword(reason: string): PgError {
    return new PgError(
      sqlstate.invalidPassword,
      `password authentication failed for user "${this.#login.user}"`,
      { severity: "FATAL" },
      { cause: new Error(reason) },
    );
  }

  #checkCertificate(): AuthStep {
    const { user, tls } = this.#login;
    if (tls?.clientCertificate === undefined) {
      throw fatal(
        sqlstate.invalidAuthorizationSpecification,
        "connection requires a valid client certificate",
      );
    }
    const { commonName } = tls.clientCertificate;
    if (commonName !== "" && commonName === user) return finished;
    throw new PgError(
      sqlstate.invalidAuthorizationSpecification,
      `certificate authentication failed for user "${user}"`,
      { severity: "FATAL" },
      { cause: new Error(`the certificate is for "${commonName}"`) },
    );
  }

  async #checkPassword(rule: AuthRule, body: Uint8Array): Promise<AuthStep> {
    const password = passwordBytes(body);
    const { user } = this.#login;
    if (rule.check !== undefined) {
      let text: string;
      try {
        text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(password);
      } catch {
        throw this.#wrongPassword("the password is not UTF-8");
      }
      if ((await rule.check(text)) === true) return finished;
      throw this.#wrongPassword("the check refused the password");
    }
    const { verifier } = rule;
    if (verifier?.type !== "scram-sha-256") await this.#spend(password);
    if (verifier === undefined) throw this.#wrongPassword("no such user, or it has no password");
    if (!(await passwordMatches(verifier, user, password))) {
      throw this.#wrongPassword("the password does not match");
    }
    return finished;
  }

  /** Works as long as the check of a SCRAM verifier does: the time of an answer is not to tell who exists, and with what. */
  async #spend(password: Uint8Array): Promise<void> {
    const { mock } = this.#source;
    await scramKeys(preparePassword(password), await mockSalt(this.#login.user, mock), mockIterations(mock));
  }

  #askMd5(hash: string): AuthStep {
    const salt = crypto.getRandomValues(new Uint8Array(4));
    return this.#ask({ type: "AuthenticationMD5Password", salt }, "PasswordMessage", async (body) => {
      const answer = passwordBytes(body);
      if (!equalBytes(answer, encoder.encode(md5Response(hash, salt)))) {
        throw this.#wrongPassword("the password does not match");
      }
      if (await isEmptyPassword({ type: "md5", hash }, this.#login.user)) {
        throw this.#wrongPassword("the stored password is empty");
      }
      return finished;
    });
  }

  async #askSasl(verifier: Verifier | undefined): Promise<AuthStep> {
    const certificate = this.#login.tls?.serverCertificate;
    const endPoint = certificate && (await endPointHash(certificate));
    // In the order of preference.
    const mechanisms = endPoint ? [scramSha256Plus, scramSha256] : [scramSha256];
    return this.#ask({ type: "AuthenticationSASL", mechanisms }, "SASLInitialResponse", async (body) => {
      const { mechanism, data } = initialResponse(body, mechanisms);
      const scram = await this.#scram(verifier, mechanism === scramSha256Plus, endPoint);
      if (data !== null) return scram(data);
      // RFC 4422's initial response is optional: an empty challenge asks for it.
      const challenge: BackendMessage = { type: "AuthenticationSASLContinue", data: new Uint8Array() };
      return this.#ask(challenge, "SASLResponse", scram);
    });
  }

  /** Sets an exchange up, and gives what takes its first message. */
  async #scram(
    verifier: Verifier | undefined,
    plus: boolean,
    endPoint: Uint8Array | undefined,
  ): Promise<(body: Uint8Array) => AuthStep> {
    const { user } = this.#login;
    const salt = await mockSalt(user, this.#source.mock);
    const iterations = mockIterations(this.#source.mock);
    let scramVerifier = doomedVerifier(salt, iterations);
    let doomed = "no such user, or it has no password that SCRAM can use";
    if (verifier?.type === "scram-sha-256") {
      scramVerifier = verifier;
      doomed = "";
    } else if (verifier?.type === "plain" && verifier.password !== "") {
      scramVerifier = await deriveScram(verifier.password, salt, iterations);
      doomed = "";
    }

    const { nonce } = this.#options;
    const scram = new ScramServer({
      verifier: scramVerifier,
      doomed: doomed !== "",
      plus,
      endPoint,
      ...(nonce !== undefined && { nonce }),
    });
    const final = async (body: Uint8Array): Promise<AuthStep> => {
      const data = await scram.final(body);
      if (data === undefined) throw this.#wrongPassword(doomed || "the password does not match");
      if (verifier && (await isEmptyPassword(verifier, user)))
        throw this.#wrongPassword("the stored password is empty");
      return { type: "done", send: [{ type: "AuthenticationSASLFinal", data }] };
    };
    return (body) =>
      this.#ask({ type: "AuthenticationSASLContinue", data: scram.first(body) }, "SASLResponse", final);
  }
}
