// The upstreams that Node can serve, by URL scheme: `pglite:` in memory, `pglite:./folder`, `postgres://`,
// `postgres+wss://`, `neon://`, `rds-data://`, and `supabase://`.
import type { Openers, OpenUpstream } from "../../src/gateway/mod.ts";
import { openEmbedded } from "./embedded.ts";
import { openNeon } from "./neon.ts";
import { openPostgres, openPostgresByWebSocket } from "./postgres.ts";
import { openRdsData } from "./rds-data.ts";
import { openSupabase } from "./supabase.ts";

/** For a runtime that has a way of its own to a server's address. */
export function openersWith(openPostgres: OpenUpstream): Openers {
  return {
    pglite: openEmbedded,
    neon: openNeon,
    "neon+http": openNeon,
    postgres: openPostgres,
    postgresql: openPostgres,
    "postgres+ws": openPostgresByWebSocket,
    "postgres+wss": openPostgresByWebSocket,
    "postgresql+ws": openPostgresByWebSocket,
    "postgresql+wss": openPostgresByWebSocket,
    "rds-data": openRdsData,
    supabase: openSupabase,
    "supabase+http": openSupabase,
    "supabase+https": openSupabase,
  };
}

export const openers: Openers = openersWith(openPostgres);
