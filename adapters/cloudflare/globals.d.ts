/// <reference types="@cloudflare/workers-types" />

/**
 * Where the types of Cloudflare Workers say less than what is true of Workers, Node and Deno alike (src/globals.d.ts), and
 * src/ relies on it.
 */

interface TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare function clearTimeout(timer: number | undefined): void;

/** Emscripten's module has no types. */
declare module "libpg-query/wasm/libpg-query.js" {
  import type { PgQueryModule } from "../../src/sql/mod.ts";

  const create: (options?: object) => Promise<PgQueryModule>;
  export default create;
}

/** Compiled: so wrangler, and other bundlers for Workers, take an import of WebAssembly. */
declare module "*.wasm" {
  const code: WebAssembly.Module;
  export default code;
}
