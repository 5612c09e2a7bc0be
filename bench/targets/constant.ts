// What the protocol core and the Node adapter cost: a server over a function that always gives the same row.

import { listen } from "../../adapters/node/listen.ts";
import { trustAuthSource } from "../../src/auth/source.ts";
import type { Description, RowsResult, Upstream } from "../../src/session/mod.ts";
import { announce, endWhenTold } from "./announce.ts";

const int4 = 23;
const columns = [{ name: "?column?", typeOid: int4 }];
const result: RowsResult = { type: "rows", columns, rows: [["1"]] };
const description: Description = { parameterTypes: [], columns };

const constantUpstream: Upstream = {
  connect: () => ({ query: () => result, describe: () => description }),
};

endWhenTold();
const listener = await listen({ auth: trustAuthSource(), upstream: () => constantUpstream }, { port: 0 });
announce({ type: "ready", port: listener.port });
