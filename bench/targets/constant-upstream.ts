// The least upstream: always the same row, without a wait.

import type { Description, RowsResult, Upstream } from "../../src/session/mod.ts";

const int4 = 23;
const columns = [{ name: "?column?", typeOid: int4 }];
const result: RowsResult = { type: "rows", columns, rows: [["1"]] };
const description: Description = { parameterTypes: [], columns };

export const constantUpstream: Upstream = {
  connect: () => ({ query: () => result, describe: () => description }),
};
