/**
 * Records what clients see otherwise than over PostgreSQL: `npx node test/upstreams/contract/record.ts [upstream]…`.
 */
import { openEmbedded } from "../../../adapters/node/embedded.ts";
import { lineDifference } from "../../lines/line-difference.ts";
import { type Recorded, saveRecorded } from "../../lines/recorded.ts";
import { adapters } from "./adapters/all.ts";
import { cases } from "./cases/all.ts";
import { capabilities } from "./contract.ts";
import { observe } from "./observe.ts";
import { contractServer } from "./server.ts";

const wanted = process.argv.slice(2);
const embedded = await openEmbedded("pglite:");
const oracle = contractServer(embedded);
for (const adapter of adapters) {
  if (wanted.length > 0 && !wanted.includes(adapter.name)) continue;
  const service = await adapter.start();
  const server = contractServer(service.upstream);
  const recorded: Recorded = new Map();
  for (const capability of capabilities) {
    for (const one of cases[capability] ?? []) {
      const right = await observe(oracle, one);
      const began = performance.now();
      const difference = lineDifference(right, await observe(server, one));
      const took = Math.round(performance.now() - began);
      if (took > 2_000) console.log(`${adapter.name}: ${capability}: ${one.name}: ${took} ms`);
      if (difference.length > 0) recorded.set(`${capability}: ${one.name}`, difference);
    }
  }
  saveRecorded(new URL(`answers/${adapter.name}.txt`, import.meta.url), recorded);
  console.log(`${adapter.name}: ${recorded.size} cases otherwise`);
  await service.close();
}
await embedded.close?.();
