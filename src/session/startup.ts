/**
 * The startup phase (PostgreSQL documentation, 53.2.1 Start-up, 53.2.10 and 53.2.11 SSL and GSSAPI encryption, 53.2.9
 * Termination): encryption requests, CancelRequest, StartupMessage, version negotiation and authentication. Whatever
 * goes wrong here is FATAL: no ReadyForQuery, nothing executed.
 */
import { type AuthStep, type ServerExchange, serverExchange } from "../auth/server.ts";
import type { AuthSource, Login, TlsInfo } from "../auth/source.ts";
import { fatal, type PgError } from "../wire/error.ts";
import type { Frame, Framer } from "../wire/framer.ts";
import { constantFrames, encodeBackend, frontendCodes, type PasswordKind } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeStartup, major, minor, protocol32, type StartupPacket } from "../wire/startup.ts";
import type { Output } from "./output.ts";
import type { Phase } from "./phase.ts";
import type { Transport } from "./transport.ts";

type StartupMessage = Extract<StartupPacket, { type: "StartupMessage" }>;

/** What the startup phase does to the session around it. */
export interface StartupHost {
  readonly framer: Framer;
  readonly output: Output;
  readonly transport: Transport;
  readonly auth: AuthSource;
  readonly refuse: PgError | undefined;
  cancel(processId: number, secretKey: Uint8Array): Promise<void>;
  /** The client proved itself: go on with the upstream. */
  authenticated(login: Login, version: number): void | Promise<void>;
  /** Ends the connection without a word, as after a CancelRequest. */
  end(): void;
}

export class StartupPhase implements Phase {
  readonly idle: boolean = false;
  readonly #host: StartupHost;
  #sslDone = false;
  #gssDone = false;
  #exchange: ServerExchange | undefined;
  #expects: PasswordKind = "PasswordMessage";
  #login: Login | undefined;
  #version = 0;

  constructor(host: StartupHost) {
    this.#host = host;
  }

  /** A StartupMessage was read: an error can be told, since the client now understands messages. */
  get started(): boolean {
    return this.#login !== undefined;
  }

  /** The kind of `p` message that the client is to send next, for the trace. */
  get expects(): PasswordKind {
    return this.#expects;
  }

  receive(frame: Frame): void | Promise<void> {
    if (this.#exchange) return this.#authenticate(this.#exchange, frame);
    const packet = decodeStartup(frame.body);
    switch (packet.type) {
      case "SSLRequest":
        return this.#sslRequest();
      case "GSSENCRequest":
        return this.#gssRequest();
      case "CancelRequest":
        return this.#cancelRequest(packet.processId, packet.secretKey);
      case "StartupMessage":
        return this.#startup(packet);
    }
  }

  cancel(): void {
    // Nothing runs yet.
  }

  close(): void {
    this.#exchange = undefined;
  }

  #sslRequest(): void | Promise<void> {
    const { transport, output } = this.#host;
    // Inside of direct TLS it is no request for encryption any more.
    if (this.#sslDone || transport.tls) throw unsupportedVersion(80877103);
    this.#sslDone = true;
    if (!transport.startTls) {
      output.sendRaw(letter("N"));
      return this.#refusePlaintext("SSL");
    }
    this.#refusePlaintext("SSL");
    output.sendRaw(letter("S"));
    return transport.startTls().then(() => {});
  }

  #gssRequest(): void {
    if (this.#gssDone) throw unsupportedVersion(80877104);
    this.#gssDone = true;
    this.#host.output.sendRaw(letter("N"));
    this.#refusePlaintext("GSSAPI encryption");
  }

  /** Bytes behind the request were sent before any encryption: they may be an attacker's (CVE-2021-23214). */
  #refusePlaintext(kind: string): void {
    if (this.#host.framer.buffered === 0) return;
    throw fatal(sqlstate.protocolViolation, `received unencrypted data after ${kind} request`, {
      detail:
        "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
    });
  }

  #cancelRequest(processId: number, secretKey: Uint8Array): Promise<void> {
    return this.#host.cancel(processId, secretKey).then(() => this.#host.end());
  }

  #startup(message: StartupMessage): void | Promise<void> {
    const { output, auth, transport } = this.#host;
    if (major(message.version) !== 3) throw unsupportedVersion(message.version);
    const parameters = new Map<string, string>();
    const unknownOptions: string[] = [];
    for (const [name, value] of message.parameters) {
      if (name.startsWith("_pq_.")) unknownOptions.push(name);
      else parameters.set(name, value);
    }
    this.#version = Math.min(message.version, protocol32);
    if (message.version > protocol32 || unknownOptions.length > 0) {
      encodeBackend(output.writer, {
        type: "NegotiateProtocolVersion",
        version: this.#version,
        options: unknownOptions,
      });
    }
    const user = parameters.get("user") ?? "";
    if (user === "") {
      throw fatal(
        sqlstate.invalidAuthorizationSpecification,
        "no PostgreSQL user name specified in startup packet",
      );
    }
    const replication = parameters.get("replication")?.toLowerCase() ?? "false";
    if (!["false", "off", "no", "0"].includes(replication)) {
      throw fatal(sqlstate.featureNotSupported, "replication connections are not supported");
    }
    this.#login = {
      user,
      database: parameters.get("database") || user,
      parameters,
      tls: transport.tls as TlsInfo | undefined,
      ...(transport.address !== undefined && { address: transport.address }),
    };
    this.#host.framer.startup = false;
    if (this.#host.refuse) throw this.#host.refuse;
    // Neon's driver sends StartupMessage, password and first query at once. Where a password comes later, unasked, the
    // method that is configured was asked for already, and it is refused.
    const pipelinedPassword = this.#host.framer.nextCode === frontendCodes.PasswordMessage;
    this.#exchange = serverExchange(auth, this.#login, { pipelinedPassword });
    return this.#exchange.start().then((step) => this.#advance(step));
  }

  #authenticate(exchange: ServerExchange, frame: Frame): Promise<void> {
    if (frame.code !== frontendCodes.PasswordMessage) {
      throw fatal(
        sqlstate.protocolViolation,
        `expected ${this.#expects === "PasswordMessage" ? "password" : "SASL"} response, got message type ${frame.code}`,
      );
    }
    return exchange.receive(frame.body).then((step) => this.#advance(step));
  }

  #advance(step: AuthStep): void | Promise<void> {
    const { output } = this.#host;
    for (const message of step.send) encodeBackend(output.writer, message);
    if (step.type === "continue") {
      this.#expects = step.expects;
      return output.flush();
    }
    output.writer.raw(constantFrames.authenticationOk);
    return this.#host.authenticated(this.#login as Login, this.#version);
  }
}

function letter(character: "S" | "N"): Uint8Array {
  return Uint8Array.of(character.charCodeAt(0));
}

function unsupportedVersion(version: number): Error {
  return fatal(
    sqlstate.featureNotSupported,
    `unsupported frontend protocol ${major(version)}.${minor(version)}: server supports 3.0 to 3.2`,
  );
}
