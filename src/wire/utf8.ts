// Text on the wire. edgewire speaks client_encoding UTF8 only, and is as strict as PostgreSQL's verifier:
// invalid bytes are 22021, with the bytes spelled out as in PostgreSQL's own message.

import { PgError } from "./error.ts";
import { sqlstate } from "./sqlstate.ts";

// ignoreBOM keeps a leading U+FEFF, which is data here.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this many bytes a loop beats the call into TextDecoder. */
export const shortText = 14;

/** The text of `bytes[from, to)`. Throws PgError 22021 for bytes that are not UTF-8. */
export function decodeText(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  if (to - from <= shortText) {
    let text = "";
    let at = from;
    for (; at < to; at++) {
      const byte = bytes[at] as number;
      if (byte > 127) break;
      text += String.fromCharCode(byte);
    }
    if (at === to) return text;
  }
  try {
    return decoder.decode(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
  } catch {
    throw invalidText(bytes.subarray(from, to));
  }
}

/** PostgreSQL's report of the first invalid sequence: as many bytes as its first byte announces, if that many are left. */
function invalidText(bytes: Uint8Array): PgError {
  let at = 0;
  while (at < bytes.length) {
    const length = validSequence(bytes, at);
    if (length === 0) break;
    at += length;
  }
  const announced = announcedLength(bytes[at] ?? 0);
  const shown = Array.from(bytes.subarray(at, at + announced), hexByte).join(" ");
  return invalidEncoding(shown);
}

/** ERROR 22021 for the bytes written as `0xe2 0x28`. */
export function invalidEncoding(shown: string): PgError {
  return new PgError(
    sqlstate.characterNotInRepertoire,
    `invalid byte sequence for encoding "UTF8": ${shown}`,
  );
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function announcedLength(first: number): number {
  if (first >= 0xc0 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf8) return 4;
  return 1;
}

/** Length of the valid UTF-8 sequence at `at`, 0 if it is none (overlong, surrogate, past U+10FFFF, cut short). */
function validSequence(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = announcedLength(first);
  if (at + length > bytes.length) return 0;
  const second = bytes[at + 1] as number;
  let low = 0x80;
  let high = 0xbf;
  if (first === 0xe0) low = 0xa0;
  else if (first === 0xed) high = 0x9f;
  else if (first === 0xf0) low = 0x90;
  else if (first === 0xf4) high = 0x8f;
  if (second < low || second > high) return 0;
  for (let i = at + 2; i < at + length; i++) {
    if (((bytes[i] as number) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
