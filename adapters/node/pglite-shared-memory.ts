// Gives PGlite a memory that other threads can write to. PostgreSQL is cancelled by a signal whose handler sets two
// flags (src/backend/tcop/postgres.c, StatementCancelHandler); WebAssembly has no signals, but with a shared memory the
// main thread can set the flags itself while PostgreSQL computes. PGlite is built without it, and need not know: a
// module says in its import of `env.memory` whether that memory is shared, and nothing else in it depends on the answer
// as long as only one thread executes.

/** Pages of 64 KiB. An import of a shared memory has to state a maximum; this is what PGlite gives its own (2 GiB). */
const maximumPages = 32_768;

const importSection = 2;
const kind = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;
/** Bits of a memory's limits in the binary format. */
const limit = { hasMaximum: 1, shared: 2 } as const;
const headerLength = 8;

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
  at: number = headerLength;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
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

  skip(length: number): void {
    this.at += length;
  }

  skipLimits(): void {
    const flags = this.byte();
    this.number();
    if (flags & limit.hasMaximum) this.number();
  }

  /** Stands at the kind of an import; skips that kind's description. Memories are the caller's. */
  skipDescription(of: number): void {
    if (of === kind.function) this.number();
    else if (of === kind.table) {
      this.byte();
      this.skipLimits();
    } else if (of === kind.global) this.skip(2);
    else if (of === kind.tag) {
      this.byte();
      this.number();
    } else throw new RangeError(`the WebAssembly module imports something unknown (${of})`);
  }
}

/** The module with its imported memory declared shared; the same bytes when it imports none, or a shared one. */
export function shareImportedMemory(bytes: Uint8Array): Uint8Array {
  const reader = new ModuleReader(bytes);
  while (reader.at < bytes.length) {
    const sectionStart = reader.at;
    const id = reader.byte();
    const size = reader.number();
    const bodyStart = reader.at;
    const end = bodyStart + size;
    if (id !== importSection) {
      reader.at = end;
      continue;
    }
    for (let imports = reader.number(); imports > 0; imports--) {
      reader.skip(reader.number()); // the name of the module it comes from
      reader.skip(reader.number()); // its own name
      const imported = reader.byte();
      if (imported !== kind.memory) {
        reader.skipDescription(imported);
        continue;
      }
      const limitsStart = reader.at;
      const flags = reader.byte();
      if (flags & limit.shared) return bytes;
      const minimum = reader.number();
      const maximum = flags & limit.hasMaximum ? reader.number() : maximumPages;
      const limits = [limit.hasMaximum | limit.shared, ...leb128(minimum), ...leb128(maximum)];
      const newSize = limitsStart - bodyStart + limits.length + (end - reader.at);
      const parts = [
        bytes.subarray(0, sectionStart + 1),
        leb128(newSize),
        bytes.subarray(bodyStart, limitsStart),
        limits,
        bytes.subarray(reader.at),
      ];
      const shared = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        shared.set(part, at);
        at += part.length;
      }
      return shared;
    }
    return bytes;
  }
  return bytes;
}

function bytesOf(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/** What is used of the global `WebAssembly`, whose types Node's do not include. */
interface WebAssemblyApi {
  Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => object;
  Module: new (source: ArrayBuffer | ArrayBufferView) => object;
  instantiate: (source: object, imports?: WebAssemblyImports) => Promise<object>;
}

/** By the module that they are imported from, then by name. */
export type WebAssemblyImports = Record<string, Record<string, unknown>>;

/**
 * Changes this thread's WebAssembly so that what is instantiated from now on shares its memory. To be called before
 * PGlite is imported, in a thread that does nothing else. `prepare` sees the imports of each instance and may replace
 * functions among them.
 */
export function shareWebAssemblyMemory(prepare: (imports: WebAssemblyImports) => void): void {
  const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
  const { Memory, Module, instantiate } = api;
  const share = (source: ArrayBuffer | ArrayBufferView) => shareImportedMemory(bytesOf(source));

  api.Memory = new Proxy(Memory, {
    // Emscripten's self-tests make small memories too; those stay as they are.
    construct: (target, [descriptor]: ConstructorParameters<typeof Memory>) =>
      new target(descriptor.maximum === maximumPages ? { ...descriptor, shared: true } : descriptor),
  });
  api.Module = new Proxy(Module, {
    construct: (target, [source]: ConstructorParameters<typeof Module>) => new target(share(source)),
  });
  api.instantiate = (source, imports = {}) => {
    prepare(imports);
    const module = source instanceof Module ? source : share(source as ArrayBuffer | ArrayBufferView);
    return instantiate(module, imports);
  };

  // The Web Crypto API refuses to fill shared memory.
  const { crypto } = globalThis;
  const fill = crypto.getRandomValues.bind(crypto);
  crypto.getRandomValues = ((view: ArrayBufferView) => {
    const own = fill(new Uint8Array(view.byteLength));
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(own);
    return view;
  }) as typeof crypto.getRandomValues;
}
