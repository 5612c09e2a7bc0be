/** Text to binary and back for the types whose OIDs are the same in every database. */
import { BuiltInTypes } from "./built-in-types.ts";
import { defaultSettings, type TypeSettings } from "./settings.ts";

const types: BuiltInTypes = new BuiltInTypes();

/** Those types, and nothing else. */
export { types as builtInTypes };

/**
 * The binary form of a value in text form. For many values of one type, as a column has them, binaryEncoder is quicker.
 * @throws PgError 0A000 for a type that has none here; 22P02, 22003, 22007, 22008 and their kin for a text that is no
 * value of the type
 */
export function encodeBinary(
  typeOid: number,
  text: string,
  settings: TypeSettings = defaultSettings,
): Uint8Array {
  const codec = types.find(typeOid);
  return codec ? codec.encode(text, settings) : types.encoder(typeOid)(text);
}

/**
 * The text form of a value in binary form, as PostgreSQL prints it; undefined where the type has no codec here.
 * @throws PgError 08P01 where bytes are missing, 22P03 and its kin where they are no value of the type
 */
export function decodeBinary(
  typeOid: number,
  bytes: Uint8Array,
  settings: TypeSettings = defaultSettings,
): string | undefined {
  return types.find(typeOid)?.decode(bytes, settings);
}

/** Whether the binary form of a type is its text in UTF-8, so that a text can be sent as binary as it is. */
export function isTextInBinary(typeOid: number): boolean {
  return types.find(typeOid)?.isText === true;
}

/** What encodeBinary does for one type, to be looked up once for a column. @throws PgError 0A000 */
export function binaryEncoder(
  typeOid: number,
  settings: TypeSettings = defaultSettings,
): (text: string) => Uint8Array {
  return types.encoder(typeOid, settings);
}

/** What decodeBinary does for one type. @throws PgError 0A000 */
export function binaryDecoder(
  typeOid: number,
  settings: TypeSettings = defaultSettings,
): (bytes: Uint8Array) => string {
  return types.decoder(typeOid, settings);
}
