/**
 * `$1` into the API's `:p1`, by PostgreSQL's tokens: never inside of strings, names, comments and dollar quotes. The API
 * binds text as text, so that `id = :p1` would find no operator for an integer: each parameter is cast to its type.
 *
 * A colon that stands for itself (the bounds of a slice, `a[1:n]`) would be taken for a parameter: a blank behind it
 * parts them, and means the same to PostgreSQL.
 */
import { characterIndex, characterPosition, Lexer } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Around } from "../as-source.ts";

export interface BoundText {
  readonly sql: string;
  /** A position that the database gave (in characters from 1), in the client's text; undefined where it is not in there. */
  position(served: number): number | undefined;
}

const colon = 0x3a;

/**
 * @param cast the SQL name of a parameter's type, by its number; undefined leaves it without a cast. "keep" leaves all
 * parameters as they are, for PREPARE
 * @param around what is put into the text: `before` at an index, `behind` at its end
 */
export function bindText(
  sql: string,
  cast: ((number: number) => string | undefined) | "keep",
  around: Around = { at: 0, before: "", behind: "" },
): BoundText {
  const pieces: Piece[] = [];
  let sent = "";
  /** UTF-16 length of what the database sees, which has `$1` where the API is sent `:p1`. */
  let served = 0;
  let copied = 0;
  const copy = (to: number): void => {
    if (to > copied) pieces.push({ served, source: copied, length: to - copied });
    sent += sql.slice(copied, to);
    served += to - copied;
    copied = to;
  };
  let opened = false;
  const open = (): void => {
    opened = true;
    copy(around.at);
    sent += around.before;
    served += around.before.length;
  };
  if (/[$:]/.test(sql)) {
    const lexer = new Lexer(sql);
    while (lexer.next()) {
      if (!opened && lexer.start >= around.at) open();
      if (lexer.type === "parameter" && cast !== "keep") {
        const number = Number(lexer.value);
        const type = cast(number);
        const { start, end } = lexer;
        copy(start);
        const [before, behind] = type === undefined ? ["", ""] : ["(", `::${type})`];
        pieces.push({ served: served + before.length, source: start, length: 1 });
        sent += `${before}:p${number}${behind}`;
        served += before.length + String(number).length + 1 + behind.length;
        copied = end;
      } else if (lexer.punctuation === colon) {
        copy(lexer.end);
        sent += " ";
        served += 1;
      }
    }
  }
  if (!opened) open();
  copy(sql.length);
  return {
    sql: sent + around.behind,
    position: (position) => clientPosition(sql, sent, pieces, position),
  };
}

/** A stretch of the database's text, and where it is in the client's. */
interface Piece {
  readonly served: number;
  readonly source: number;
  readonly length: number;
}

function clientPosition(
  sql: string,
  sent: string,
  pieces: readonly Piece[],
  position: number,
): number | undefined {
  const index = characterIndex(sent, position) ?? sent.length;
  // The last piece that begins there or before; what stands between two pieces belongs to the first.
  let found: Piece | undefined;
  for (const piece of pieces) if (piece.served <= index) found = piece;
  if (!found) return undefined;
  const source = Math.min(
    found.source + Math.max(0, Math.min(index - found.served, found.length)),
    sql.length,
  );
  return characterPosition(sql, source);
}

/** Refuses a parameter that no value was bound for, in PostgreSQL's words. */
export function refuseUnbound(sql: string, bound: number): void {
  if (!sql.includes("$")) return;
  const lexer = new Lexer(sql);
  while (lexer.next()) {
    if (lexer.type !== "parameter" || (Number(lexer.value) >= 1 && Number(lexer.value) <= bound)) continue;
    throw new PgError(sqlstate.undefinedParameter, `there is no parameter $${lexer.value}`, {
      position: characterPosition(sql, lexer.start),
    });
  }
}

/** The numbers of parameters that stand somewhere without a cast of the client's own (`$1::int8`) behind them. */
export function uncastParameters(sql: string): Set<number> {
  const uncast = new Set<number>();
  if (!sql.includes("$")) return uncast;
  const lexer = new Lexer(sql);
  let last: number | undefined;
  while (lexer.next()) {
    if (last !== undefined && sql.slice(lexer.start, lexer.end) !== "::") uncast.add(last);
    last = lexer.type === "parameter" ? Number(lexer.value) : undefined;
  }
  if (last !== undefined) uncast.add(last);
  return uncast;
}
