// Modules by hand: https://webassembly.github.io/spec/core/binary/modules.html
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { callOnEntry, shareImportedMemory } from "../../../adapters/node/pglite-module.ts";
import { bytes, concat } from "../../wire/bytes.ts";

interface WebAssemblyApi {
  Module: (new (
    source: Uint8Array,
  ) => object) & {
    imports(module: object): { name: string; kind: string }[];
    exports(module: object): object[];
  };
  Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, () => number> };
}
const { Module, Memory, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

const header = bytes("00 'asm' 01000000");
/** A function type without parameters, so that there is something before the imports and after them. */
const typeSection = bytes("01 04 01 60 00 00");
const functionAndCode = bytes("03 02 01 00   0a 04 01 02 00 0b");

function importSection(...imports: Uint8Array[]): Uint8Array {
  const body = concat(Uint8Array.of(imports.length), ...imports);
  return concat(Uint8Array.of(2, body.length), body);
}

const importFunction = bytes("03 'env' 01 'f' 00 00");
const importTable = bytes("03 'env' 01 't' 01 70 01 01 02");
const importGlobal = bytes("03 'env' 01 'g' 03 7f 00");
const importMemory = (limits: string) => concat(bytes("03 'env' 06 'memory' 02"), bytes(limits));

const shared = new Memory({ initial: 2, maximum: 32_768, shared: true });

test.each([
  ["without a maximum", "00 01"],
  ["with a maximum", "01 01 808002"],
])("an imported memory %s becomes a shared one, whatever else is imported", (_name, limits) => {
  const sections = importSection(importFunction, importTable, importMemory(limits), importGlobal);
  const module = new Module(shareImportedMemory(concat(header, typeSection, sections, functionAndCode)));
  expect(Module.imports(module).map(({ name }) => name)).toEqual(["f", "t", "memory", "g"]);
});

test("it can then be given shared memory", () => {
  const original = concat(header, typeSection, importSection(importMemory("00 01")), functionAndCode);
  expect(() => new Instance(new Module(original), { env: { memory: shared } })).toThrow("shared");
  expect(new Instance(new Module(shareImportedMemory(original)), { env: { memory: shared } })).toBeDefined();
});

test("a module that imports no memory, or a shared one, stays as it is", () => {
  for (const sections of [
    importSection(importFunction),
    importSection(importMemory("03 01 808002")),
    new Uint8Array(0),
  ]) {
    const module = concat(header, typeSection, sections, functionAndCode);
    expect(shareImportedMemory(module)).toBe(module);
  }
});

describe("a call on entry", () => {
  const entry = { module: "env", name: "f" };
  const numbers = "60 02 7f 7c 01 7f";

  /** Exports `other`, which returns 1, and `g`, which has locals and returns what it calls `other` for, and 6. */
  function moduleOf(importedType: string, ...before: Uint8Array[]): Uint8Array {
    const types = bytes(`02 60 00 01 7f ${importedType}`);
    return concat(
      header,
      concat(Uint8Array.of(1, types.length), types),
      importSection(...before, bytes("03 'env' 01 'f' 00 01")),
      bytes("03 03 02 00 00   07 0d 02 05 'other' 00 01 01 'g' 00 02"),
      bytes("0a 12 02   04 00 41 01 0b   0b 02 02 7f 01 7e 10 01 41 06 6a 0b"),
    );
  }

  test("is made before all else, and changes nothing else", () => {
    const calls: unknown[] = [];
    const f = (...values: unknown[]) => {
      calls.push(values);
      return 5;
    };
    const module = new Module(callOnEntry(moduleOf(numbers), "g", entry, 63));
    const { other, g } = new Instance(module, { env: { f } }).exports;
    expect(other?.()).toBe(1);
    expect(calls).toEqual([]);
    expect(g?.()).toBe(7);
    expect(calls).toEqual([[63, 0]]);
  });

  test("is not made where something is not as expected", () => {
    const good = moduleOf(numbers);
    expect(callOnEntry(good, "h", entry, 63)).toBe(good);
    expect(callOnEntry(good, "g", { module: "env", name: "h" }, 63)).toBe(good);
    expect(callOnEntry(good, "g", { module: "other", name: "f" }, 63)).toBe(good);
    for (const other of ["60 02 7f 7d 01 7f", "60 02 7f 7c 00", "60 01 7f 01 7f"]) {
      const module = moduleOf(other);
      expect(callOnEntry(module, "g", entry, 63)).toBe(module);
    }
    expect(callOnEntry(header, "g", entry, 63)).toBe(header);
  });
});

test("PGlite's own module stays valid", () => {
  const folder = dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite"));
  const original = new Uint8Array(readFileSync(join(folder, "pglite.wasm")));
  const shared = shareImportedMemory(original);
  const timer = { module: "env", name: "_setitimer_js" };
  const changed = callOnEntry(shared, "ProcessInterrupts", timer, 63);
  expect(changed.length).toBeGreaterThan(shared.length);
  expect(Module.exports(new Module(changed)).length).toBeGreaterThan(1_000);
}, 120_000);
