/**
 * The text of one request, which PostgreSQL takes as one simple query: several statements, one transaction. The client's
 * statement stands in it as it was written, so that a position in the text is one in the statement.
 *
 * The API gives the rows of the last statement that has any, as objects of JavaScript's values: no types, no counts, no
 * two columns of one name. So all that matters comes as one column of text, which a request has the last one of.
 */
import { characterIndex } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

/** The one column that is read. */
export const column = "edgewire";

interface Source {
  readonly sql: string;
  /** The part of it that stands here. */
  readonly from: number;
  readonly to: number;
  /** UTF-16 index in the request's text. */
  readonly at: number;
  /** Which of the request's statements it is. */
  readonly statement: number;
}

export class Script {
  readonly #pieces: string[] = [];
  readonly #sources: Source[] = [];
  #length = 0;

  get text(): string {
    return this.#pieces.join("");
  }

  add(text: string): this {
    this.#pieces.push(text);
    this.#length += text.length;
    return this;
  }

  /** A statement of the client's, or a part of it, as it is. */
  addSource(sql: string, statement: number, from = 0, to: number = sql.length): this {
    this.#sources.push({ sql, from, to, at: this.#length, statement });
    return this.add(sql.slice(from, to));
  }

  /** Where a position (in characters from 1) is in a statement of the client's; undefined: in none. */
  locate(position: number): { readonly statement: number; readonly position: number } | undefined {
    const index = characterIndex(this.text, position);
    if (index === undefined) return undefined;
    for (const { sql, from, to, at, statement } of this.#sources) {
      if (index < at || index > at + to - from) continue;
      return { statement, position: [...sql.slice(0, from + index - at)].length + 1 };
    }
    return undefined;
  }
}

/** A string constant, whatever standard_conforming_strings is. */
export function literal(value: string): string {
  if (value.includes("\0")) {
    throw new PgError(sqlstate.characterNotInRepertoire, 'invalid byte sequence for encoding "UTF8": 0x00');
  }
  return `E'${value.replace(/['\\]/g, "$&$&")}'`;
}

/** Statements of PL/pgSQL, run at once. */
export function block(declarations: string, statements: string): string {
  return `DO ${literal(`DECLARE ${declarations} BEGIN ${statements} END`)};\n`;
}

/** Keeps a text for a later statement of the same request, and transaction. */
export function keep(name: string, expression: string): string {
  return `pg_catalog.set_config('edgewire.${name}', ${expression}, true)`;
}

export function kept(name: string): string {
  return `pg_catalog.current_setting('edgewire.${name}', true)`;
}

let prepared = 0;

/** A name for a prepared statement: a pooler may hand the session, and what is left in it, to others. */
export function uniqueName(): string {
  const random = Math.floor(Math.random() * 1e9).toString(36);
  return `edgewire_${Date.now().toString(36)}_${(prepared++).toString(36)}_${random}`;
}
