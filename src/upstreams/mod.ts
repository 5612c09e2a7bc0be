/** Upstreams: what serves a session's queries. */
export { type ProtocolBackend, type SharedOptions, sharedUpstream } from "./shared/upstream.ts";
export { type PoolOptions, type WireOptions, wireUpstream } from "./wire/upstream.ts";
