/** The gateway on Node, in this process. */
import { serveRuntime } from "../../../adapters/node/serve-runtime.ts";
import { listenersOptions, startListeners, transportsOf } from "./listeners.ts";
import { tcp } from "./sockets.ts";
import type { ServedGateway } from "./transport.ts";

export async function startNodeGateway(): Promise<ServedGateway> {
  const options = await listenersOptions();
  const listeners = await startListeners(serveRuntime, options);
  return {
    asking: async () => `http://127.0.0.1:${listeners.asking}`,
    admin: tcp("admin", listeners.plain),
    transports: transportsOf(listeners, options.folder),
    async close() {
      await listeners.close();
      options.remove();
    },
  };
}
