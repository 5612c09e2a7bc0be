/** macaddr and macaddr8: six and eight bytes (mac.c, mac8.c). */
import { badText, type Codec, checkSize, missingByte } from "./codec.ts";
import { hexValue, toHex } from "./layout.ts";

export const macaddrCodec: Codec = {
  encode(text) {
    const bytes = macBytes(text);
    if (bytes?.length !== 6) throw badText("macaddr", text);
    return bytes;
  },
  decode(bytes) {
    checkSize("macaddr", bytes, 6, missingByte);
    return macText(bytes);
  },
};

export const macaddr8Codec: Codec = {
  encode(text) {
    const bytes = macBytes(text);
    if (!bytes) throw badText("macaddr8", text);
    return bytes.length === 6 ? extended(bytes) : bytes;
  },
  decode(bytes) {
    if (bytes.length === 6) return macText(extended(bytes));
    checkSize("macaddr8", bytes, 8, missingByte);
    return macText(bytes);
  },
};

/** An EUI-48 as an EUI-64. */
function extended(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytes.subarray(0, 3), 0xff, 0xfe, ...bytes.subarray(3));
}

/** Pairs of digits; between them colons, hyphens or dots, in any of the ways that people group them. */
function macBytes(text: string): Uint8Array | undefined {
  const trimmed = text.trim();
  const separator = /[:.-]/.exec(trimmed)?.[0] ?? "";
  const parts = separator === "" ? [trimmed] : trimmed.split(separator);
  const size = (parts[0] as string).length;
  if (size === 0 || size % 2 === 1 || !parts.every((part) => part.length === size)) return undefined;
  const digits = parts.join("");
  if (!/^(?:[0-9a-f]{12}|[0-9a-f]{16})$/i.test(digits)) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = (hexValue(digits.charCodeAt(at * 2)) << 4) | hexValue(digits.charCodeAt(at * 2 + 1));
  }
  return bytes;
}

function macText(bytes: Uint8Array): string {
  return toHex(bytes).replace(/\B(?=(?:..)+$)/g, ":");
}
