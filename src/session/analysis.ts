/**
 * What a session has to know of a query's text before it runs: its statements, their classes, and how many parameters
 * they take. Clients send the same texts over and over, so that the last ones are remembered, for all sessions.
 */
import { classify } from "../sql/classify.ts";
import { countParameters } from "../sql/parameters.ts";
import { type Statement, splitStatements } from "../sql/split.ts";
import type { StatementClass } from "../sql/statement.ts";

export interface AnalyzedStatement extends Statement {
  readonly kind: StatementClass;
  /** The highest `$n`. */
  readonly parameterCount: number;
}

/** Texts that are remembered, and the longest of them, in characters: 1 MB at the most. */
const maxTexts = 500;
const maxLength = 2_000;
const remembered: Map<string, readonly AnalyzedStatement[]> = new Map();

/** @throws PgError 42601 for a text that the scanner refuses */
export function analyze(query: string): readonly AnalyzedStatement[] {
  const known = remembered.get(query);
  if (known) return known;
  const statements = splitStatements(query).map((statement) => ({
    ...statement,
    kind: classify(statement.text),
    parameterCount: countParameters(statement.text),
  }));
  if (query.length <= maxLength) {
    // The oldest goes: a Map keeps the order of insertion.
    if (remembered.size >= maxTexts) remembered.delete(remembered.keys().next().value as string);
    remembered.set(query, statements);
  }
  return statements;
}
