// PostgreSQL's parser, loaded when an upstream first needs it: on Deno, too.
import { createParser, type Parser, type PgQueryModule } from "../../src/sql/mod.ts";

let loaded: Promise<Parser> | undefined;

/** The parser; all who ask share one. */
export function loadParser(): Promise<Parser> {
  loaded ??= import("libpg-query/wasm/libpg-query.js").then(async ({ default: create }) =>
    // Deno takes its type for an empty one.
    createParser((await create()) as PgQueryModule),
  );
  return loaded;
}
