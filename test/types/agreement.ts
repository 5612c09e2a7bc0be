/** Where our forms of values differ from PostgreSQL's. */
import type { Value } from "./postgres.ts";

type Known = Value & { readonly input?: string };

/** The first few, as lines to read; none is what a test wants. */
export function disagreements(
  values: readonly Known[],
  encode: (text: string) => Uint8Array,
  decode: (bytes: Uint8Array) => string,
): string[] {
  const lines: string[] = [];
  for (const { binary, text, input } of values) {
    if (lines.length >= 5) break;
    const expected = hex(binary);
    const encoded = attempt(() => hex(encode(text)));
    if (encoded !== expected) lines.push(`${JSON.stringify(text)}: ${encoded}, not ${expected}`);
    const decoded = attempt(() => decode(binary));
    if (decoded !== text) lines.push(`${expected}: ${JSON.stringify(decoded)}, not ${JSON.stringify(text)}`);
    if (input === undefined || input === text) continue;
    const read = attempt(() => hex(encode(input)));
    if (read !== expected) lines.push(`input ${JSON.stringify(input)}: ${read}, not ${expected}`);
  }
  return lines;
}

function attempt(work: () => string): string {
  try {
    return work();
  } catch (error) {
    return String(error);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
