// LISTEN and NOTIFY between the clients of a server, and notices to one of them.
//
//   node examples/notifications.ts
//   => listen news;              in one psql
//   => notify news, 'hello';     in another one
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { serve } from "../adapters/node/mod.ts";
import type { ClientContext, Upstream } from "../src/mod.ts";

const listeners = new Map<string, Set<ClientContext>>();

const upstream: Upstream = {
  connect(client) {
    client.notice(`${listeners.size} channels have listeners`);
    const unlisten = (channel?: string): void => {
      for (const name of channel === undefined ? [...listeners.keys()] : [channel]) {
        const clients = listeners.get(name);
        clients?.delete(client);
        if (clients?.size === 0) listeners.delete(name);
      }
    };
    return {
      query: () => ({ type: "command", tag: "NOTHING" }),
      listen(channel) {
        const clients = listeners.get(channel) ?? new Set();
        listeners.set(channel, clients.add(client));
      },
      unlisten,
      notify(channel, payload) {
        // The sender is told of by its process id, and hears of it, too, if it listens.
        for (const listener of listeners.get(channel) ?? [])
          listener.notify(channel, payload, client.processId);
      },
      close: unlisten,
    };
  },
};

const server = await serve({ port: Number(process.env.PORT ?? 5433), upstream });

console.log(`psql postgresql://me@${server.host}:${server.port}/any`);
