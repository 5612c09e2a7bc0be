/** The words of text search types, which are quoted and escaped alike in tsvector and tsquery. */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** No-break spaces and their like are part of a word. */
export const space: RegExp = /[ \t\n\r\v\f]/;

/** In quotes, with quotes and backslashes doubled. */
export function lexemeText(lexeme: string): string {
  return `'${lexeme.replace(/['\\]/g, "$&$&")}'`;
}

/**
 * The word that begins at `from`, in quotes or not, and where it ends.
 * @param inQuery operators end a word there
 */
export function readLexeme(
  text: string,
  from: number,
  type: "tsvector" | "tsquery",
  inQuery: boolean,
): { lexeme: string; end: number } {
  const isQuoted = text[from] === "'";
  const ends = inQuery ? /[ \t\n\r\v\f:!&|()<]/ : /[ \t\n\r\v\f:]/;
  let lexeme = "";
  let at = isQuoted ? from + 1 : from;
  for (; at < text.length; at++) {
    const char = text[at] as string;
    if (char === "\\") {
      at++;
      if (at === text.length) {
        throw new PgError(sqlstate.syntaxError, `there is no escaped character: "${text}"`);
      }
      lexeme += text[at];
    } else if (isQuoted && char === "'") {
      if (text[at + 1] !== "'") break;
      lexeme += char;
      at++;
    } else if (!isQuoted && ends.test(char)) break;
    else lexeme += char;
  }
  if (lexeme === "" || (isQuoted && at === text.length)) {
    throw new PgError(sqlstate.syntaxError, `syntax error in ${type}: "${text}"`);
  }
  return { lexeme, end: isQuoted ? at + 1 : at };
}
