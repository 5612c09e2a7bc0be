/**
 * The client's start (PostgreSQL documentation, 53.2.1 Start-up, 53.2.2 and 53.2.10 SSL): encryption, StartupMessage,
 * authentication, and what the server tells before its first ReadyForQuery.
 */
import { clientExchange } from "../auth/client.ts";
import type { TlsInfo } from "../auth/source.ts";
import { PgError } from "../wire/error.ts";
import type { Framer } from "../wire/framer.ts";
import {
  type BackendMessage,
  constantFrames,
  decodeBackend,
  encodeFrontend,
  encodeStartup,
  protocol30,
  protocol32,
  type TransactionStatus,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientOptions } from "./options.ts";

/** What is known when a connection is ready. */
export interface Started {
  readonly parameters: Map<string, string>;
  readonly processId: number;
  readonly secretKey: Uint8Array;
  /** The version in use: what was asked for, or what the server made of it. */
  readonly protocol: number;
  readonly status: TransactionStatus;
  readonly notices: BackendMessage[];
}

/** Gives the stream's bytes one read at a time: the start is a dialogue, and what follows it is not. */
export interface Reader {
  readonly framer: Framer;
  /** Waits for more bytes, which it pushes into the framer. @throws PgError 08006 if the connection ends */
  more(): Promise<void>;
  /** The next single byte, outside of any message. */
  byte(): Promise<number>;
}

/** Asks for TLS where the mode wants it. */
export async function negotiateTls(
  stream: ByteStream,
  reader: Reader,
  options: ClientOptions,
): Promise<TlsInfo | undefined> {
  const mode = options.sslMode ?? "prefer";
  if (stream.tls || mode === "disable") return stream.tls;
  const required = mode !== "prefer";
  if (!stream.startTls) {
    if (!required) return undefined;
    throw new PgError(sqlstate.connectionException, `sslmode "${mode}" needs TLS, which this connection cannot do`);
  }
  await stream.write(constantFrames.sslRequest.slice());
  const answer = await reader.byte();
  if (answer === letterN) {
    if (!required) return undefined;
    throw new PgError(sqlstate.connectionException, "server does not support SSL, but SSL was required");
  }
  if (answer !== letterS) {
    // An error in place of a letter comes from nobody that is authenticated: it is not shown (CVE-2024-10977).
    throw new PgError(sqlstate.protocolViolation, "received invalid response to SSL negotiation");
  }
  if (reader.framer.buffered > 0) {
    throw new PgError(sqlstate.protocolViolation, "received unencrypted data after SSL response");
  }
  return stream.startTls();
}

/** Sends StartupMessage, authenticates, and reads up to the first ReadyForQuery. */
export async function start(
  stream: ByteStream,
  reader: Reader,
  options: ClientOptions,
  tls: TlsInfo | undefined,
): Promise<Started> {
  const { user, password, database, parameters } = options;
  const asked = options.protocol ?? protocol32;
  const writer = new Writer();
  encodeStartup(writer, {
    type: "StartupMessage",
    version: asked,
    parameters: new Map([
      ["user", user],
      ["database", database ?? user],
      ["client_encoding", "UTF8"],
      ...Object.entries(parameters ?? {}),
    ]),
  });
  await stream.write(writer.take());

  const exchange = clientExchange({
    user,
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
    ...(options.channelBinding && { channelBinding: options.channelBinding }),
    ...(options.requireAuth && { allowed: [...options.requireAuth] }),
  });
  const started = {
    parameters: new Map<string, string>(),
    processId: 0,
    secretKey: new Uint8Array(0) as Uint8Array,
    protocol: asked,
    notices: [] as BackendMessage[],
  };
  let authenticated = false;
  for (;;) {
    const message = await next(reader);
    if (message.type.startsWith("Authentication")) {
      if (authenticated) throw unexpected(message);
      const answer = await exchange.receive(message);
      authenticated = message.type === "AuthenticationOk";
      if (answer) {
        encodeFrontend(writer, answer);
        await stream.write(writer.take());
      }
      continue;
    }
    switch (message.type) {
      case "ErrorResponse": {
        const { code, message: text, ...fields } = message.fields;
        throw new PgError(code, text, fields);
      }
      case "NegotiateProtocolVersion":
        if (message.version < protocol30 || message.version > asked) throw unexpected(message);
        started.protocol = message.version;
        break;
      case "NoticeResponse":
        started.notices.push(message);
        break;
      case "ParameterStatus":
        if (!authenticated) throw unexpected(message);
        started.parameters.set(message.name, message.value);
        break;
      case "BackendKeyData":
        if (!authenticated) throw unexpected(message);
        started.processId = message.processId;
        started.secretKey = message.secretKey.slice();
        break;
      case "ReadyForQuery":
        if (!authenticated) throw unexpected(message);
        return { ...started, status: message.status };
      default:
        throw unexpected(message);
    }
  }
}

async function next(reader: Reader): Promise<BackendMessage> {
  for (;;) {
    const frame = reader.framer.next();
    if (frame) return decodeBackend(frame.code, frame.body);
    await reader.more();
  }
}

function unexpected({ type }: BackendMessage): PgError {
  return new PgError(sqlstate.protocolViolation, `the server sent ${type} at a time when it may not`);
}

const letterS = 0x53;
const letterN = 0x4e;
