/** bool: one byte (boolin, boolout, boolsend, boolrecv). */
import { badText, type Codec, checkSize, missingByte } from "./codec.ts";

export const boolCodec: Codec = {
  encode(text) {
    if (text === "t") return Uint8Array.of(1);
    if (text === "f") return Uint8Array.of(0);
    const word = text.trim().toLowerCase();
    if (/^(t|tr|tru|true|y|ye|yes|on|1)$/.test(word)) return Uint8Array.of(1);
    if (/^(f|fa|fal|fals|false|n|no|of|off|0)$/.test(word)) return Uint8Array.of(0);
    throw badText("boolean", text);
  },
  decode(bytes) {
    checkSize("boolean", bytes, 1, missingByte);
    return bytes[0] === 0 ? "f" : "t";
  },
};
