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
export * from "./upstreams/mod.ts";
export { fatal, PgError, sqlstate } from "./wire/mod.ts";
