// libpg-query has no types for the module that Emscripten made, which is the part that every runtime can load.
declare module "libpg-query/wasm/libpg-query.js" {
  import type { PgQueryModule } from "../../src/sql/mod.ts";

  const create: (options?: object) => Promise<PgQueryModule>;
  export default create;
}
