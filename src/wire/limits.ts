// How long a message of each class may say it is, its length word included, checked before anything is buffered.

import { backendCodes, frontendCodes } from "./codes.ts";
import { fatal, type PgError } from "./error.ts";
import { sqlstate } from "./sqlstate.ts";

/** MAX_STARTUP_PACKET_LENGTH: the startup packet's body, without its length word. */
export const maxStartupPacketLength = 10_000;
/** PQ_SMALL_MESSAGE_LIMIT: messages that carry names and flags only. */
export const smallMessageLimit = 10_000;
/** PG_MAX_AUTH_TOKEN_LENGTH: the password family, which must hold Kerberos tickets and OAuth tokens. */
export const maxAuthTokenLength = 65_535;
/** PQ_LARGE_MESSAGE_LIMIT: messages that carry statements and data. */
export const largeMessageLimit = 0x3ffffffe;
/** What libpq takes from a server for messages that carry neither rows nor errors nor notifications. */
export const shortBackendMessageLimit = 30_000;

/** Limits by message name, in bytes. 0 makes the message's type invalid. The four `p` messages share one limit. */
export type FrontendLimits = Partial<Record<keyof typeof frontendCodes, number>>;
export type BackendLimits = Partial<Record<keyof typeof backendCodes, number>>;

/**
 * PostgreSQL's limits of frontend messages, with `overrides`. The function throws FATAL 08P01 for a type that does
 * not exist, and for one whose limit is 0 (a PasswordMessage once the client is authenticated, say).
 */
export function frontendLimits(overrides: FrontendLimits = {}): (code: number) => number {
  const limits: FrontendLimits = {
    Query: largeMessageLimit,
    Parse: largeMessageLimit,
    Bind: largeMessageLimit,
    CopyData: largeMessageLimit,
    FunctionCall: largeMessageLimit,
    PasswordMessage: maxAuthTokenLength,
  };
  return limitTable("frontend", frontendCodes, limits, overrides, smallMessageLimit);
}

/** The same for what a server sends: data, errors and notifications are long, the rest is as short as libpq wants it. */
export function backendLimits(overrides: BackendLimits = {}): (code: number) => number {
  const limits: BackendLimits = {
    CopyData: largeMessageLimit,
    DataRow: largeMessageLimit,
    ErrorResponse: largeMessageLimit,
    FunctionCallResponse: largeMessageLimit,
    NoticeResponse: largeMessageLimit,
    NotificationResponse: largeMessageLimit,
    ParameterDescription: largeMessageLimit,
    RowDescription: largeMessageLimit,
  };
  return limitTable("backend", backendCodes, limits, overrides, shortBackendMessageLimit);
}

function limitTable<Name extends string>(
  side: "frontend" | "backend",
  codes: Record<Name, number>,
  defaults: Partial<Record<Name, number>>,
  overrides: Partial<Record<Name, number>>,
  otherwise: number,
): (code: number) => number {
  const table = new Float64Array(256);
  for (const limits of [defaults, overrides]) {
    for (const name of Object.keys(codes) as Name[]) {
      const limit = limits[name];
      if (limit !== undefined) table[codes[name]] = limit;
      else if (limits === defaults && table[codes[name]] === 0) table[codes[name]] = otherwise;
    }
  }
  return (code) => {
    const limit = table[code] as number;
    if (limit === 0) throw fatal(sqlstate.protocolViolation, `invalid ${side} message type ${code}`);
    return limit;
  };
}

/**
 * The refusal of a message longer than its limit. At one of PostgreSQL's own limits it is PostgreSQL's error; a limit
 * that was configured is a limit of this program, 54000.
 */
export function overLimit(code: number, length: number, limit: number): PgError {
  if (limit === smallMessageLimit || limit === maxAuthTokenLength || length > largeMessageLimit) {
    return fatal(sqlstate.protocolViolation, "invalid message length");
  }
  return fatal(
    sqlstate.programLimitExceeded,
    `message of type "${String.fromCharCode(code)}" is too long: ${length} bytes, the limit is ${limit}`,
  );
}
