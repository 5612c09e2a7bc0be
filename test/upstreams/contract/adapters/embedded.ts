/** The embedded PostgreSQL, which all clients share. */
import { openEmbedded } from "../../../../adapters/node/embedded.ts";
import type { Adapter } from "../contract.ts";
import { all } from "../contract.ts";

export const pglite: Adapter = {
  name: "pglite",
  has: all(),
  faults: [],
  faultless: "there is no service, it is in this process",
  async start() {
    const upstream = await openEmbedded("pglite:");
    return {
      upstream,
      async close() {
        await upstream.close?.();
      },
    };
  },
};
