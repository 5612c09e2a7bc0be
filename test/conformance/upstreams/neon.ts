/** Neon's upstream before the double. */
import { type Connection, connect, openWebSocket, query } from "../../../src/client/mod.ts";
import { type NeonDouble, startDouble, user } from "../../upstreams/neon/double.ts";
import type { Started, TestedUpstream } from "./tested-upstream.ts";

export const neon: TestedUpstream = {
  name: "neon",
  variants: ["statement"],
  start: () => start("http"),
  differences: [
    {
      because: "text is UTF-8 over HTTP, and so it is through the tunnel",
      of: {
        startup: ["an unknown client_encoding"],
        settings: ["ParameterStatus of client_encoding", "values that are refused"],
      },
    },
    {
      because: "HTTP answers with an error alone, without the description and the rows before it",
      of: {
        "simple-query": ["an error after some rows"],
        settings: ["current_setting, and one that is missing"],
        errors: ["an error inside a function has a context", "errors at run time"],
      },
    },
    { because: "HTTP has no notices", sign: /^- NoticeResponse/ },
    {
      because: "rows come from the tunnel in batches, and notices before them",
      of: {
        notices: ["a notice of a portal that is run in steps"],
        errors: ["a lock that cannot be had"],
      },
    },
    {
      because: "the tunnel's portals are not the client's",
      of: {
        portals: ["pg_cursors lists cursors and portals", "a binary cursor answers binary to text requests"],
      },
    },
  ],
};

/** `fetch=tunnel`: the wire upstream over a WebSocket. */
export const neonTunnel: TestedUpstream = {
  name: "neon-tunnel",
  variants: ["relay"],
  start: () => start("tunnel"),
  differences: [],
};

async function start(mode: "http" | "tunnel"): Promise<Started> {
  const double: NeonDouble = await startDouble();
  const upstream = double.upstream({ mode });
  const { name, password } = user;
  const admin: Connection = await connect(await openWebSocket(`ws://127.0.0.1:${double.port}/v2`), {
    user: name,
    password,
    database: "main",
  });
  return {
    upstream,
    admin: (sql) => query(admin, sql),
    async close() {
      await upstream.close?.();
      admin.close();
      await double.close();
    },
  };
}
