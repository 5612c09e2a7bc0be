/** Upstreams: what serves a session's queries. */
export * from "./neon/mod.ts";
export * from "./rds-data/mod.ts";
export { type ProtocolBackend, type SharedOptions, sharedUpstream } from "./shared/upstream.ts";
export * from "./supabase/mod.ts";
export { type PoolOptions, type WireOptions, wireUpstream } from "./wire/upstream.ts";
