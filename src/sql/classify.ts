// What a statement is to the session: one of the statements it must know of, or `other` with its command tag.

import { PgError } from "../wire/error.ts";
import { endOfWord, isWordStart, skipBlanks } from "./characters.ts";
import { type LexerOptions, tokenize } from "./lexer.ts";
import { foldCase } from "./names.ts";
import { classifyOther } from "./other-statement.ts";
import * as session from "./session-statements.ts";
import * as settings from "./setting-statements.ts";
import type { StatementClass } from "./statement.ts";
import { TokenCursor } from "./token-cursor.ts";
import * as transactions from "./transaction-statements.ts";

type Parse = (cursor: TokenCursor) => StatementClass | undefined;

const parsers: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ["begin", transactions.begin],
  ["start", transactions.start],
  ["commit", transactions.commit],
  ["end", transactions.end],
  ["rollback", transactions.rollback],
  ["abort", transactions.abort],
  ["savepoint", transactions.savepoint],
  ["release", transactions.release],
  ["set", settings.set],
  ["reset", settings.reset],
  ["show", settings.show],
  ["discard", settings.discard],
  ["prepare", session.prepare],
  ["execute", session.execute],
  ["deallocate", session.deallocate],
  ["declare", session.declare],
  ["fetch", session.fetch],
  ["move", session.move],
  ["close", session.close],
  ["listen", session.listen],
  ["unlisten", session.unlisten],
  ["notify", session.notify],
  ["copy", session.copy],
]);

/**
 * Classifies one statement; a semicolon at its end is allowed. Never throws: what the scanner or the grammar of these
 * statements refuses is `other`, for the upstream to answer with the real error.
 */
export function classify(text: string, options?: LexerOptions): StatementClass {
  let verb = "";
  try {
    const start = skipBlanks(text, 0);
    if (isWordStart(text.charCodeAt(start))) verb = foldCase(text.slice(start, endOfWord(text, start)));
    const parse = parsers.get(verb);
    if (parse === undefined) return classifyOther(text, start, verb, options);

    const tokens = tokenize(text, options);
    while (tokens.at(-1)?.text === ";") tokens.pop();
    const cursor = new TokenCursor(text, tokens);
    cursor.skip();
    const statement = parse(cursor);
    if (statement !== undefined && cursor.atEnd && !tokens.some(isSemicolon)) return statement;
    // SET CONSTRAINTS is no parameter.
    return unknown(verb === "set" && tokens[1]?.value === "constraints" ? "set constraints" : verb);
  } catch (error) {
    if (error instanceof PgError) return unknown(verb);
    throw error;
  }
}

function isSemicolon(token: { text: string }): boolean {
  return token.text === ";";
}

function unknown(verb: string): StatementClass {
  return { type: "other", verb: verb.toUpperCase(), returnsRows: undefined, countsRows: false };
}
