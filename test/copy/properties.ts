/** What holds for any data, held to PostgreSQL: run a little by `npm test`, and much by `npm run test:upstreams`. */
import fc from "fast-check";
import { expect } from "vitest";
import type { CopyOracle } from "./oracle.ts";
import * as ours from "./ours.ts";
import { cell, optionsFrom, optionsTo, stream } from "./random.ts";

export const setup = `
  create table t (a text, b text default 'db', c text default 'dc');
  create table n (a int, b text);`;

const columns = ["a", "b", "c"];
export const table: ours.Table = {
  name: "t",
  columns: [{ name: "a" }, { name: "b", hasDefault: true }, { name: "c", hasDefault: true }],
  defaults: ["", "db", "dc"],
};

/** Bytes, cut anywhere: the same rows, or the same error. */
export async function holdsRead(oracle: CopyOracle, numRuns: number, seed = 7): Promise<void> {
  let read = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(stream, optionsFrom, async (data, options) => {
      const copy = `copy t from stdin ${options}`;
      const expected = await oracle.read(copy, data, "t");
      if (Array.isArray(expected)) read++;
      else refused++;
      expect(ours.read(copy, data, table)).toEqual(expected);
      expect(ours.read(copy, data, table, 1)).toEqual(expected);
      expect(ours.read(copy, data, table, 3)).toEqual(expected);
    }),
    { numRuns, seed, endOnFailure: false },
  );
  // A generator whose data is all refused, or never, would show nothing.
  expect(read).toBeGreaterThan(numRuns / 20);
  expect(refused).toBeGreaterThan(numRuns / 20);
}

/** Rows: the same chunks, and from these the same rows. */
export async function holdsWritten(oracle: CopyOracle, numRuns: number, seed = 7): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 4 }),
      optionsTo,
      async (rows, options) => {
        await oracle.db.query("truncate t");
        for (const row of rows) await oracle.db.query("insert into t values ($1, $2, $3)", [...row]);
        for (const [source, names] of [
          ["t", columns],
          ["(select a from t)", ["a"]],
        ] as const) {
          // A column that is not there is no matter of the format.
          if (names.length === 1 && options.includes("(b, c)")) continue;
          const copy = `copy ${source} to stdout ${options}`;
          const expected = await oracle.write(copy);
          const cells = rows.map((row) => row.slice(0, names.length));
          const encoded = ours.errorOf(() =>
            ours.write(copy, cells, names).map((text) => new TextEncoder().encode(text)),
          );
          expect(encoded).toEqual(expected);
        }
      },
    ),
    { numRuns, seed },
  );
}
