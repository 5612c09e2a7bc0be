/** Neon's proxy, and what speaks as it does, as an upstream. */
export type { Fetch, FetchInit, FetchResponse } from "../fetch.ts";
export { type NeonOptions, neonUpstream } from "./upstream.ts";
export { type ParsedNeonUrl, parseNeonUrl } from "./url.ts";
