/**
 * The public face of edgewire/types: PostgreSQL's types, their OIDs, and the two forms of their values.
 *
 * Text and binary are those of PostgreSQL's own functions (typinput, typoutput, typsend, typreceive), of every type whose
 * OID is the same in all databases. Where settings of the server decide how a value is written, they are an argument:
 *
 * ```ts
 * const toBinary = binaryEncoder(oid.timestamptz, readTypeSettings([["DateStyle", "SQL, DMY"], ["TimeZone", "Asia/Tokyo"]]));
 * toBinary("17/12/1997 07:37:16 JST"); // eight bytes
 * decodeBinary(oid.numeric, bytes); // "12345.6789"
 * ```
 *
 * A `TypeRegistry` knows, besides, the types that a database has of its own; `registerTypes` fills it from the catalogs.
 * What has no codec is refused with 0A000.
 */
export {
  binaryDecoder,
  binaryEncoder,
  builtInTypes,
  decodeBinary,
  encodeBinary,
  isTextInBinary,
} from "./binary.ts";
export type { BuiltInTypes } from "./built-in-types.ts";
export { registerTypes, type TypeCatalogRow, typeCatalogQuery } from "./catalog-types.ts";
export type { Codec } from "./codec.ts";
export { oid, typeSize } from "./oid.ts";
export { type TypeRow, typeRow } from "./pg-type.ts";
export { type ExtensionType, type TypeKind, TypeRegistry } from "./registry.ts";
export {
  type DateOrder,
  type DateStyle,
  defaultSettings,
  type IntervalStyle,
  readTypeSettings,
  type TypeSettings,
} from "./settings.ts";
