/** Numbers of PostgreSQL's inner life: pg_lsn, tid, pg_snapshot. */
import { Reader } from "../wire/reader.ts";
import { badBinary, badText, type Codec, checkSize, trailing } from "./codec.ts";
import { getBigInt64, getInt16, getInt32, setBigInt64, setInt16, setInt32 } from "./layout.ts";

/** pg_lsn: a place in the write-ahead log, two hexadecimal halves. */
export const lsnCodec: Codec = {
  encode(text) {
    const [, high, low] = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text) ?? [];
    if (high === undefined || low === undefined) throw badText("pg_lsn", text);
    const bytes = new Uint8Array(8);
    setInt32(bytes, 0, Number.parseInt(high, 16));
    setInt32(bytes, 4, Number.parseInt(low, 16));
    return bytes;
  },
  decode(bytes) {
    checkSize("pg_lsn", bytes, 8);
    const half = (at: number): string => (getInt32(bytes, at) >>> 0).toString(16).toUpperCase();
    return `${half(0)}/${half(4)}`;
  },
};

/** tid: a block and a place in it. */
export const tidCodec: Codec = {
  encode(text) {
    const [, block, offset] = /^\((\d+),(\d+)\)$/.exec(text) ?? [];
    if (Number(block) > 0xffff_ffff || Number(offset) > 0xffff || block === undefined) {
      throw badText("tid", text);
    }
    const bytes = new Uint8Array(6);
    setInt32(bytes, 0, Number(block));
    setInt16(bytes, 4, Number(offset));
    return bytes;
  },
  decode(bytes) {
    checkSize("tid", bytes, 6);
    return `(${getInt32(bytes, 0) >>> 0},${getInt16(bytes, 4) & 0xffff})`;
  },
};

/** pg_snapshot: the first transaction that runs, the first to come, and those that run between them. */
export const snapshotCodec: Codec = {
  encode(text) {
    const match = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text);
    if (!match) throw badText("pg_snapshot", text);
    const [, from = "", to = "", list = ""] = match;
    // Each is named once.
    const running = list === "" ? [] : list.split(",").map(BigInt);
    const [first, end] = [BigInt(from), BigInt(to)];
    const unique = running.filter((id, at) => at === 0 || id !== running[at - 1]);
    if (!isSnapshot(first, end, running)) throw badText("pg_snapshot", text);
    const bytes = new Uint8Array(20 + unique.length * 8);
    setInt32(bytes, 0, unique.length);
    for (const [at, id] of [first, end, ...unique].entries()) setBigInt64(bytes, 4 + at * 8, id);
    return bytes;
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const count = reader.int32();
    if (count < 0 || count > maxRunning) throw badBinary("invalid external pg_snapshot data");
    const ids = reader.bytes(16 + count * 8);
    if (reader.remaining > 0) throw trailing("pg_snapshot");
    const id = (at: number): bigint => BigInt.asUintN(64, getBigInt64(ids, at * 8));
    const running: bigint[] = [];
    for (let at = 0; at < count; at++) running.push(id(at + 2));
    if (!isSnapshot(id(0), id(1), running)) throw badBinary("invalid external pg_snapshot data");
    const unique = running.filter((value, at) => at === 0 || value !== running[at - 1]);
    return `${id(0)}:${id(1)}:${unique.join(",")}`;
  },
};

/** What PostgreSQL has memory for. */
const maxRunning = 0x7fffffc;

function isSnapshot(first: bigint, end: bigint, running: readonly bigint[]): boolean {
  if (first < 1n || end < first || end >= 1n << 64n) return false;
  return running.every(
    (id, at) => id >= first && id < end && (at === 0 || id >= (running[at - 1] as bigint)),
  );
}
