/**
 * The client's start (PostgreSQL documentation, 53.2.1 Start-up): StartupMessage, version negotiation, authentication,
 * and what the server tells before its first ReadyForQuery.
 */
import { clientExchange } from "../auth/client.ts";
import type { TlsInfo } from "../auth/source.ts";
import { fatal, PgError } from "../wire/error.ts";
import {
  type BackendMessage,
  type ErrorFields,
  encodeFrontend,
  encodeStartup,
  major,
  minor,
  protocol30,
  protocol32,
  type TransactionStatus,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { Inbox } from "./inbox.ts";
import type { ClientOptions } from "./options.ts";

/** What is known when a connection is ready. */
export interface Started {
  readonly parameters: Map<string, string>;
  readonly processId: number;
  /** Empty: the server cannot cancel. */
  readonly secretKey: Uint8Array;
  /** The version in use: what was asked for, or what the server made of it. */
  readonly protocol: number;
  readonly status: TransactionStatus;
}

/** Sends StartupMessage, authenticates, and reads up to the first ReadyForQuery. */
export async function start(
  stream: ByteStream,
  inbox: Inbox,
  options: ClientOptions,
  tls: TlsInfo | undefined,
  onNotice: ((fields: ErrorFields) => void) | undefined,
): Promise<Started> {
  const asked = options.protocol ?? protocol32;
  const { minProtocol = protocol30 } = options;
  if (major(asked) !== 3 || asked < minProtocol) {
    throw fatal(sqlstate.invalidParameterValue, `cannot ask for protocol ${printVersion(asked)}`);
  }
  const writer = new Writer();
  encodeStartup(writer, { type: "StartupMessage", version: asked, parameters: startupParameters(options) });
  await stream.write(writer.take());

  const exchange = clientExchange({
    user: options.user,
    ...(options.password !== undefined && { password: options.password }),
    ...(tls && { tls }),
    ...(options.channelBinding && { channelBinding: options.channelBinding }),
    ...(options.requireAuth && { allowed: options.requireAuth }),
  });
  const parameters = new Map<string, string>();
  let protocol = asked;
  let negotiated = false;
  let authenticated = false;
  let processId = 0;
  let secretKey: Uint8Array = new Uint8Array(0);
  for (;;) {
    const message = await inbox.message();
    if (isAuthentication(message)) {
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
      case "ErrorResponse":
        throw PgError.fromFields(message.fields);
      case "NoticeResponse":
        onNotice?.(message.fields);
        continue;
      case "NegotiateProtocolVersion":
        if (negotiated || authenticated) throw unexpected(message);
        negotiated = true;
        protocol = negotiate(message, asked, minProtocol);
        continue;
    }
    // Before it has let us in, a server has nothing else to say.
    if (!authenticated) throw unexpected(message);
    switch (message.type) {
      case "ParameterStatus":
        parameters.set(message.name, message.value);
        continue;
      case "BackendKeyData":
        if (protocol === protocol30 && message.secretKey.length !== 4) {
          throw fatal(sqlstate.protocolViolation, "a cancel key has 4 bytes in protocol 3.0");
        }
        processId = message.processId;
        secretKey = message.secretKey.slice();
        continue;
      case "ReadyForQuery":
        return { parameters, processId, secretKey, protocol, status: message.status };
    }
    throw unexpected(message);
  }
}

function startupParameters({ user, database, parameters }: ClientOptions): Map<string, string> {
  const all = new Map(Object.entries(parameters ?? {}));
  for (const name of ["user", "database", "replication"]) {
    if (!all.has(name)) continue;
    throw fatal(sqlstate.invalidParameterValue, `"${name}" is not for the startup parameters`);
  }
  return new Map([["user", user], ["database", database ?? user], ["client_encoding", "UTF8"], ...all]);
}

/** NegotiateProtocolVersion: the server speaks an older version, or does not know `_pq_.` options that we sent. */
function negotiate(
  message: Extract<BackendMessage, { type: "NegotiateProtocolVersion" }>,
  asked: number,
  least: number,
): number {
  const { version, options } = message;
  if (options.length > 0) {
    // None was sent, or one that the caller insists on.
    throw fatal(sqlstate.protocolViolation, `the server does not know the options ${options.join(", ")}`);
  }
  // A server that speaks what we asked for has nothing to negotiate.
  if (major(version) !== 3 || version >= asked) throw unexpected(message);
  if (version >= least) return version;
  throw fatal(
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    `the server speaks protocol ${printVersion(version)}, and at least ${printVersion(least)} is wanted`,
  );
}

function printVersion(version: number): string {
  return `${major(version)}.${minor(version)}`;
}

type Authentication = Extract<BackendMessage, { type: `Authentication${string}` }>;

function isAuthentication(message: BackendMessage): message is Authentication {
  return message.type.startsWith("Authentication");
}

function unexpected({ type }: BackendMessage): PgError {
  return fatal(sqlstate.protocolViolation, `the server sent ${type} at a time when it may not`);
}
