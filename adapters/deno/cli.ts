#!/usr/bin/env -S deno run --allow-net --allow-read --allow-write --allow-env --allow-sys
// The command line on Deno: the commands of Node's, on Deno's own sockets. Exit codes: 0 done, 1 failed, 2 the command was
// not understood.
//
// What `serve` needs the permissions for, at the least:
//   --allow-net=127.0.0.1:6432,127.0.0.1:8080   the addresses of --listen and --http, and the hosts of postgres:// databases
//   --allow-env                                 EDGEWIRE_… variables, PGUSER and PGPASSWORD; PGlite reads others
//   --allow-read                                PGlite's package, its folders and cache; certificates, --config
//   --allow-sys=homedir,uid                     where PGlite's cache is, and whose; userInfo for a postgres:// URL without
//                                               a user
//   --allow-write=./data                        only for PGlite's folders and cache, and for Unix sockets
import { runCli } from "../node/cli-main.ts";

await runCli({
  query: async (args) => {
    const { connectUrl } = await import("./connect-url.ts");
    return (await import("../node/cli-query.ts")).queryCommand(args, console, connectUrl);
  },
  tunnel: async (args) => (await import("../node/cli-tunnel.ts")).tunnelCommand(args),
  serve: async (args) => {
    const { serveRuntime } = await import("./serve-runtime.ts");
    const code = await (await import("../node/cli-serve.ts")).serveCommand(args, serveRuntime);
    // What Deno (2.9) would wait for: a WebSocket that it closes first, and that gets a message while it closes, leaves the
    // timer of its idleTimeout behind, of 30 seconds.
    Deno.exit(code);
  },
});
