// Two changes to a WebAssembly module before it is compiled, made in its binary form
// (https://webassembly.github.io/spec/core/binary/modules.html). Both leave a module alone that is not what they expect.

/** Pages of 64 KiB. The import of a shared memory has to state a maximum; this is what PGlite gives its own (2 GiB). */
export const maximumPages = 32_768;

const section = { type: 1, import: 2, export: 7, code: 10 } as const;
const kind = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;
/** Bits of a memory's limits. */
const limit = { hasMaximum: 1, shared: 2 } as const;
const headerLength = 8;
const functionForm = 0x60;
const valueType = { f64: 0x7c, i32: 0x7f } as const;
const opcode = { call: 0x10, drop: 0x1a, i32Const: 0x41, f64Const: 0x44 } as const;

function leb128(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

class ModuleReader {
  at: number;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number = headerLength) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError("the WebAssembly module is cut short");
    return value;
  }

  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** A vector of bytes: names, and lists of simple value types. */
  vector(): Uint8Array {
    const length = this.number();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  name(): string {
    return new TextDecoder().decode(this.vector());
  }

  skipLimits(): void {
    const flags = this.byte();
    this.number();
    if (flags & limit.hasMaximum) this.number();
  }
}

interface Section {
  /** Where its size is written. */
  sizeAt: number;
  bodyAt: number;
  end: number;
}

/** Sections by id. Those that may occur more than once (custom ones, 0) are not told apart. */
function sectionsOf(bytes: Uint8Array): Map<number, Section> {
  const sections = new Map<number, Section>();
  for (const reader = new ModuleReader(bytes); reader.at < bytes.length; ) {
    const id = reader.byte();
    const sizeAt = reader.at;
    const size = reader.number();
    sections.set(id, { sizeAt, bodyAt: reader.at, end: reader.at + size });
    reader.at += size;
  }
  return sections;
}

interface Import {
  module: string;
  name: string;
  kind: number;
  /** Of a function: its type. */
  type: number;
  /** Where its description begins and ends, after the kind. */
  at: number;
  end: number;
}

function importsOf(bytes: Uint8Array, { bodyAt }: Section): Import[] {
  const reader = new ModuleReader(bytes, bodyAt);
  return Array.from({ length: reader.number() }, () => {
    const module = reader.name();
    const name = reader.name();
    const imported = { module, name, kind: reader.byte(), type: -1, at: reader.at, end: 0 };
    if (imported.kind === kind.function) imported.type = reader.number();
    else if (imported.kind === kind.table) {
      reader.byte();
      reader.skipLimits();
    } else if (imported.kind === kind.memory) reader.skipLimits();
    else if (imported.kind === kind.global || imported.kind === kind.tag) {
      reader.byte();
      reader.number();
    } else throw new RangeError(`the WebAssembly module imports something unknown (${imported.kind})`);
    imported.end = reader.at;
    return imported;
  });
}

/** Replaces a part of a section, and its size. */
function splice(bytes: Uint8Array, of: Section, at: number, end: number, inserted: number[]): Uint8Array {
  const parts = [
    bytes.subarray(0, of.sizeAt),
    leb128(of.end - of.bodyAt - (end - at) + inserted.length),
    bytes.subarray(of.bodyAt, at),
    inserted,
    bytes.subarray(end),
  ];
  const changed = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let length = 0;
  for (const part of parts) {
    changed.set(part, length);
    length += part.length;
  }
  return changed;
}

/** Declares the memory that the module imports a shared one. */
export function shareImportedMemory(bytes: Uint8Array): Uint8Array {
  const imports = sectionsOf(bytes).get(section.import);
  const memory = imports && importsOf(bytes, imports).find((imported) => imported.kind === kind.memory);
  if (imports === undefined || memory === undefined) return bytes;
  const reader = new ModuleReader(bytes, memory.at);
  const flags = reader.byte();
  if (flags & limit.shared) return bytes;
  const minimum = reader.number();
  const maximum = flags & limit.hasMaximum ? reader.number() : maximumPages;
  const limits = [limit.hasMaximum | limit.shared, ...leb128(minimum), ...leb128(maximum)];
  return splice(bytes, imports, memory.at, memory.end, limits);
}

/**
 * Has an exported function call an imported one, `(i32, f64) -> i32`, before it does anything else: with `marker`,
 * a number below 64, and zero; what that returns is ignored.
 */
export function callOnEntry(
  bytes: Uint8Array,
  exported: string,
  imported: { module: string; name: string },
  marker: number,
): Uint8Array {
  const sections = sectionsOf(bytes);
  const [types, imports, exports, code] = [section.type, section.import, section.export, section.code].map(
    (id) => sections.get(id),
  );
  if (!types || !imports || !exports || !code) return bytes;
  const functions = importsOf(bytes, imports).filter((each) => each.kind === kind.function);
  const callee = functions.findIndex(
    ({ module, name }) => module === imported.module && name === imported.name,
  );
  const caller = exportedFunction(bytes, exports, exported);
  if (callee < 0 || caller === undefined || caller < functions.length) return bytes;
  if (!takesNumbers(bytes, types, functions[callee]?.type ?? -1)) return bytes;

  const reader = new ModuleReader(bytes, code.bodyAt);
  reader.number();
  for (let index = functions.length; index < caller; index++) reader.vector();
  const sizeAt = reader.at;
  const size = reader.number();
  const bodyAt = reader.at;
  for (let locals = reader.number(); locals > 0; locals--) {
    reader.number();
    reader.byte();
  }
  const call = [
    opcode.i32Const,
    marker,
    opcode.f64Const,
    ...new Array<number>(8).fill(0),
    opcode.call,
    ...leb128(callee),
    opcode.drop,
  ];
  const body = [...leb128(size + call.length), ...bytes.subarray(bodyAt, reader.at), ...call];
  return splice(bytes, code, sizeAt, reader.at, body);
}

function exportedFunction(bytes: Uint8Array, { bodyAt }: Section, name: string): number | undefined {
  const reader = new ModuleReader(bytes, bodyAt);
  for (let exports = reader.number(); exports > 0; exports--) {
    const isIt = reader.name() === name;
    const exportedKind = reader.byte();
    const index = reader.number();
    if (isIt) return exportedKind === kind.function ? index : undefined;
  }
  return undefined;
}

function takesNumbers(bytes: Uint8Array, { bodyAt }: Section, type: number): boolean {
  const reader = new ModuleReader(bytes, bodyAt);
  const count = reader.number();
  for (let index = 0; index < count; index++) {
    if (reader.byte() !== functionForm) return false; // the types of a newer kind of module
    const [parameters, results] = [reader.vector(), reader.vector()];
    if (index !== type) continue;
    return `${[...parameters]} ${[...results]}` === `${[valueType.i32, valueType.f64]} ${[valueType.i32]}`;
  }
  return false;
}
