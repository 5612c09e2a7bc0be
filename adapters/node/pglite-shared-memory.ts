// Gives PGlite a memory that other threads can write to. PostgreSQL is cancelled by a signal whose handler sets two
// flags (src/backend/tcop/postgres.c, StatementCancelHandler); WebAssembly has no signals, but with a shared memory the
// main thread can set the flags itself while PostgreSQL computes. PGlite is built without it, and need not know: a
// module says in its import of `env.memory` whether that memory is shared, and nothing else in it depends on the answer
// as long as only one thread executes.
import { maximumPages, shareImportedMemory } from "./pglite-module.ts";

type ModuleSource = ArrayBuffer | ArrayBufferView;

interface Instance {
  exports: Record<string, unknown>;
}

/** What is used of the global `WebAssembly`, whose types Node's do not include. */
interface WebAssemblyApi {
  Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => object;
  Module: new (source: ModuleSource) => object;
  /** Of a module: the instance. Of bytes: both. */
  instantiate: (source: object, imports?: WebAssemblyImports) => Promise<Instance | { instance: Instance }>;
}

/** By the module that they are imported from, then by name. */
export type WebAssemblyImports = Record<string, Record<string, unknown>>;

export interface InstanceHooks {
  /** Called with each module's bytes before they are compiled. */
  rewrite(bytes: Uint8Array): Uint8Array;
  /**
   * Sees the imports of each instance that PGlite makes of a module of its own, and may replace functions among them.
   * What it returns is called with the instance's exports.
   */
  prepare(imports: WebAssemblyImports): (exports: Record<string, unknown>) => void;
}

function bytesOf(source: ModuleSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/**
 * Changes this thread's WebAssembly so that what is instantiated from now on shares its memory. To be called before
 * PGlite is imported, in a thread that does nothing else.
 */
export function shareWebAssemblyMemory(hooks: InstanceHooks): void {
  const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
  const { Memory, Module, instantiate } = api;
  const rewrite = (source: ModuleSource) => hooks.rewrite(shareImportedMemory(bytesOf(source)));

  api.Memory = new Proxy(Memory, {
    // Emscripten's self-tests make small memories too; those stay as they are.
    construct: (target, [descriptor]: ConstructorParameters<typeof Memory>) =>
      new target(descriptor.maximum === maximumPages ? { ...descriptor, shared: true } : descriptor),
  });
  api.Module = new Proxy(Module, {
    construct: (target, [source]: ConstructorParameters<typeof Module>) => new target(rewrite(source)),
  });
  api.instantiate = async (source, imports = {}) => {
    const instantiated = hooks.prepare(imports);
    const result = await instantiate(
      source instanceof Module ? source : rewrite(source as ModuleSource),
      imports,
    );
    instantiated(("instance" in result ? result.instance : result).exports);
    return result;
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
