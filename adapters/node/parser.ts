// PostgreSQL's parser, loaded when an upstream first needs it: on Deno, too.
import { createParser, type Parser } from "../../src/sql/mod.ts";

let loaded: Promise<Parser> | undefined;

/** The parser; all who ask share one. */
export function loadParser(): Promise<Parser> {
  loaded ??= import("libpg-query/wasm/libpg-query.js").then(async ({ default: create }) =>
    createParser(await create()),
  );
  return loaded;
}
