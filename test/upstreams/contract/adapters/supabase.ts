/** Supabase's upstream before the real postgres-meta. */
import { openEmbedded } from "../../../../adapters/node/embedded.ts";
import { loadParser } from "../../../../adapters/node/parser.ts";
import { serve } from "../../../../adapters/node/serve.ts";
import { parseSupabaseUrl, supabaseUpstream } from "../../../../src/upstreams/supabase/mod.ts";
import { startPostgresMeta } from "../../supabase/postgres-meta/server.ts";
import { type Adapter, all } from "../contract.ts";
import { type Faulty, FaultyFetch, httpFaults } from "../faults.ts";

/** The hint where BEGIN comes alone. */
const atOnce = "Send the statements of a transaction at once, in one Query or one pipeline.";

export const supabase: Adapter<Faulty> = {
  name: "supabase",
  has: {
    ...all("HTTP"),
    "parameters of every type": { otherwise: "HTTP, no binary reg\\*" },
    "columns' tables and modifiers": { otherwise: "no" },
    notices: { otherwise: "no" },
    "several statements in one text": { otherwise: "HTTP, an error comes alone" },
    pipelines: { otherwise: "HTTP, an error comes alone" },
    "portals in steps": { refused: "0A000", hint: atOnce },
    "BEGIN … COMMIT": { otherwise: "in one text, else 0A000" },
    "SET TRANSACTION": { refused: "0A000", hint: atOnce },
    savepoints: { refused: "0A000", hint: atOnce },
    "SET, SHOW, RESET": { otherwise: "gateway, HTTP" },
    "settings of the StartupMessage": "gateway, HTTP",
    "set_config()": "gateway",
    "SET ROLE": { refused: "0A000", hint: undefined },
    "DISCARD ALL": { otherwise: "gateway" },
    "temporary tables": {
      refused: "0A000",
      hint: "Make a temporary table with ON COMMIT DROP, in one Query with what uses it.",
    },
    "temporary tables ON COMMIT DROP": { otherwise: "in one text, else 0A000" },
    "PREPARE, EXECUTE": {
      refused: "0A000",
      hint: "Use the client's own prepared statements, which the gateway keeps.",
    },
    cursors: { refused: "0A000", hint: atOnce },
    "cursors WITH HOLD": { refused: "0A000", hint: "Read the whole result, or pages of it." },
    "LISTEN, NOTIFY": { otherwise: "gateway" },
    "pg_notify()": { otherwise: "not heard" },
    "advisory locks of the session": {
      refused: "0A000",
      hint: "Use pg_advisory_xact_lock() in one Query with the rest.",
    },
    "advisory locks of the transaction": { otherwise: "in one text, else 0A000" },
    "currval(), lastval()": { refused: "0A000", hint: "Use INSERT … RETURNING." },
    "COPY FROM STDIN": { otherwise: "HTTP, in one request" },
    FunctionCall: { refused: "0A000", hint: "Call the function in a SELECT." },
    cancelling: { otherwise: "HTTP" },
    "rows as they come": { otherwise: "no" },
    "values of 12 MB": { otherwise: "out; in 54000" },
  },
  faults: httpFaults,
  refusesBegin: true,
  async start() {
    const database = await serve({ upstream: await openEmbedded("pglite:") });
    const meta = await startPostgresMeta(database);
    const faulty = new FaultyFetch();
    const upstream = supabaseUpstream({
      ...parseSupabaseUrl(meta.url.replace(/^http/, "supabase+http")),
      parser: loadParser,
      fetch: (url, init) => faulty.instead(() => fetch(url, init), init.signal),
    });
    return {
      upstream,
      faulty,
      async close() {
        await upstream.close?.();
        await meta.close();
        await database.close(500);
      },
    };
  },
};
