/**
 * Which way a statement goes, from its parse tree: by HTTP what any session can run and leaves as it was, through the
 * tunnel what needs a session of its own; and what such a session may hold afterwards.
 */
import {
  classify,
  commandTag,
  type ParsedStatement,
  type Parser,
  type SessionNeed,
  type StatementClass,
  sessionNeeds,
} from "../../sql/mod.ts";
import { isHarmless } from "../harmless.ts";
import { planner } from "../planner.ts";

export interface Plan {
  readonly way: "http" | "tunnel";
  readonly kind: StatementClass;
  /** A plain query or change of data, which can be run behind another statement in one transaction. */
  readonly plain: boolean;
  /** The session may hold something of it, so that it has to be asked before it is let go. */
  readonly pins: boolean;
  /** Custom settings that it sets, which the server does not list. */
  readonly customSettings: readonly string[];
  /** It may set custom settings whose names are not seen. Only DISCARD ALL lets go of that. */
  readonly hides: boolean;
  /** The session may hold less afterwards. */
  readonly frees: boolean;
  /** Descriptions may be out of date afterwards. */
  readonly changesSchema: boolean;
  /** A SELECT that calls nothing which could do something: it can be run again, and stopped anywhere. */
  readonly harmless: boolean;
}

/** For a text of which nothing is known: any session may be needed, and left behind. */
export function unknownPlan(sql: string): Plan {
  return {
    way: "tunnel",
    kind: classify(sql),
    plain: false,
    pins: true,
    customSettings: [],
    hides: false,
    frees: true,
    changesSchema: true,
    harmless: false,
  };
}

/** What reads or changes data, or the session, but no schema. */
const schemaless: ReadonlySet<string> = new Set([
  "SelectStmt",
  "InsertStmt",
  "UpdateStmt",
  "DeleteStmt",
  "MergeStmt",
  "ExplainStmt",
  "CopyStmt",
  "TransactionStmt",
  "VariableSetStmt",
  "VariableShowStmt",
  "ConstraintsSetStmt",
  "DiscardStmt",
  "PrepareStmt",
  "ExecuteStmt",
  "DeallocateStmt",
  "DeclareCursorStmt",
  "FetchStmt",
  "ClosePortalStmt",
  "ListenStmt",
  "UnlistenStmt",
  "NotifyStmt",
  "LockStmt",
  "VacuumStmt",
  "CheckPointStmt",
]);

const plainTypes: ReadonlySet<string> = new Set([
  "SelectStmt",
  "InsertStmt",
  "UpdateStmt",
  "DeleteStmt",
  "MergeStmt",
  "ExplainStmt",
  "VariableShowStmt",
]);

/** What may let go of something, even where it does not look so: a DO that drops a temporary table. */
const freeing: ReadonlySet<string> = new Set([
  "TransactionStmt",
  "DiscardStmt",
  "DeallocateStmt",
  "ClosePortalStmt",
  "UnlistenStmt",
  "DropStmt",
  "ExecuteStmt",
  "ExplainStmt",
  "DoStmt",
  "CallStmt",
]);

function makePlan(statement: ParsedStatement): Plan {
  const { type, node, text } = statement;
  const kind = classify(text);
  const needs = sessionNeeds(statement);
  // SET LOCAL outside of a transaction is a warning, which HTTP has none of.
  const tunnel = needs.size > 0 || type === "VariableSetStmt" || type === "ConstraintsSetStmt";
  const resets = kind.type === "reset" || (kind.type === "set" && kind.value === undefined);
  return {
    way: tunnel ? "tunnel" : "http",
    kind,
    plain: plainTypes.has(type) && !tunnel,
    pins: pins(statement, kind, needs, resets),
    customSettings: customSettings(kind, needs, text),
    hides: hides(needs, text),
    frees: freeing.has(type) || resets || frees(needs),
    changesSchema: !schemaless.has(type) || node.intoClause !== undefined,
    harmless: type === "SelectStmt" && !tunnel && isHarmless(node),
  };
}

function frees(needs: ReadonlySet<SessionNeed>): boolean {
  return needs.has("advisoryLock") || needs.has("advisoryUnlock") || needs.has("setting");
}

/** The plan for one statement. */
export const planOf: (parser: Parser, sql: string) => Plan = planner(makePlan, unknownPlan);

function pins(
  { type, text }: ParsedStatement,
  kind: StatementClass,
  needs: ReadonlySet<SessionNeed>,
  resets: boolean,
): boolean {
  switch (type) {
    case "VariableSetStmt":
      return needs.has("setting") && !resets && kind.type !== "setTransaction";
    case "PrepareStmt":
    case "ListenStmt":
      return true;
    case "DeclareCursorStmt":
      return kind.type !== "declare" || kind.hold;
    case "ExecuteStmt":
      // The prepared statement may be anything, and be it for the last time.
      return true;
    default:
      return (
        needs.has("temporary") ||
        needs.has("advisoryLock") ||
        needs.has("unknown") ||
        (needs.has("setting") && type !== "DiscardStmt") ||
        // EXPLAIN ANALYZE EXECUTE, and what else holds one of these.
        (needs.has("prepared") && /^explain/i.test(text))
      );
  }
}

const named = /set_config\s*\(\s*'([^']+)'\s*,/gi;

function customSettings(kind: StatementClass, needs: ReadonlySet<SessionNeed>, text: string): string[] {
  if (kind.type === "set") return kind.name.includes(".") ? [kind.name.toLowerCase()] : [];
  if (!needs.has("setting")) return [];
  return [...text.matchAll(named)]
    .map(([, name = ""]) => name.toLowerCase())
    .filter((name) => name.includes("."));
}

/** A name that is computed, or in the body of a DO, may be any. */
function hides(needs: ReadonlySet<SessionNeed>, text: string): boolean {
  if (needs.has("unknown")) return /set_config\s*\(|\bset\s+(session\s+)?"?\w+"?\./i.test(text);
  return needs.has("setting") && /set_config\s*\(/i.test(text.replaceAll(named, ""));
}

/** The tag of a statement that has nothing to do in a session which holds nothing; undefined: it has to be run. */
export function tagInCleanSession({ kind }: Plan): string | undefined {
  const nothing =
    kind.type === "discard" ||
    (kind.type === "deallocate" && kind.name === undefined) ||
    (kind.type === "closeCursor" && kind.name === undefined) ||
    (kind.type === "reset" && kind.name === "all") ||
    kind.type === "unlisten";
  return nothing ? commandTag(kind) : undefined;
}
