// Run-time parameters: the grammar of VariableSetStmt, VariableResetStmt, VariableShowStmt and DiscardStmt (PostgreSQL
// documentation, SET, SET ROLE, SET SESSION AUTHORIZATION, SET TRANSACTION, RESET, SHOW, DISCARD).
//
// Each function is called behind the verb, and gives undefined for what PostgreSQL's grammar refuses or what is left to
// other statements; that all tokens are taken is checked by the caller.

import { isName } from "./names.ts";
import type { DiscardStatement, SetStatement, ShowStatement, StatementClass } from "./statement.ts";
import type { TokenCursor } from "./token-cursor.ts";

export function set(cursor: TokenCursor): StatementClass | undefined {
  // `session` and `local` are parameters' names too, where TO or = follows.
  const assigned = assignment(cursor, "session");
  if (assigned !== undefined) return assigned;
  if (cursor.words("local")) return setRest(cursor, "local");
  const next = cursor.peekWord(1);
  const isScope = next !== "authorization" && !(next === "characteristics" && cursor.peekWord(2) === "as");
  if (isScope) cursor.words("session");
  return setRest(cursor, "session");
}

function setRest(cursor: TokenCursor, scope: SetStatement["scope"]): StatementClass | undefined {
  const assigned = assignment(cursor, scope);
  if (assigned !== undefined) return assigned;
  const to = (name: string, value: string | undefined): SetStatement | undefined =>
    value === undefined ? undefined : { type: "set", scope, name, value: [value] };
  const toDefault = (name: string): SetStatement => ({ type: "set", scope, name, value: undefined });

  if (cursor.words("time zone")) {
    if (cursor.words("default") || cursor.words("local")) return toDefault("timezone");
    return to("timezone", timeZone(cursor));
  }
  if (cursor.words("schema")) return to("search_path", cursor.string());
  if (cursor.words("names")) {
    return cursor.atEnd || cursor.words("default")
      ? toDefault("client_encoding")
      : to("client_encoding", cursor.string());
  }
  if (cursor.words("role")) return to("role", cursor.wordOrString());
  if (cursor.words("session authorization")) {
    return cursor.words("default")
      ? toDefault("session_authorization")
      : to("session_authorization", cursor.wordOrString());
  }
  if (cursor.words("xml option")) {
    if (cursor.words("document")) return to("xmloption", "DOCUMENT");
    return cursor.words("content") ? to("xmloption", "CONTENT") : undefined;
  }
  if (cursor.words("session characteristics as transaction")) {
    const modes = cursor.transactionModes();
    return modes && hasModes(modes) ? { type: "setSessionCharacteristics", ...modes } : undefined;
  }
  if (cursor.words("transaction snapshot")) {
    const snapshot = cursor.string();
    return snapshot === undefined ? undefined : { type: "setTransaction", snapshot };
  }
  if (cursor.words("transaction")) {
    const modes = cursor.transactionModes();
    return modes && hasModes(modes) ? { type: "setTransaction", ...modes } : undefined;
  }
  return undefined;
}

function hasModes(modes: object): boolean {
  return Object.keys(modes).length > 0;
}

/** `name TO value, ...` or `name = value, ...` (generic_set); undefined without a step if no such thing begins here. */
function assignment(cursor: TokenCursor, scope: SetStatement["scope"]): SetStatement | undefined {
  let ahead = 1;
  while (cursor.peek(ahead)?.text === ".") ahead += 2;
  const sign = cursor.peek(ahead);
  if (!(sign?.type === "word" && sign.value === "to") && !(sign?.type === "operator" && sign.text === "=")) {
    return undefined;
  }
  const name = cursor.dottedName("parameter");
  if (name === undefined) return undefined;
  cursor.skip();
  if (cursor.words("default")) return { type: "set", scope, name, value: undefined };
  const value: string[] = [];
  do {
    const item = assignedValue(cursor);
    if (item === undefined) return undefined;
    value.push(item);
  } while (cursor.symbol(","));
  return { type: "set", scope, name, value };
}

function assignedValue(cursor: TokenCursor): string | undefined {
  for (const word of ["on", "true", "false"]) if (cursor.words(word)) return word;
  return cursor.wordOrString() ?? cursor.number();
}

/** zone_value without DEFAULT and LOCAL. */
function timeZone(cursor: TokenCursor): string | undefined {
  if (cursor.peekWord() === "interval") {
    const from = cursor.peek()!.start;
    cursor.skip();
    const precision = cursor.parentheses();
    if (cursor.string() === undefined) return undefined;
    // No other units are allowed for a zone, and none behind a precision.
    if (!precision) ["hour to minute", "hour", "minute"].some((units) => cursor.words(units));
    return cursor.textSince(from);
  }
  const token = cursor.peek();
  // Unlike other values a zone may not be a keyword; only reserved ones are known here, others fail as zones.
  if (token?.type === "word" && !isName(token.value)) return undefined;
  return cursor.wordOrString() ?? cursor.number();
}

export function reset(cursor: TokenCursor): ShowStatement | undefined {
  return parameter(cursor, "reset");
}

export function show(cursor: TokenCursor): ShowStatement | undefined {
  return parameter(cursor, "show");
}

function parameter(cursor: TokenCursor, type: ShowStatement["type"]): ShowStatement | undefined {
  if (cursor.words("all")) return { type, name: "all" };
  if (cursor.words("time zone")) return { type, name: "timezone" };
  if (cursor.words("transaction isolation level")) return { type, name: "transaction_isolation" };
  if (cursor.words("session authorization")) return { type, name: "session_authorization" };
  const name = cursor.dottedName("parameter");
  return name === undefined ? undefined : { type, name };
}

export function discard(cursor: TokenCursor): DiscardStatement | undefined {
  if (cursor.words("temporary")) return { type: "discard", what: "temp" };
  const kinds = ["all", "temp", "plans", "sequences"] as const;
  const what = kinds.find((kind) => cursor.words(kind));
  return what && { type: "discard", what };
}
