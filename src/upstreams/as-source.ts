/** A statement as a part of another one, by PostgreSQL's tokens. */
import { Lexer } from "../sql/mod.ts";

/** What is put into a text: `before` at an index, `behind` at its end. */
export interface Around {
  /** UTF-16 index where a token begins. */
  readonly at: number;
  readonly before: string;
  readonly behind: string;
}

const opening = 0x28;
const closing = 0x29;

/**
 * A statement as a source of rows: `WITH name AS (the statement) select`. Its own WITH stays in front, where alone it may
 * change data.
 */
export function asSource(sql: string, head: string, select: string): Around {
  const at = mainStart(sql);
  return { at: at ?? 0, before: `${at === undefined ? "WITH " : ", "}${head} (`, behind: `\n) ${select}` };
}

const verbs: ReadonlySet<string> = new Set("select insert update delete merge values table".split(" "));

/** Where the statement behind a WITH begins: undefined without one. */
function mainStart(sql: string): number | undefined {
  const lexer = new Lexer(sql);
  if (!lexer.next() || lexer.value !== "with") return undefined;
  let depth = 0;
  let closed = false;
  while (lexer.next()) {
    const code = lexer.punctuation;
    const behind = closed && depth === 0;
    if (behind && (code === opening || (lexer.type === "word" && verbs.has(lexer.value)))) return lexer.start;
    if (code === opening) depth++;
    if (code === closing) depth--;
    closed = code === closing;
  }
  return undefined;
}
