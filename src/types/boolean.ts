/** bool: one byte (boolin, boolout, boolsend, boolrecv). */
import { badText, type Codec, checkSize, missingByte } from "./codec.ts";

export const boolCodec: Codec = {
  encode(text) {
    if (text === "t" || text === "f") return boolBytes(text === "t");
    const word = text.trim().toLowerCase();
    if (/^(t|tr|tru|true|y|ye|yes|on|1)$/.test(word)) return boolBytes(true);
    if (/^(f|fa|fal|fals|false|n|no|of|off|0)$/.test(word)) return boolBytes(false);
    throw badText("boolean", text);
  },
  decode(bytes) {
    checkSize("boolean", bytes, 1, missingByte);
    return bytes[0] === 0 ? "f" : "t";
  },
};

function boolBytes(value: boolean): Uint8Array {
  const bytes = new Uint8Array(1);
  if (value) bytes[0] = 1;
  return bytes;
}
