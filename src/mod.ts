/**
 * edgewire: the PostgreSQL wire protocol for every JavaScript runtime, server half and client half.
 *
 * @module
 */
export * from "./auth/mod.ts";
export * from "./client/mod.ts";
export * from "./session/mod.ts";
export { commandTag } from "./sql/mod.ts";
export { oid } from "./types/mod.ts";
// The data APIs' upstreams are edgewire/upstreams': whoever builds a server of one's own has no use for them.
export { type ProtocolBackend, type SharedOptions, sharedUpstream } from "./upstreams/shared/upstream.ts";
export { type PoolOptions, type WireOptions, wireUpstream } from "./upstreams/wire/upstream.ts";
export { fatal, PgError, sqlstate } from "./wire/mod.ts";
