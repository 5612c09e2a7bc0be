#!/usr/bin/env node
// The command line on Node.
import { runCli } from "./cli-main.ts";

await runCli({
  query: async (args) => (await import("./cli-query.ts")).queryCommand(args),
  tunnel: async (args) => (await import("./cli-tunnel.ts")).tunnelCommand(args),
  serve: async (args) => {
    const { serveRuntime } = await import("./serve-runtime.ts");
    return (await import("./cli-serve.ts")).serveCommand(args, serveRuntime);
  },
});
