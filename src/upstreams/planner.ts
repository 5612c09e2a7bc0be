/** One plan for each parsed statement, for upstreams that decide by the parse tree what a statement needs of them. */
import type { ParsedStatement, Parser } from "../sql/mod.ts";
import { PgError } from "../wire/error.ts";

/**
 * Makes a function that gives the plan for one statement. `unknown` is for a text that the parser does not know: it may be
 * that of a newer server, which has the right error, too, if it is none.
 */
export function planner<Plan>(
  makePlan: (statement: ParsedStatement) => Plan,
  unknown: (sql: string) => Plan,
): (parser: Parser, sql: string) => Plan {
  const plans = new WeakMap<ParsedStatement, Plan>();
  return (parser, sql) => {
    const statement = parseOne(parser, sql);
    if (!statement) return unknown(sql);
    let plan = plans.get(statement);
    if (plan === undefined) {
      plan = makePlan(statement);
      plans.set(statement, plan);
    }
    return plan;
  };
}

function parseOne(parser: Parser, sql: string): ParsedStatement | undefined {
  try {
    const [statement, ...more] = parser.parse(sql);
    return more.length === 0 ? statement : undefined;
  } catch (error) {
    if (error instanceof PgError) return undefined;
    throw error;
  }
}
