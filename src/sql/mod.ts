// The lexical part of SQL: what the session has to know about a text without parsing it.

export { classify } from "./classify.ts";
export { commandTag } from "./command-tag.ts";
export { Lexer, type LexerOptions, type Token, type TokenType, tokenize } from "./lexer.ts";
export { characterPosition } from "./lexical-error.ts";
export { countParameters } from "./parameters.ts";
export { type Statement, splitStatements } from "./split.ts";
export type * from "./statement.ts";
