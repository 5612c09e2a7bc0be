/** What an upstream says of a statement without running it: the types of its parameters, and its columns. */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { after, type RunningCall } from "./call.ts";
import { describeControl } from "./control.ts";
import { inStatement } from "./position.ts";
import type { PreparedStatement } from "./prepared.ts";
import { settle } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import type { Description, StatementSession } from "./upstream.ts";

type Describe = NonNullable<StatementSession["describe"]>;

/** Asks the upstream for a statement's types, once. Nothing is run for it. */
export function describe(
  context: StatementContext,
  statement: PreparedStatement,
  call: RunningCall,
): Description | Promise<Description> {
  if (statement.description) return statement.description;
  const { upstream } = context;
  if (!upstream.describe) {
    throw new PgError(
      sqlstate.featureNotSupported,
      "this database cannot describe a statement without running it",
      {
        hint: "Use a client that binds its parameters before it asks for the result's columns.",
      },
    );
  }
  const asked = { sql: statement.sql, parameterTypes: statement.parameterTypes };
  const description = inStatement(statement.query, statement.start, () =>
    settle((upstream.describe as Describe)(asked, call), call),
  );
  return after(description, (known) => {
    statement.description = known;
    return known;
  });
}

/** Empty queries and the session's own statements have nothing that an upstream would know. */
export function describeWithoutUpstream(
  context: StatementContext,
  statement: PreparedStatement,
): Description | undefined {
  if (!statement.kind) return { parameterTypes: statement.parameterTypes };
  const own = describeControl(statement.kind, context.upstream);
  return own && { parameterTypes: statement.parameterTypes, columns: own.columns };
}
