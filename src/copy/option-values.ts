// The values of options as PostgreSQL reads them: a word, a string, a number or nothing at all may stand for a truth, a
// name or a number (its defGetString and its kin).

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type CopyOption, namesOf } from "./statement.ts";

interface Value {
  readonly String?: { readonly sval?: string };
  /** Zero and false are left out of the tree. */
  readonly Integer?: { readonly ival?: number };
  readonly Float?: { readonly fval?: string };
  readonly Boolean?: { readonly boolval?: boolean };
  readonly List?: { readonly items?: readonly Readonly<Record<string, unknown>>[] };
  readonly A_Star?: object;
}

export function stringValue({ name, value }: CopyOption): string {
  if (value === undefined) throw syntax(`${name} requires a parameter`);
  return textOf(value as Value);
}

function textOf(value: Value): string {
  if (value.Integer) return String(value.Integer.ival ?? 0);
  if (value.Float) return value.Float.fval ?? "";
  if (value.Boolean) return String(value.Boolean.boolval ?? false);
  if (value.List) return namesOf(value.List.items ?? []).join(".");
  return value.A_Star ? "*" : (value.String?.sval ?? "");
}

export function booleanValue({ name, value }: CopyOption): boolean {
  const read = value === undefined ? true : truth(value as Value);
  if (read === undefined) throw syntax(`${name} requires a Boolean value`);
  return read;
}

/** Undefined: neither true nor false. */
function truth(value: Value): boolean | undefined {
  if (value.Integer) {
    const number = value.Integer.ival ?? 0;
    return number === 0 ? false : number === 1 ? true : undefined;
  }
  switch (textOf(value).toLowerCase()) {
    case "true":
    case "on":
      return true;
    case "false":
    case "off":
      return false;
    default:
      return undefined;
  }
}

export function headerValue(option: CopyOption, from: boolean): boolean | "match" {
  const value = option.value as Value | undefined;
  const read = value === undefined ? true : truth(value);
  if (read !== undefined) return read;
  const text = value?.Integer ? "" : textOf(value as Value);
  if (text.toLowerCase() !== "match") throw syntax(`${option.name} requires a Boolean value or "match"`);
  if (from) return "match";
  throw new PgError(sqlstate.featureNotSupported, `cannot use "${text}" with HEADER in COPY TO`);
}

/** A list of columns, or `*`. */
export function columnsValue({ name, value, position }: CopyOption): readonly string[] | "*" {
  const given = value as Value | undefined;
  if (given?.A_Star) return "*";
  if (given?.List) return namesOf(given.List.items ?? []);
  throw invalid(`argument to option "${name}" must be a list of column names`, position);
}

/** A count of rows. */
export function limitValue({ name, value }: CopyOption): number {
  const given = value as Value | undefined;
  if (!given) throw syntax(`${name} requires a numeric value`);
  const text = textOf(given);
  if (!/^\s*[-+]?\d+\s*$/.test(text)) {
    throw given.String || given.Float
      ? new PgError(sqlstate.invalidTextRepresentation, `invalid input syntax for type bigint: "${text}"`)
      : syntax(`${name} requires a numeric value`);
  }
  const limit = Number(text);
  if (limit <= 0) throw invalid(`REJECT_LIMIT (${limit}) must be greater than zero`);
  return limit;
}

/** One of some words, in any case. */
export function wordValue<Word extends string>(option: CopyOption, words: readonly Word[]): Word {
  const text = stringValue(option);
  const found = words.find((word) => word === text.toLowerCase());
  if (found !== undefined) return found;
  throw invalid(`COPY ${option.name.toUpperCase()} "${text}" not recognized`, option.position);
}

export function syntax(message: string, position?: number): PgError {
  return new PgError(sqlstate.syntaxError, message, position === undefined ? {} : { position });
}

export function invalid(message: string, position?: number): PgError {
  return new PgError(sqlstate.invalidParameterValue, message, position === undefined ? {} : { position });
}
