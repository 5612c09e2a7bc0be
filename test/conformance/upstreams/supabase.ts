/** Supabase's upstream before the real postgres-meta. */
import pg from "pg";
import { openEmbedded } from "../../../adapters/node/embedded.ts";
import { loadParser } from "../../../adapters/node/parser.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { supabaseUpstream } from "../../../src/upstreams/supabase/mod.ts";
import { startPostgresMeta } from "../../upstreams/supabase/postgres-meta/server.ts";
import { noNotices, noOrigins, nothingBeforeErrors } from "./everywhere.ts";
import type { TestedUpstream } from "./tested-upstream.ts";

export const supabase: TestedUpstream = {
  name: "supabase",
  variants: ["settings", "statement"],
  everywhere: [
    noOrigins("the API tells no columns' tables, and no modifiers"),
    noNotices("the API has no notices"),
    nothingBeforeErrors("an error comes alone, without the description and the rows before it"),
  ],
  differences: [
    {
      because: "a transaction over several requests is refused, so that there is none",
      sign: /^\+ .* C "0A000" M "a transaction over several requests/,
    },
    {
      because: "statements that are one transaction are refused where they come one by one",
      sign: /^\+ .* C "0A000" M "statements that are to be one transaction/,
    },
    { because: "PREPARE and EXECUTE in SQL are refused", sign: /^\+ .* C "0A000" M "PREPARE and EXECUTE/ },
    { because: "advisory locks of the session are refused", sign: /^\+ .* C "0A000" M "advisory locks/ },
    { because: "SET ROLE is refused", sign: /^\+ .* C "0A000" M "roles are not supported/ },
    { because: "FunctionCall is refused", sign: /^\+ .* C "0A000" M "the function call protocol/ },
    {
      because: "the session writes dates as ISO, in UTF-8",
      sign: /^\+ .* C "0A000" M "(DateStyle|conversion)/,
    },
    {
      because:
        "an error comes alone, without the results of the statements before it in its text or pipeline",
      of: {
        "simple-query": [
          "an error rolls back what came before it in the same message",
          "an error ends the message, the next message runs",
          "a table created in a message that fails is gone",
          "a deferred constraint fails at the end, in place of the last CommandComplete",
          "statements that cannot be in a transaction",
        ],
        pipelines: [
          "an error rolls back what the pipeline did before it",
          "an error between BEGIN and COMMIT: both are skipped to Sync",
          "a deferred constraint fails at Sync",
        ],
        errors: ["unique, foreign key, not null, check, exclusion and domain violations", "hints"],
      },
    },
    {
      because: "so it does, and of several statements only one in the first has its position",
      of: {
        "simple-query": [
          "an unknown column in the second statement: the first one has run",
          "the position in the second statement counts from the start of the message",
        ],
      },
    },
    { because: "cursors are refused", of: { portals: ["a cursor outside a transaction"] } },
    {
      because: "the error of a Bind comes behind the description that the client asked for before",
      of: { statements: ["more parameter types than parameters"] },
    },
    {
      because: "a portal's statement runs as a whole, so that an error in it comes before its first rows",
      of: { portals: ["an error in the middle of a suspended portal"] },
    },
    {
      because: "what a COPY brings is one INSERT, when all of it is there",
      of: { copy: ["bad data then CopyFail"] },
    },
    {
      because: "pg_notify() is the database's, which the gateway's listeners do not hear",
      of: {
        notices: [
          "pg_notify and pg_listening_channels",
          "NOTIFY through the extended protocol comes before ReadyForQuery",
        ],
      },
    },
  ],
  async start() {
    const database = await serve({ upstream: await openEmbedded("pglite:") });
    const meta = await startPostgresMeta(database);
    const admin = new pg.Client({
      host: "127.0.0.1",
      port: database.port,
      user: "postgres",
      database: "postgres",
    });
    await admin.connect();
    const upstream = supabaseUpstream({ endpoint: `${meta.url}/query`, parser: loadParser });
    return {
      upstream,
      admin: (sql) => admin.query(sql),
      async close() {
        await upstream.close?.();
        await admin.end();
        await meta.close();
        await database.close(1_000);
      },
    };
  },
};
