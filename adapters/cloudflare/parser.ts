// PostgreSQL's parser on Workers, loaded when a database first needs it. Code cannot be made of bytes there, so the
// WebAssembly comes compiled, as a module of its own in the bundle, and is instantiated by hand.
import { createParser, type Parser } from "../../src/sql/mod.ts";

let loaded: Promise<Parser> | undefined;

/** The parser; all invocations of an isolate share one. No I/O is needed for it, so none has to wait for another's. */
export function loadParser(): Promise<Parser> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Parser> {
  const [{ default: create }, { default: code }] = await Promise.all([
    import("libpg-query/wasm/libpg-query.js"),
    import("libpg-query/wasm/libpg-query.wasm"),
  ]);
  return createParser(await named(() => create({ instantiateWasm: instantiate(code) })));
}

/** What Emscripten calls instead of fetching and compiling the code itself. */
function instantiate(code: WebAssembly.Module) {
  return (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void,
  ): WebAssembly.Exports => {
    const instance = new WebAssembly.Instance(code, imports);
    done(instance);
    return instance.exports;
  };
}

/**
 * Emscripten's module asks first of all, before it awaits anything, where its file is: by the names that CommonJS gives
 * (where there is a `process`, as nodejs_compat makes one), or else by `self.location`, which Workers do not have.
 */
function named<Value>(call: () => Value): Value {
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const name of names) {
    Object.defineProperty(globalThis, name, { value: "/libpg-query.js", configurable: true });
  }
  try {
    return call();
  } finally {
    for (const [name, property] of before) {
      if (property) Object.defineProperty(globalThis, name, property);
      else Reflect.deleteProperty(globalThis, name);
    }
  }
}

const names = ["__filename", "__dirname"] as const;
