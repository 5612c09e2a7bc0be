/** The public face of edgewire/types: type OIDs, and text to binary and back. */
export { decodeBinary, encodeBinary } from "./binary.ts";
export { oid, typeSize } from "./oid.ts";
