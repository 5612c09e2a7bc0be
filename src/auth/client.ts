// The client's side of authentication (PostgreSQL documentation, 53.2.1 Start-up and 53.3 SASL Authentication), with the
// checks of libpq's require_auth and channel_binding
// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-CHANNEL-BINDING).

import type { BackendMessage } from "../wire/backend.ts";
import { fatal, type PgError } from "../wire/error.ts";
import type { FrontendMessage } from "../wire/frontend.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { endPointHash } from "./channel-binding.ts";
import { md5PasswordHash, md5Response } from "./md5.ts";
import { scramSha256, scramSha256Plus } from "./scram.ts";
import { ScramClient } from "./scram-client.ts";
import type { AuthMethod, TlsInfo } from "./source.ts";

export interface ClientExchangeOptions {
  readonly user: string;
  /** A function is called when, and only when, the server asks for a password. */
  readonly password?: string | (() => string | Promise<string>);
  /** The connection's TLS; `serverCertificate` is what channel binding needs. */
  readonly tls?: TlsInfo;
  /** Default "prefer": SCRAM-SHA-256-PLUS when both sides can. "require" refuses everything else. */
  readonly channelBinding?: "disable" | "prefer" | "require";
  /**
   * Methods the server may ask for; default all. A server that asks for none is let through only with "trust" or "cert"
   * in the list: the client cannot tell whether its certificate was looked at.
   */
  readonly allowed?: readonly AuthMethod[];
  /** Fewest SCRAM iterations to accept; default 1, as libpq. */
  readonly minIterations?: number;
  /** Most SCRAM iterations to accept, lest a server keeps the client computing; default 1,000,000: under a second. */
  readonly maxIterations?: number;
  /** Makes the client's part of the SCRAM nonce; for tests with fixed messages. */
  readonly nonce?: () => string;
}

/** One connection's authentication. Never shared, and of no use after AuthenticationOk or an error. */
export interface ClientExchange {
  /**
   * Takes an Authentication* message; gives the answer to send, or undefined when there is none.
   * @throws PgError, FATAL: the connection must be closed. The server's own ErrorResponse does not come here.
   */
  receive(message: BackendMessage): Promise<FrontendMessage | undefined>;
}

export function clientExchange(options: ClientExchangeOptions): ClientExchange {
  return new Exchange(options);
}

const defaultMaxIterations = 1_000_000;

function refused(message: string): PgError {
  return fatal(sqlstate.invalidAuthorizationSpecification, message);
}

function unexpected(type: string): PgError {
  return fatal(sqlstate.protocolViolation, `unexpected ${type} from the server`);
}

/** Methods of the documentation that this client does not speak. */
const unsupported: Readonly<Record<string, string>> = {
  AuthenticationKerberosV5: "Kerberos 5",
  AuthenticationSCMCredential: "SCM credential",
  AuthenticationGSS: "GSSAPI",
  AuthenticationGSSContinue: "GSSAPI",
  AuthenticationSSPI: "SSPI",
};

/** Where the exchange stands. A server may ask once; whatever comes out of order is refused. */
type State =
  | { readonly type: "start" }
  | { readonly type: "password sent" }
  | { readonly type: "first sent"; readonly scram: ScramClient; readonly bound: boolean }
  | { readonly type: "proof sent"; readonly scram: ScramClient; readonly bound: boolean }
  | { readonly type: "server proven"; readonly bound: boolean }
  | { readonly type: "over" };

class Exchange implements ClientExchange {
  readonly #options: ClientExchangeOptions;
  #state: State = { type: "start" };

  constructor(options: ClientExchangeOptions) {
    this.#options = options;
  }

  async receive(message: BackendMessage): Promise<FrontendMessage | undefined> {
    const state = this.#state;
    // Until this message is found good, and for good when it is not.
    this.#state = { type: "over" };
    switch (message.type) {
      case "AuthenticationOk":
        return this.#ok(state);
      case "AuthenticationCleartextPassword":
        this.#begin(state, message.type, "password", "a cleartext password");
        return this.#password(await this.#askPassword());
      case "AuthenticationMD5Password": {
        this.#begin(state, message.type, "md5", "a hashed password");
        const hash = md5PasswordHash(this.#options.user, await this.#askPassword());
        return this.#password(md5Response(hash, message.salt));
      }
      case "AuthenticationSASL":
        this.#begin(state, message.type, "scram-sha-256", "SASL authentication");
        return await this.#sasl(message.mechanisms);
      case "AuthenticationSASLContinue": {
        if (state.type !== "first sent") throw unexpected(message.type);
        const data = await state.scram.final(message.data);
        this.#state = { ...state, type: "proof sent" };
        return { type: "SASLResponse", data };
      }
      case "AuthenticationSASLFinal":
        if (state.type !== "proof sent") throw unexpected(message.type);
        state.scram.verify(message.data);
        this.#state = { type: "server proven", bound: state.bound };
        return undefined;
    }
    const name = unsupported[message.type];
    if (name === undefined) throw unexpected(message.type);
    throw fatal(sqlstate.featureNotSupported, `${name} authentication not supported`);
  }

  /** Refuses a request that comes out of order, that the user did not allow, or that leaves the server unproven. */
  #begin(state: State, type: string, method: AuthMethod, asked: string): void {
    if (state.type !== "start") throw unexpected(type);
    this.#checkAllowed([method], `server requested ${asked}`);
    if (this.#options.channelBinding === "require" && method !== "scram-sha-256") {
      throw refused("channel binding required but not supported by server's authentication request");
    }
  }

  #checkAllowed(methods: readonly AuthMethod[], reason: string): void {
    const { allowed } = this.#options;
    if (allowed === undefined || methods.some((method) => allowed.includes(method))) return;
    throw refused(`authentication method requirement "${allowed.join(",")}" failed: ${reason}`);
  }

  #ok(state: State): undefined {
    switch (state.type) {
      case "start":
        this.#checkAllowed(["trust", "cert"], "server did not complete authentication");
        break;
      case "password sent":
      case "server proven":
        break;
      case "first sent":
      case "proof sent":
        // libpq lets this pass: a server that does not know the password could harvest proofs.
        throw refused("server accepted the connection without proving that it knows the password");
      case "over":
        throw unexpected("AuthenticationOk");
    }
    if (this.#options.channelBinding === "require" && !("bound" in state && state.bound)) {
      throw refused("channel binding required, but server authenticated client without channel binding");
    }
    return undefined;
  }

  async #askPassword(): Promise<string> {
    const { password } = this.#options;
    const given = typeof password === "function" ? await password() : password;
    if (given === undefined || given === "") throw fatal(sqlstate.invalidPassword, "no password supplied");
    return given;
  }

  #password(password: string): FrontendMessage {
    this.#state = { type: "password sent" };
    return { type: "PasswordMessage", password };
  }

  async #sasl(offered: readonly string[]): Promise<FrontendMessage> {
    const { tls, channelBinding = "prefer", nonce } = this.#options;
    const { minIterations = 1, maxIterations = defaultMaxIterations } = this.#options;
    const required = channelBinding === "require";
    if (required && tls === undefined) throw refused("channel binding required, but TLS is not in use");
    const plusOffered = offered.includes(scramSha256Plus);
    // Somebody stripped the TLS that the server is speaking.
    if (plusOffered && tls === undefined) {
      throw refused("server offered SCRAM-SHA-256-PLUS authentication over a connection without TLS");
    }
    if (!plusOffered && !offered.includes(scramSha256)) {
      throw fatal(
        sqlstate.featureNotSupported,
        "none of the server's SASL authentication mechanisms are supported",
        { detail: `The server offers ${offered.join(", ") || "nothing"}.` },
      );
    }

    const certificate = channelBinding === "disable" ? undefined : tls?.serverCertificate;
    const endPoint = certificate && (await endPointHash(certificate));
    const bound = plusOffered && endPoint !== undefined;
    if (required && !bound) {
      throw refused(
        plusOffered
          ? "channel binding is required, but there is no server certificate that can be bound to"
          : "channel binding is required, but server did not offer an authentication method that supports channel binding",
      );
    }
    if (!bound && !offered.includes(scramSha256)) {
      throw refused("server offered SCRAM-SHA-256-PLUS alone, which needs channel binding");
    }

    const scram = new ScramClient({
      password: await this.#askPassword(),
      // "y" says that we could bind: a server that did offer it then knows that its offer was tampered with.
      flag: bound ? "p" : endPoint ? "y" : "n",
      endPoint: bound ? endPoint : undefined,
      minIterations,
      maxIterations,
      nonce,
    });
    this.#state = { type: "first sent", scram, bound };
    const mechanism = bound ? scramSha256Plus : scramSha256;
    return { type: "SASLInitialResponse", mechanism, data: scram.first() };
  }
}
