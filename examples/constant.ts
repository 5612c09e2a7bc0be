// A server that answers everything with 42, whatever it was asked.
//
//   node examples/constant.ts
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { serve } from "../adapters/node/mod.ts";
import { oid } from "../src/mod.ts";

const columns = [{ name: "answer", typeOid: oid.int4 }];

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream: {
    query: () => ({ type: "rows", columns, rows: [["42"]] }),
    // What clients that prepare statements ask first.
    describe: ({ parameterTypes }) => ({ parameterTypes, columns }),
  },
});

console.log(`psql postgresql://me@${server.host}:${server.port}/any -c 'select everything'`);
