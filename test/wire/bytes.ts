// Bytes as a person writes them: hex, and text in single quotes. bytes("51 0000000d 'SELECT 1' 00").

import {
  type BackendInput,
  encodeBackend,
  encodeFrontend,
  type FrontendInput,
  PgError,
  Writer,
} from "../../src/wire/mod.ts";

const encoder = new TextEncoder();

export function bytes(notation: string): Uint8Array {
  const parts: number[] = [];
  for (const [token] of notation.matchAll(/'[^']*'|[0-9a-f]+|\S+/g)) {
    if (token.startsWith("'")) parts.push(...encoder.encode(token.slice(1, -1)));
    else if (/^([0-9a-f]{2})+$/.test(token)) {
      for (let i = 0; i < token.length; i += 2) parts.push(Number.parseInt(token.slice(i, i + 2), 16));
    } else throw new Error(`not hex and not quoted: ${token}`);
  }
  return Uint8Array.from(parts);
}

export function concat(...chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

export function frontendBytes(message: FrontendInput): Uint8Array {
  const writer = new Writer();
  encodeFrontend(writer, message);
  return writer.take();
}

export function backendBytes(message: BackendInput): Uint8Array {
  const writer = new Writer();
  encodeBackend(writer, message);
  return writer.take();
}

/** For large arrays, which toEqual takes seconds to compare. */
export function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

/** `ERROR 08P01 invalid message format`: what was thrown, which must be a PgError. */
export function errorOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    return `${error.severity} ${error.code} ${error.message}`;
  }
  return "no error";
}
