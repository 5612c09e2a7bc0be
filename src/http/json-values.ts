/**
 * Values of PostgreSQL as JSON, as Neon's proxy gives them where a client does not ask for text: booleans, small integers,
 * floating point numbers, JSON and arrays of these are what they are in JSON; all else is PostgreSQL's text. What JSON
 * has no number for (NaN, Infinity, int8 and numeric, which JavaScript would round) stays text.
 */
import { oid } from "../types/mod.ts";

/** Element types of the built-in arrays whose elements are no plain text in JSON; `_bool` is 1000 (pg_type.dat). */
const decodedElements: ReadonlyMap<number, number> = new Map([
  [1000, oid.bool],
  [1005, oid.int2],
  [1007, oid.int4],
  [1021, oid.float4],
  [1022, oid.float8],
  [199, oid.json],
  [3807, oid.jsonb],
]);

/** The other built-in array types, whose elements are text. */
const textArrays: ReadonlySet<number> = new Set([
  143, 271, 629, 651, 719, 775, 791, 1001, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015,
  1016, 1017, 1018, 1019, 1020, 1027, 1028, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1231, 1263, 1270,
  1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211, 2287, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3905,
  3907, 3909, 3911, 3913, 3927, 4073, 4090, 4097, 4192, 5039, 6150, 6151, 6152, 6153, 6155, 6157,
]);

/** Arrays whose elements a semicolon separates (pg_type.typdelim): those of boxes. */
const boxArray = 1020;

/** A value's JSON text. */
export function jsonOfValue(typeOid: number, text: string): string {
  switch (typeOid) {
    case oid.bool:
      return text === "t" ? "true" : "false";
    case oid.int2:
    case oid.int4:
      return /^(0|-?[1-9]\d*)$/.test(text) ? text : JSON.stringify(text);
    case oid.float4:
    case oid.float8:
      return jsonNumber.test(text) ? text : JSON.stringify(text);
    case oid.json:
    case oid.jsonb:
      return isJson(text) ? text : JSON.stringify(text);
  }
  const element = decodedElements.get(typeOid) ?? (textArrays.has(typeOid) ? oid.text : undefined);
  if (element === undefined) return JSON.stringify(text);
  return jsonOfArray(text, element, typeOid === boxArray ? ";" : ",") ?? JSON.stringify(text);
}

const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/;

/** PostgreSQL has checked its own; an upstream that only says that it is JSON must not break the answer. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** One token of an array's text: a brace or a delimiter, a quoted element, an unquoted one. */
const tokens: Readonly<Record<string, RegExp>> = {
  ",": /\s*(?:([{},])|"([^"\\]*(?:\\.[^"\\]*)*)"|([^{},"]+))\s*/sy,
  ";": /\s*(?:([{};])|"([^"\\]*(?:\\.[^"\\]*)*)"|([^{};"]+))\s*/sy,
};

/**
 * The JSON array of an array's text (PostgreSQL documentation, 8.15.6 Array Input and Output Syntax); its lower bounds
 * are dropped, as JSON has no place for them. Undefined if it is no array.
 */
function jsonOfArray(text: string, element: number, delimiter: "," | ";"): string | undefined {
  const token = new RegExp(tokens[delimiter] as RegExp);
  token.lastIndex = text.startsWith("[") ? text.indexOf("=") + 1 : 0;
  let json = "";
  let depth = 0;
  /** What came before: it says what may follow. */
  let last: "{" | "," | "element" = ",";
  while (token.lastIndex < text.length) {
    const found = token.exec(text);
    if (!found) return undefined;
    const [, sign, quoted, plain] = found;
    if (sign === "}") {
      if (last === "," || depth === 0) return undefined;
      json += "]";
      last = "element";
      if (--depth === 0) return token.lastIndex === text.length ? json : undefined;
    } else if (sign !== undefined && sign !== "{") {
      if (last !== "element") return undefined;
      json += ",";
      last = ",";
    } else if (last === "element" || (depth === 0 && sign !== "{")) {
      return undefined;
    } else if (sign === "{") {
      depth++;
      json += "[";
      last = "{";
    } else {
      json +=
        quoted === undefined ? jsonOfPlain(element, plain ?? "") : jsonOfValue(element, unescaped(quoted));
      last = "element";
    }
  }
  return undefined;
}

/** An element without quotes; blanks around it are no part of it. */
function jsonOfPlain(element: number, text: string): string {
  const trimmed = text.trimEnd();
  return trimmed === "NULL" ? "null" : jsonOfValue(element, unescaped(trimmed));
}

function unescaped(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\(.)/gs, "$1") : text;
}
