// Micro-benchmark of the wire codec against pg-protocol, the codec inside node-postgres, on the work both can do.
// Run: node bench/codec.ts [part of a case's name]

import { createRequire } from "node:module";
import {
  backendLimits,
  constantFrames,
  decodeBackend,
  decodeFrontend,
  decodeText,
  encodeFrontend,
  type FieldDescription,
  Framer,
  Writer,
  writeCommandComplete,
  writeDataRow,
  writeRowDescription,
} from "../src/wire/mod.ts";

// pg-protocol's own types cover its entry point only; these are the two inner classes used here.
interface PeerWriter {
  addInt16(value: number): PeerWriter;
  addInt32(value: number): PeerWriter;
  addCString(text: string): PeerWriter;
  addInt32PrefixedString(text: string): PeerWriter;
  flush(code?: number): Uint8Array;
}
interface PeerParser {
  parse(bytes: Uint8Array, message: (message: unknown) => void): void;
}
interface Serialize {
  bind(options: { portal: string; statement: string; values: (string | Uint8Array | null)[] }): Uint8Array;
  parse(options: { name: string; text: string; types: number[] }): Uint8Array;
  query(text: string): Uint8Array;
}
const require = createRequire(import.meta.url);
const peer = {
  Writer: require("pg-protocol/dist/buffer-writer.js").Writer as new (size?: number) => PeerWriter,
  Parser: require("pg-protocol/dist/parser.js").Parser as new () => PeerParser,
  serialize: require("pg-protocol").serialize as Serialize,
};

interface Case {
  name: string;
  /** Operations in one call. */
  ops: number;
  ours: () => unknown;
  peer?: () => unknown;
}

const shortRow = ["1", "42", "alice", "2026-11-22", "t", "3.14159"];
const longRow = ["x".repeat(200), "y".repeat(1000), "7"];
const utf8Row = ["Grüße aus Köln", "naïve café, déjà vu", "東京都千代田区"];
const nullRow = [null, "1", null, "2", null, "3"];
const binaryRow = [new Uint8Array(4), new Uint8Array(8), new Uint8Array(16)];

const fields: FieldDescription[] = ["id", "name", "created_at", "balance", "is_active", "note"].map(
  (name, index) => ({
    name,
    tableOid: 16384,
    columnAttribute: index + 1,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: 0,
  }),
);

/** Rows of one batch: as many messages as leave in one write. */
const batch = 50;

function encodeRows(row: readonly (string | Uint8Array | null)[]): () => unknown {
  const writer = new Writer();
  return () => {
    for (let i = 0; i < batch; i++) writeDataRow(writer, row);
    return writer.take();
  };
}

function peerEncodeRows(row: readonly (string | null)[]): () => unknown {
  const writer = new peer.Writer();
  return () => {
    let last: unknown;
    for (let i = 0; i < batch; i++) {
      writer.addInt16(row.length);
      for (const cell of row) {
        if (cell === null) writer.addInt32(-1);
        else writer.addInt32PrefixedString(cell);
      }
      last = writer.flush(0x44);
    }
    return last;
  };
}

function peerRowDescription(): () => unknown {
  const writer = new peer.Writer();
  return () => {
    writer.addInt16(fields.length);
    for (const field of fields) {
      writer.addCString(field.name).addInt32(field.tableOid).addInt16(field.columnAttribute);
      writer.addInt32(field.typeOid).addInt16(field.typeSize).addInt32(field.typeModifier);
      writer.addInt16(field.format);
    }
    return writer.flush(0x54);
  };
}

/** One result of 50 rows as the server sends it. */
function resultBytes(row: readonly (string | null)[]): Uint8Array {
  const writer = new Writer();
  writeRowDescription(writer, fields.slice(0, row.length));
  for (let i = 0; i < batch; i++) writeDataRow(writer, row);
  writeCommandComplete(writer, `SELECT ${batch}`);
  writer.raw(constantFrames.readyForQueryIdle);
  return writer.take();
}

function decodeResult(bytes: Uint8Array, texts: boolean): () => unknown {
  const framer = new Framer({ limits: backendLimits() });
  return () => {
    let seen: unknown;
    framer.push(bytes);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      const message = decodeBackend(frame.code, frame.body);
      seen = message;
      if (!texts || message.type !== "DataRow") continue;
      seen = message.values.map((value) => (value === null ? null : decodeText(value)));
    }
    return seen;
  };
}

function peerDecodeResult(bytes: Uint8Array): () => unknown {
  const parser = new peer.Parser();
  const buffer = Buffer.from(bytes);
  return () => {
    let seen: unknown;
    parser.parse(buffer, (message) => {
      seen = message;
    });
    return seen;
  };
}

const query = "SELECT id, name FROM users WHERE id = $1 AND name = $2";
const values = ["42", "alice", null];

/** Parse, Bind, Describe, Execute, Sync: what a driver sends for one parameterised query. */
function pipeline(writer: Writer): Uint8Array {
  encodeFrontend(writer, { type: "Parse", statement: "", query, parameterTypes: [23, 25] });
  encodeFrontend(writer, {
    type: "Bind",
    portal: "",
    statement: "",
    parameterFormats: [],
    parameters: values,
    resultFormats: [],
  });
  encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
  encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
  writer.raw(constantFrames.sync);
  return writer.take();
}

function decodePipeline(chunkSize: number): () => unknown {
  const bytes = pipeline(new Writer());
  const framer = new Framer();
  return () => {
    let seen: unknown;
    for (let at = 0; at < bytes.length; at += chunkSize) {
      framer.push(bytes.subarray(at, at + chunkSize));
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        seen = decodeFrontend(frame.code, frame.body);
      }
    }
    return seen;
  };
}

function encodeBind(): () => unknown {
  const writer = new Writer();
  return () => {
    encodeFrontend(writer, {
      type: "Bind",
      portal: "",
      statement: "s1",
      parameterFormats: [],
      parameters: values,
      resultFormats: [],
    });
    return writer.take();
  };
}

const writer = new Writer();
const cases: Case[] = [
  {
    name: "encode DataRow, 6 short ASCII cells",
    ops: batch,
    ours: encodeRows(shortRow),
    peer: peerEncodeRows(shortRow),
  },
  {
    name: "encode DataRow, 200 + 1000 characters",
    ops: batch,
    ours: encodeRows(longRow),
    peer: peerEncodeRows(longRow),
  },
  {
    name: "encode DataRow, 3 UTF-8 cells",
    ops: batch,
    ours: encodeRows(utf8Row),
    peer: peerEncodeRows(utf8Row),
  },
  {
    name: "encode DataRow, half NULL",
    ops: batch,
    ours: encodeRows(nullRow),
    peer: peerEncodeRows(nullRow),
  },
  { name: "encode DataRow, 3 binary cells", ops: batch, ours: encodeRows(binaryRow) },
  {
    name: "encode RowDescription, 6 fields",
    ops: 1,
    ours: () => {
      writeRowDescription(writer, fields);
      return writer.take();
    },
    peer: peerRowDescription(),
  },
  {
    name: "encode Bind, 3 parameters",
    ops: 1,
    ours: encodeBind(),
    peer: () => peer.serialize.bind({ portal: "", statement: "s1", values }),
  },
  {
    name: "encode Query",
    ops: 1,
    ours: () => {
      encodeFrontend(writer, { type: "Query", query });
      return writer.take();
    },
    peer: () => peer.serialize.query(query),
  },
  {
    name: "frame + decode DataRow, cells as views",
    ops: batch,
    ours: decodeResult(resultBytes(shortRow), false),
  },
  {
    name: "frame + decode DataRow, cells as strings",
    ops: batch,
    ours: decodeResult(resultBytes(shortRow), true),
    peer: peerDecodeResult(resultBytes(shortRow)),
  },
  {
    name: "frame + decode DataRow, long cells as strings",
    ops: batch,
    ours: decodeResult(resultBytes(longRow), true),
    peer: peerDecodeResult(resultBytes(longRow)),
  },
  { name: "frame + decode Parse..Sync, one chunk", ops: 5, ours: decodePipeline(4096) },
  { name: "frame + decode Parse..Sync, 16-byte chunks", ops: 5, ours: decodePipeline(16) },
];

/** Nanoseconds of this thread's CPU where the runtime tells (other programs then disturb less), else of the clock. */
function clock(): number {
  const usage = process.threadCpuUsage?.();
  return usage === undefined ? performance.now() * 1e6 : (usage.user + usage.system) * 1e3;
}

/** Adds up time and operations over many short rounds: the clock of some systems ticks in milliseconds. */
class Measurement {
  #time = 0;
  #operations = 0;
  #calls = 1;
  readonly #run: () => unknown;
  readonly #ops: number;

  constructor(run: () => unknown, ops: number) {
    this.#run = run;
    this.#ops = ops;
    // Warm up, and find how many calls take about five milliseconds.
    for (let elapsed = 0; elapsed < 5; ) {
      this.#calls *= 2;
      const started = performance.now();
      for (let i = 0; i < this.#calls; i++) sink = run();
      elapsed = performance.now() - started;
    }
  }

  round(): void {
    const run = this.#run;
    const started = clock();
    for (let i = 0; i < this.#calls; i++) sink = run();
    this.#time += clock() - started;
    this.#operations += this.#calls * this.#ops;
  }

  get nanoseconds(): number {
    return this.#time / this.#operations;
  }
}

let sink: unknown;
const filter = process.argv[2] ?? "";
const rounds = 50;

console.log(`Node ${process.version}, ${rounds} rounds in turn; a ratio above 1: faster than pg-protocol\n`);
console.log("case".padEnd(48), "edgewire ns".padStart(12), "pg-protocol".padStart(12), "ratio".padStart(7));
for (const entry of cases.filter((one) => one.name.includes(filter))) {
  const ours = new Measurement(entry.ours, entry.ops);
  const theirs = entry.peer === undefined ? undefined : new Measurement(entry.peer, entry.ops);
  // In turn, so that a noisy moment hits both.
  for (let round = 0; round < rounds; round++) {
    ours.round();
    theirs?.round();
  }
  console.log(
    entry.name.padEnd(48),
    ours.nanoseconds.toFixed(0).padStart(12),
    (theirs?.nanoseconds.toFixed(0) ?? "-").padStart(12),
    (theirs === undefined ? "-" : (theirs.nanoseconds / ours.nanoseconds).toFixed(2)).padStart(7),
  );
}
if (sink === undefined) throw new Error("nothing was measured");
