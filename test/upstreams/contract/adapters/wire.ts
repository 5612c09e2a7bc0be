/** A PostgreSQL server behind its own protocol: edgewire's other half before the embedded one. */
import { openEmbedded } from "../../../../adapters/node/embedded.ts";
import type { ByteStream } from "../../../../src/client/mod.ts";
import { wireUpstream } from "../../../../src/upstreams/mod.ts";
import { type Adapter, all, type Started } from "../contract.ts";
import { contractServer } from "../server.ts";

interface Wire extends Started {
  /** Cuts every connection, and refuses others until what it returns is called. */
  cut(): () => void;
}

export const wire: Adapter<Wire> = {
  name: "postgres",
  has: all(),
  faults: [{ name: "down", code: "08006", ends: true, cause: (service) => service.cut() }],
  async start() {
    const embedded = await openEmbedded("pglite:");
    const behind = contractServer(embedded);
    const open = new Set<ByteStream>();
    let down = false;
    const upstream = wireUpstream({
      client: { user: "postgres", database: "main", sslMode: "disable" },
      async open() {
        if (down) throw new Error("connect ECONNREFUSED");
        const stream = await behind.open();
        open.add(stream);
        return stream;
      },
      size: 4,
    });
    return {
      upstream,
      cut() {
        down = true;
        for (const stream of open) stream.destroy();
        open.clear();
        return () => {
          down = false;
        };
      },
      async close() {
        await upstream.close?.();
        await behind.closed();
        await embedded.close?.();
      },
    };
  },
};
