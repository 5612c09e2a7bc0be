/** AWS's RDS Data API as an upstream. */
export type { DataApiRequest, DataApiResponse, SignedFetch } from "./api.ts";
export { type RdsDataOptions, rdsDataUpstream } from "./upstream.ts";
export { type ParsedRdsDataUrl, parseRdsDataUrl } from "./url.ts";
