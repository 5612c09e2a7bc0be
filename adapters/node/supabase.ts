// `supabase://` as an upstream: Supabase's Management API, or a postgres-meta of one's own. On Node and Deno.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { parseSupabaseUrl, supabaseUpstream } from "../../src/upstreams/supabase/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { loadParser } from "./parser.ts";

/**
 * Serves a project, `supabase://token@project-ref`, or a postgres-meta, `supabase+http://host:port`. A token that the URL
 * of a project does not have is that of the environment: SUPABASE_ACCESS_TOKEN.
 * @throws ConfigError that says what is wrong with the URL, or missing
 */
export function openSupabase(url: string): Upstream {
  try {
    const { token, ...options } = parseSupabaseUrl(url);
    return supabaseUpstream({ ...options, token: token ?? tokenFor(url), parser: loadParser });
  } catch (error) {
    if (error instanceof PgError) throw new ConfigError(error.message);
    throw error;
  }
}

function tokenFor(url: string): string | undefined {
  if (!/^supabase:/i.test(url)) return undefined;
  const token = process.env.SUPABASE_ACCESS_TOKEN;
  if (!token) {
    throw new ConfigError(
      "Supabase's Management API needs a token: supabase://token@project-ref, or SUPABASE_ACCESS_TOKEN in the environment",
    );
  }
  return token;
}
