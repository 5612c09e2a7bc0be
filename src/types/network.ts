/** inet and cidr: an address of either family and the length of its network (network.c, inet_net_ntop.c). */
import { PgError, protocolError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { badBinary, badText, type Codec, missingByte, trailing } from "./codec.ts";

/** PGSQL_AF_INET and PGSQL_AF_INET6. */
const families: Readonly<Record<number, number>> = { 2: 4, 3: 16 };

export const inetCodec: Codec = network("inet");
export const cidrCodec: Codec = network("cidr");

function network(type: "inet" | "cidr"): Codec {
  const isCidr = type === "cidr";
  return {
    encode(text) {
      const [, host = "", length] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
      const address = host.includes(":") ? ipv6(host) : ipv4(host);
      if (!address) throw badText(type, text);
      const bits = length === undefined ? address.length * 8 : Number(length);
      const hasLeadingZero = address.length === 16 && /^0\d/.test(length ?? "");
      if (bits > address.length * 8 || hasLeadingZero) throw badText(type, text);
      if (isCidr && hasHostBits(address, bits)) {
        throw badCidr(`invalid cidr value: "${text}"`, "22P02");
      }
      const bytes = new Uint8Array(4 + address.length);
      bytes[0] = address.length === 4 ? 2 : 3;
      bytes[1] = bits;
      bytes[2] = isCidr ? 1 : 0;
      bytes[3] = address.length;
      bytes.set(address, 4);
      return bytes;
    },
    decode(bytes) {
      const reader = new Reader(bytes);
      const size = families[reader.byte()];
      if (size === undefined) throw badBinary(`invalid address family in external "${type}" value`);
      const bits = reader.byte();
      if (bits > size * 8) throw badBinary(`invalid bits in external "${type}" value`);
      // Whether it is a cidr: the type tells.
      reader.byte();
      if (reader.byte() !== size) throw badBinary(`invalid length in external "${type}" value`);
      if (reader.remaining < size) throw protocolError(missingByte);
      const address = reader.bytes(size);
      if (reader.remaining > 0) throw trailing(type);
      if (isCidr && hasHostBits(address, bits)) throw badCidr('invalid external "cidr" value', "22P03");
      const host = size === 4 ? address.join(".") : ipv6Text(address);
      return isCidr || bits < size * 8 ? `${host}/${bits}` : host;
    },
  };
}

function badCidr(message: string, code: string): PgError {
  return new PgError(code, message, { detail: "Value has bits set to right of mask." });
}

function hasHostBits(address: Uint8Array, bits: number): boolean {
  for (let at = bits >> 3; at < address.length; at++) {
    const mask = at === bits >> 3 ? 0xff >> (bits & 7) : 0xff;
    if ((address[at] as number) & mask) return true;
  }
  return false;
}

function ipv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => groups(half));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit groups of one side of a `::`, the last two perhaps as an IPv4 address. */
function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const words: number[] = [];
  for (const [at, part] of parts.entries()) {
    const embedded = at === parts.length - 1 && part.includes(".") ? ipv4(part) : undefined;
    if (embedded) {
      const [a = 0, b = 0, c = 0, d = 0] = embedded;
      words.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return words;
}

/** The longest run of zeros is shortened, the first of equals; an IPv4 address within shows as one. */
function ipv6Text(address: Uint8Array): string {
  const words: number[] = [];
  for (let at = 0; at < 16; at += 2) words.push(((address[at] as number) << 8) | (address[at + 1] as number));
  let base = -1;
  let length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > length) [base, length] = [at, end - at];
    if (end > at) at = end;
  }
  if (base < 0) return words.map((word) => word.toString(16)).join(":");
  const hasIpv4 = base === 0 && (length === 6 || (length === 5 && words[5] === 0xffff));
  const tail = words.slice(base + length, hasIpv4 ? 6 : 8).map((word) => word.toString(16));
  if (hasIpv4) tail.push(address.subarray(12).join("."));
  const head = words.slice(0, base).map((word) => word.toString(16));
  return `${head.join(":")}::${tail.join(":")}`;
}
