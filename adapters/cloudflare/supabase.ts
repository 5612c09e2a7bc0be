// `supabase://` as an upstream on Workers: Supabase's Management API, or a postgres-meta of one's own.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { parseSupabaseUrl, supabaseUpstream } from "../../src/upstreams/supabase/mod.ts";
import { configured } from "./connection-url.ts";
import type { Env } from "./env.ts";
import { loadParser } from "./parser.ts";

/**
 * Serves a project, `supabase://token@project-ref`, or a postgres-meta, `supabase+http://host:port`. A token that the URL
 * of a project does not have is the secret SUPABASE_ACCESS_TOKEN.
 * @throws ConfigError that says what is wrong with the URL, or missing
 */
export function openSupabase(url: string, env: Env): Upstream {
  const { token, ...options } = configured(() => parseSupabaseUrl(url));
  return supabaseUpstream({ ...options, token: token ?? tokenFor(url, env), parser: loadParser });
}

function tokenFor(url: string, { SUPABASE_ACCESS_TOKEN: token }: Env): string | undefined {
  if (!/^supabase:/i.test(url)) return undefined;
  if (!token) {
    throw new ConfigError(
      "Supabase's Management API needs a token: supabase://token@project-ref, or the secret SUPABASE_ACCESS_TOKEN",
    );
  }
  return token;
}
