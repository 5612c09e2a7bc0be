/** Every upstream that the transcripts are played over, but for those of `npm test`: wire, and the embedded database. */
import { neon, neonTunnel } from "./neon.ts";
import { rdsData } from "./rds-data.ts";
import { supabase } from "./supabase.ts";
import type { TestedUpstream } from "./tested-upstream.ts";

export const tested: readonly TestedUpstream[] = [neon, neonTunnel, rdsData, supabase];
