/**
 * money: an int64 of cents. Its text depends on lc_monetary; this is the form of the C locale, which is en_US's as well.
 * Text of another locale is refused, for none of them writes amounts that this one would read otherwise.
 */
import { badText, type Codec, checkSize, outOfRange } from "./codec.ts";
import { getBigInt64, setBigInt64 } from "./layout.ts";

/** More than any amount takes: white space without end would keep the pattern busy. */
const maxLength = 200;

export const moneyCodec: Codec = {
  encode(text) {
    const match =
      text.length > maxLength
        ? null
        : /^\s*\$?\s*([-(+]?)\s*\$?\s*([\d,]*)(?:\.((?:,*\d){0,2},*\d*))?([\s)$+-]*)$/.exec(text);
    if (!match) throw badText("money", text);
    const [whole = "", fraction = ""] = match.slice(2, 4).map((digits = "") => digits.replaceAll(",", ""));
    // Cents, and the digit that rounds them.
    let value = BigInt(whole + fraction.slice(0, 2).padEnd(2, "0"));
    if ((fraction[2] ?? "0") >= "5") value += 1n;
    if (/[-(]/.test(`${match[1]}${match[4]}`)) value = -value;
    if (BigInt.asIntN(64, value) !== value) throw outOfRange("money", text);
    const bytes = new Uint8Array(8);
    setBigInt64(bytes, 0, value);
    return bytes;
  },
  decode(bytes) {
    checkSize("money", bytes, 8);
    const value = getBigInt64(bytes, 0);
    const digits = (value < 0n ? -value : value).toString().padStart(3, "0");
    const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
    return `${value < 0n ? "-" : ""}$${whole}.${digits.slice(-2)}`;
  },
};
