// ErrorResponse and NoticeResponse bodies: fields of one code byte and a string, closed by a zero byte
// (PostgreSQL documentation, "Error and Notice Message Fields"). Written in the order in which PostgreSQL sends them.

import type { ErrorFields, Severity } from "./error.ts";
import type { Reader } from "./reader.ts";
import { sqlstate } from "./sqlstate.ts";
import type { Writer } from "./writer.ts";

type TextField = Exclude<
  keyof ErrorFields,
  "severity" | "localizedSeverity" | "position" | "internalPosition" | "line" | "unknown"
>;
type NumberField = "position" | "internalPosition" | "line";

const textFields = new Map<string, TextField>([
  ["C", "code"],
  ["M", "message"],
  ["D", "detail"],
  ["H", "hint"],
  ["W", "where"],
  ["s", "schema"],
  ["t", "table"],
  ["c", "column"],
  ["d", "dataType"],
  ["n", "constraint"],
  ["q", "internalQuery"],
  ["F", "file"],
  ["R", "routine"],
]);

const numberFields = new Map<string, NumberField>([
  ["P", "position"],
  ["p", "internalPosition"],
  ["L", "line"],
]);

/** What follows severity, in PostgreSQL's order. */
const order = "CMDHWstcdnPpqFLR";

const severities: ReadonlySet<string> = new Set<Severity>([
  "ERROR",
  "FATAL",
  "PANIC",
  "WARNING",
  "NOTICE",
  "DEBUG",
  "INFO",
  "LOG",
]);

export function writeErrorFields(writer: Writer, fields: ErrorFields): void {
  writeField(writer, "S", fields.localizedSeverity ?? fields.severity);
  writeField(writer, "V", fields.severity);
  for (const code of order) {
    const name = textFields.get(code) ?? numberFields.get(code);
    const value = name === undefined ? undefined : fields[name];
    if (value !== undefined) writeField(writer, code, String(value));
  }
  if (fields.unknown !== undefined) {
    for (const [code, value] of Object.entries(fields.unknown)) writeField(writer, code, value);
  }
  writer.byte(0);
}

function writeField(writer: Writer, code: string, value: string): void {
  writer.byte(code.charCodeAt(0));
  // An error must always get through: what an upstream says may hold U+0000, which no string of the protocol can.
  writer.cstring(value.includes("\0") ? value.replaceAll("\0", "\u{fffd}") : value);
}

export function readErrorFields(reader: Reader): ErrorFields {
  // Required of every server since 9.6, but an error of an older or a careless one must still be readable.
  const fields: ErrorFields = { severity: "ERROR", code: sqlstate.internalError, message: "" };
  let localized: string | undefined;
  let severity: string | undefined;
  for (;;) {
    const byte = reader.byte();
    if (byte === 0) break;
    const code = String.fromCharCode(byte);
    const value = reader.cstring();
    const text = textFields.get(code);
    const number = numberFields.get(code);
    if (code === "S") localized = value;
    else if (code === "V" && severities.has(value)) severity = value;
    else if (text !== undefined) fields[text] = value;
    else if (number !== undefined && /^(0|[1-9]\d{0,9})$/.test(value)) fields[number] = Number(value);
    else addUnknown(fields, code, value);
  }
  if (severity === undefined && localized !== undefined && severities.has(localized)) severity = localized;
  if (severity !== undefined) fields.severity = severity as Severity;
  if (localized !== undefined && localized !== fields.severity) fields.localizedSeverity = localized;
  return fields;
}

function addUnknown(fields: ErrorFields, code: string, value: string): void {
  fields.unknown ??= {};
  fields.unknown[code] = value;
}
