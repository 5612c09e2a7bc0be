/** Supabase's Management API, and postgres-meta, as an upstream. */
export { type SupabaseOptions, supabaseUpstream } from "./upstream.ts";
export { type ParsedSupabaseUrl, parseSupabaseUrl } from "./url.ts";
