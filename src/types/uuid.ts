/** uuid: sixteen bytes (uuid_in takes braces, any case, and hyphens behind every fourth digit or none). */
import { badText, type Codec, checkSize } from "./codec.ts";
import { hexValue, toHex } from "./layout.ts";

export const uuidCodec: Codec = {
  encode(text) {
    const braced = text.startsWith("{");
    const end = braced && text.endsWith("}") ? text.length - 1 : text.length;
    const bytes = new Uint8Array(16);
    let digits = 0;
    for (let at = braced ? 1 : 0; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === 45 && digits % 4 === 0 && digits > 0 && digits < 32 && text.charCodeAt(at - 1) !== 45) {
        continue;
      }
      const value = hexValue(code);
      if (value < 0 || digits === 32) throw badText("uuid", text);
      bytes[digits >> 1] = ((bytes[digits >> 1] as number) << 4) | value;
      digits++;
    }
    if (digits !== 32 || (braced && end === text.length)) throw badText("uuid", text);
    return bytes;
  },
  decode(bytes) {
    checkSize("uuid", bytes, 16);
    const hex = toHex(bytes);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};
