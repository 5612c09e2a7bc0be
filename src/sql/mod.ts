// SQL as far as a gateway has to understand it: the lexical part, which every session needs, and PostgreSQL's own parser
// for upstreams that have to know more.

export { classify } from "./classify.ts";
export { commandTag } from "./command-tag.ts";
export { Lexer, type LexerOptions, type Token, type TokenType, tokenize } from "./lexer.ts";
export { countParameters } from "./parameters.ts";
export {
  createParser,
  type ParsedStatement,
  type Parser,
  type PgQueryModule,
  type SyntaxNode,
} from "./parser.ts";
export { characterIndex, characterPosition } from "./position.ts";
export { type SessionNeed, sessionNeeds } from "./session-needs.ts";
export { type Statement, splitStatements } from "./split.ts";
export type * from "./statement.ts";
