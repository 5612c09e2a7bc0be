// The upstreams that are reached by a network, by URL scheme: `postgres://`, `postgres+wss://`, `neon://`, `rds-data://`,
// and `supabase://`. Nothing of PGlite is loaded for them, which not every place where Deno runs could.
import type { Openers, OpenUpstream } from "../../src/gateway/mod.ts";
import { openNeon } from "./neon.ts";
import { openPostgresByWebSocket } from "./postgres.ts";
import { openRdsData } from "./rds-data.ts";
import { openSupabase } from "./supabase.ts";

/** `openPostgres` is the runtime's own way to a server's address. */
export function remoteOpeners(openPostgres: OpenUpstream): Openers {
  return {
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
