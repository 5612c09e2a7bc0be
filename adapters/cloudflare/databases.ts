// What Workers can serve, by URL scheme: `postgres://`, `postgres+wss://`, `hyperdrive:` for a binding, `neon://`,
// `rds-data://`, and `supabase://`.
import type { Openers } from "../../src/gateway/mod.ts";
import type { Env } from "./env.ts";
import { openNeon } from "./neon.ts";
import { openHyperdrive, openPostgres, openPostgresByWebSocket } from "./postgres.ts";
import { openRdsData } from "./rds-data.ts";
import { openSupabase } from "./supabase.ts";

export function openers(env: Env): Openers {
  return {
    postgres: openPostgres,
    postgresql: openPostgres,
    "postgres+ws": openPostgresByWebSocket,
    "postgres+wss": openPostgresByWebSocket,
    "postgresql+ws": openPostgresByWebSocket,
    "postgresql+wss": openPostgresByWebSocket,
    neon: openNeon,
    "neon+http": openNeon,
    hyperdrive: (url) => openHyperdrive(url, env),
    "rds-data": (url) => openRdsData(url, env),
    supabase: (url) => openSupabase(url, env),
    "supabase+http": (url) => openSupabase(url, env),
    "supabase+https": (url) => openSupabase(url, env),
  };
}
