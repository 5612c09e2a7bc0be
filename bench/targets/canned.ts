// The bytes that a PostgreSQL server sends pgbench for `SELECT 1;`, written out by hand: the control must not depend on
// the encoder that it is the measure of. Formats: PostgreSQL documentation, "Message Formats".

function message(code: string, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body);
  const header = Buffer.alloc(5);
  header.write(code, 0, "latin1");
  header.writeInt32BE(content.length + 4, 1);
  return Buffer.concat([header, content]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

const authenticationOk = message("R", int32(0));
const parameters = [
  ["server_version", "18.0"],
  ["server_encoding", "UTF8"],
  ["client_encoding", "UTF8"],
  ["DateStyle", "ISO, MDY"],
  ["integer_datetimes", "on"],
  ["standard_conforming_strings", "on"],
].map(([name = "", value = ""]) => message("S", cstring(name), cstring(value)));
const backendKeyData = message("K", int32(1), int32(1));
const readyForQuery = message("Z", Buffer.from("I"));
const parseComplete = message("1");
const bindComplete = message("2");
// One column "?column?" of type int4 (OID 23, 4 bytes, no modifier) in text format, of no table.
const rowDescription = message(
  "T",
  int16(1),
  cstring("?column?"),
  int32(0),
  int16(0),
  int32(23),
  int16(4),
  int32(-1),
  int16(0),
);
const dataRow = message("D", int16(1), int32(1), Buffer.from("1"));
const commandComplete = message("C", cstring("SELECT 1"));
const result = Buffer.concat([rowDescription, dataRow, commandComplete, readyForQuery]);

/** To a StartupMessage. */
export const startupAnswer: Buffer = Buffer.concat([
  authenticationOk,
  ...parameters,
  backendKeyData,
  readyForQuery,
]);
/** To a Query. */
export const queryAnswer: Buffer = result;
/** To Parse, Bind, Describe of the portal, Execute, Sync. */
export const extendedAnswer: Buffer = Buffer.concat([parseComplete, bindComplete, result]);
/** To Parse, Sync. */
export const prepareAnswer: Buffer = Buffer.concat([parseComplete, readyForQuery]);
/** To Bind, Describe of the portal, Execute, Sync. */
export const preparedAnswer: Buffer = Buffer.concat([bindComplete, result]);
