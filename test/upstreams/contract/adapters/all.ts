/** Every upstream, in the order of the table. */
import type { Adapter } from "../contract.ts";
import { pglite } from "./embedded.ts";
import { neon, neonTunnel } from "./neon.ts";
import { rdsData } from "./rds-data.ts";
import { supabase } from "./supabase.ts";
import { wire } from "./wire.ts";

export const adapters: readonly Adapter[] = [pglite, wire, neon, neonTunnel, rdsData, supabase];
