// The constant upstream in workerd, by wrangler's harness. The process that counts is workerd's.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { startWorker } from "../../test/adapters/cloudflare/wrangler-dev.ts";
import { announce, endWhenTold } from "./announce.ts";

let stop: (() => Promise<void>) | undefined;
endWhenTold(() => stop?.());
const worker = await startWorker({
  vars: {
    // Never opened: the Worker answers everything by itself.
    EDGEWIRE_DATABASES: "postgres=postgres://nobody@127.0.0.1:1/none",
    EDGEWIRE_AUTH: "trust",
    EDGEWIRE_SUSPEND_AFTER: "1",
  },
  config: (toml) => toml.replace("adapters/cloudflare/worker.ts", "bench/targets/worker.ts"),
});
stop = () => worker.stop();
// SIGUSR2: the objects whose sessions are suspended leave the memory at once, as they would do after ten idle seconds.
const evicted = new Set<string>();
process.on("SIGUSR2", async () => {
  const objects = worker.harness.getWorker();
  for (const id of await objects.listDurableObjectIds("SessionObject")) {
    if (evicted.has(id)) continue;
    evicted.add(id);
    await objects.evictDurableObject("SessionObject", { id, webSockets: "hibernate" });
  }
});
const pid = listenerOf(worker.tcpPort);
announce({
  type: "ready",
  port: worker.tcpPort,
  http: Number(new URL(worker.url).port),
  ...(pid !== undefined && { pid }),
});

/**
 * Of wrangler's several processes the one that has the Worker: it listens itself for TCP, while HTTP comes by way of another.
 * From /proc; undefined where there is no such folder.
 */
function listenerOf(port: number): number | undefined {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const listening = "0A";
  try {
    // proc_net_tcp: slot, local and remote address, state, six more, and the inode.
    const sockets = readFileSync("/proc/net/tcp", "latin1")
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    const socket = sockets.find(([, local, , state]) => local === address && state === listening);
    const link = `socket:[${socket?.[9]}]`;
    const owner = readdirSync("/proc").find((name) => /^\d+$/.test(name) && linksOf(name).includes(link));
    return owner === undefined ? undefined : Number(owner);
  } catch {
    return undefined;
  }
}

function linksOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => linkOf(`${folder}/${name}`));
  } catch {
    // It is another user's, or has ended.
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
