/**
 * What a statement is to the RDS Data API, from its parse tree: whether it can be sent at all, whether it may be sent
 * again when its result was refused, and what has to be known of it before.
 */
import {
  classify,
  type ParsedStatement,
  type Parser,
  type SessionNeed,
  type StatementClass,
  sessionNeeds,
} from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { refuseCursorOutsideTransaction } from "../cursor-refusal.ts";
import { isHarmless } from "../harmless.ts";
import { planner } from "../planner.ts";
import { type SetConfig, setConfigOf } from "../set-config.ts";
import { changesData, hasReturning, isQuery, outlivesTransaction } from "../statement-traits.ts";

export interface Plan {
  readonly kind: StatementClass;
  readonly needs: ReadonlySet<SessionNeed>;
  /** A query or a change of data: it can be prepared, and stand in WITH. */
  readonly preparable: boolean;
  readonly returnsRows: boolean;
  /** A query that calls nothing that could do something: running it twice makes no difference. */
  readonly repeatable: boolean;
  /** Columns that are a parameter as it is, which would be named after the cast: from the first, or -1 for the last. */
  readonly namedByCast: readonly number[];
  /** Descriptions may be out of date afterwards. */
  readonly changesSchema: boolean;
  /** What it sets for the session, where the gateway can keep that. */
  readonly setConfig: SetConfig | undefined;
  /** Makes something temporary that outlives the transaction. */
  readonly makesTemporary: boolean;
}

function unknown(sql: string): Plan {
  return {
    kind: classify(sql),
    needs: new Set(),
    preparable: false,
    returnsRows: false,
    repeatable: false,
    namedByCast: [],
    changesSchema: true,
    setConfig: undefined,
    makesTemporary: false,
  };
}

const schemaless: ReadonlySet<string> = new Set([
  "ExplainStmt",
  "DeclareCursorStmt",
  "FetchStmt",
  "ClosePortalStmt",
  "LockStmt",
  "NotifyStmt",
  "TruncateStmt",
  "VacuumStmt",
  "ConstraintsSetStmt",
]);

function makePlan(statement: ParsedStatement): Plan {
  const { type, node, text } = statement;
  const query = isQuery(statement);
  const changes = changesData(statement);
  const preparable = query || changes;
  const needs = sessionNeeds(statement);
  return {
    kind: classify(text),
    needs,
    preparable,
    returnsRows: query || (changes && hasReturning(statement)),
    repeatable: query && needs.size === 0 && isHarmless(node),
    namedByCast: query ? selectsParameter(node) : returnsParameter(node.returningList),
    changesSchema: !preparable && !schemaless.has(type),
    setConfig: needs.has("setting") ? setConfigOf(statement) : undefined,
    makesTemporary: needs.has("temporary") && outlivesTransaction(statement),
  };
}

/** The plan for one statement. */
export const planOf: (parser: Parser, sql: string) => Plan = planner(makePlan, unknown);

interface Target {
  readonly ResTarget?: { readonly name?: string; readonly val?: Readonly<Record<string, unknown>> };
}

/** The leftmost SELECT of a UNION names the columns; those of VALUES are named column1 and so on. */
function selectsParameter(node: Readonly<Record<string, unknown>>): number[] {
  const left = node.larg as Readonly<Record<string, unknown>> | undefined;
  return left ? selectsParameter(left) : returnsParameter(node.targetList);
}

/** Where a star is in the list, what is behind it can be counted from the end only. */
function returnsParameter(targets: unknown): number[] {
  if (!Array.isArray(targets)) return [];
  const list = (targets as Target[]).map(({ ResTarget: target }) => target);
  const stars = list.map((target) => JSON.stringify(target?.val ?? null).includes('"A_Star"'));
  const first = stars.indexOf(true);
  const last = stars.lastIndexOf(true);
  return list.flatMap((target, at) => {
    if (target?.name !== undefined || target?.val?.ParamRef === undefined) return [];
    if (first < 0 || at < first) return [at];
    return at > last ? [at - list.length] : [];
  });
}

/** Refuses what a request of its own would do, and lose. */
export function refuseSessionNeeds(plan: Plan, inTransaction: boolean): void {
  for (const need of plan.needs) {
    const refusal = refuse(need, plan, inTransaction);
    if (refusal) throw refusal;
  }
}

function refuse(
  need: SessionNeed,
  { kind, makesTemporary, setConfig }: Plan,
  inTransaction: boolean,
): PgError | undefined {
  switch (need) {
    case "temporary":
      if (inTransaction && !makesTemporary) return;
      return lost("temporary objects", "Make a temporary table in a transaction, with ON COMMIT DROP.");
    case "prepared":
      return lost(
        "PREPARE and EXECUTE",
        "Use the client's own prepared statements, which the gateway keeps.",
      );
    case "cursor":
      return refuseCursor(kind, inTransaction);
    case "listen":
      return lost("LISTEN and UNLISTEN", "Poll a table.");
    case "advisoryLock":
      return lost("advisory locks of a session", "Use pg_advisory_xact_lock() in a transaction.");
    case "setting":
      if (setConfig) return;
      return lost("set_config() beyond the transaction", "Use SET, which the gateway keeps.");
    case "sequence":
      if (inTransaction) return;
      return lost("currval() and lastval()", "Use INSERT … RETURNING, or a transaction.");
    case "transaction":
      if (kind.type === "commitPrepared" || kind.type === "rollbackPrepared") return;
      return lost("PREPARE TRANSACTION and exported snapshots", "Use a transaction of one client.");
    case "advisoryUnlock":
    case "copy":
    case "unknown":
      return;
  }
}

function refuseCursor(kind: StatementClass, inTransaction: boolean): PgError | undefined {
  if (kind.type === "declare" && kind.hold) {
    return lost("cursors WITH HOLD", "Use the cursor in a transaction, without WITH HOLD.");
  }
  return inTransaction ? undefined : refuseCursorOutsideTransaction(kind);
}

function lost(what: string, hint: string): PgError {
  return new PgError(
    sqlstate.featureNotSupported,
    `${what} cannot be had through the RDS Data API, which gives each request another session`,
    { hint },
  );
}
