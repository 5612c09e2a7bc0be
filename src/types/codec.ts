/**
 * What every type has: two conversions between the text and the binary form of a value, and the errors of PostgreSQL's
 * input and receive functions.
 */
import { PgError, protocolError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { TypeSettings } from "./settings.ts";

/** One type's conversions. Values are never NULL here. */
export interface Codec {
  /**
   * The binary form (typsend) of a value in text form (typinput). It reads what typoutput prints under any settings;
   * `settings` decide where a text has several meanings.
   * @throws PgError 22P02 and its kin for text that is none of the type's; 0A000 for what only the server knows
   */
  encode(text: string, settings: TypeSettings): Uint8Array;
  /**
   * The text form (typoutput) of a value in binary form (typrecv), as PostgreSQL prints it under `settings`.
   * @throws PgError 08P01 where bytes are missing, 22P03 and its kin where they are wrong
   */
  decode(bytes: Uint8Array, settings: TypeSettings): string;
  /** The binary form of every value is its text in UTF-8: a text need not be converted to be sent as binary. */
  readonly isText?: true;
}

/** ERROR 22P02, as most input functions say it. */
export function badText(type: string, text: string, detail?: string): PgError {
  const message = `invalid input syntax for type ${type}: "${text}"`;
  return new PgError(sqlstate.invalidTextRepresentation, message, detail === undefined ? {} : { detail });
}

/** ERROR 22003 of numbers. */
export function outOfRange(type: string, text: string): PgError {
  return new PgError(sqlstate.numericValueOutOfRange, `value "${text}" is out of range for type ${type}`);
}

/** ERROR 22P03 with a receive function's own text. */
export function badBinary(message: string): PgError {
  return new PgError(sqlstate.invalidBinaryRepresentation, message);
}

/** ERROR 0A000 for a conversion that takes more than the value: names, rules or a locale of the server's. */
export function unsupported(message: string, hint?: string): PgError {
  return new PgError(sqlstate.featureNotSupported, message, hint === undefined ? {} : { hint });
}

export const missingData = "insufficient data left in message";
/** Of receive functions that read byte by byte. */
export const missingByte = "no data left in message";

/** Checks the length of a type of fixed size. */
export function checkSize(
  type: string,
  bytes: Uint8Array,
  size: number,
  missing: string = missingData,
): void {
  if (bytes.length < size) throw protocolError(missing);
  if (bytes.length > size) throw trailing(type);
}

/** ERROR 22P03 for bytes behind the end of a value. */
export function trailing(type: string): PgError {
  return badBinary(`incorrect binary data format for type ${type}`);
}
