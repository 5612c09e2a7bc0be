/**
 * How a statement is sent, from its parse tree: what of its result matters, and in which way that can be had through an
 * API that gives nothing but rows.
 */
import {
  classify,
  type ParsedStatement,
  type Parser,
  type SessionNeed,
  type StatementClass,
  sessionNeeds,
} from "../../sql/mod.ts";
import { oid } from "../../types/mod.ts";
import { isHarmless } from "../harmless.ts";
import { planner } from "../planner.ts";
import { type SetConfig, setConfigOf } from "../set-config.ts";
import { changesData, hasReturning, isQuery, outlivesTransaction } from "../statement-traits.ts";

/**
 * - `rows`: a query, or a change of data with RETURNING: it stands in WITH, and its rows come as text
 * - `count`: a change of data without: the same, with the number of its rows
 * - `table`: CREATE TABLE AS and its kin: EXPLAIN ANALYZE runs them, and tells how many rows there were
 * - `utility`: EXPLAIN, whose rows PL/pgSQL reads
 * - `call`: CALL, which has a row where the procedure has output arguments
 * - `command`: what gives nothing
 */
export type Shape = "rows" | "count" | "table" | "utility" | "call" | "command";

export interface Plan {
  readonly shape: Shape;
  readonly kind: StatementClass;
  readonly needs: ReadonlySet<SessionNeed>;
  /** Undefined for a text that the parser does not know. */
  readonly statement: ParsedStatement | undefined;
  /** It changes data, in itself or in its WITH: it is not to be run in order to describe it. */
  readonly changesData: boolean;
  /** It may change something, be it by a function that it calls. */
  readonly mayChange: boolean;
  readonly merges: boolean;
  /** The type of the column that EXPLAIN gives: text, json or xml. */
  readonly utilityType: number;
  /** Descriptions may be out of date afterwards. */
  readonly changesSchema: boolean;
  /** What it sets for the session, where the gateway can keep that. */
  readonly setConfig: SetConfig | undefined;
  /** Makes something temporary that outlives the transaction. */
  readonly makesTemporary: boolean;
}

/** A text that the parser does not know may be that of a newer server. */
function unknown(sql: string): Plan {
  const kind = classify(sql);
  const rows = kind.type === "other" && kind.returnsRows === true && kind.verb !== "EXPLAIN";
  return {
    shape: rows ? "rows" : "command",
    kind,
    needs: new Set(),
    statement: undefined,
    changesData: true,
    mayChange: true,
    merges: false,
    utilityType: oid.text,
    changesSchema: true,
    setConfig: undefined,
    makesTemporary: false,
  };
}

const schemaless: ReadonlySet<string> = new Set([
  "ExplainStmt",
  "LockStmt",
  "NotifyStmt",
  "TruncateStmt",
  "VacuumStmt",
  "ConstraintsSetStmt",
]);
const holdsChange = /"(InsertStmt|UpdateStmt|DeleteStmt|MergeStmt)":/;

function makePlan(statement: ParsedStatement): Plan {
  const { type, node, text } = statement;
  const query = isQuery(statement);
  const changes = changesData(statement);
  const preparable = query || changes;
  const needs = sessionNeeds(statement);
  const tree = preparable ? JSON.stringify(node) : "";
  const changing = changes || (query && holdsChange.test(tree));
  return {
    shape: shapeOf(statement),
    kind: classify(text),
    needs,
    statement,
    changesData: changing,
    mayChange: changing || !preparable || !isHarmless(node),
    merges: type === "MergeStmt",
    utilityType: type === "ExplainStmt" ? explainType(node.options) : oid.text,
    changesSchema: !preparable && !schemaless.has(type),
    setConfig: needs.has("setting") ? setConfigOf(statement) : undefined,
    makesTemporary: needs.has("temporary") && outlivesTransaction(statement),
  };
}

function shapeOf(statement: ParsedStatement): Shape {
  const { type, node } = statement;
  if (isQuery(statement)) return "rows";
  if (changesData(statement)) return hasReturning(statement) ? "rows" : "count";
  switch (type) {
    case "SelectStmt":
      return "table";
    case "CreateTableAsStmt":
      // WITH NO DATA has no count.
      return /"skipData":true/.test(JSON.stringify(node.into)) ? "command" : "table";
    case "ExplainStmt":
    case "VariableShowStmt":
      return "utility";
    case "CallStmt":
      return "call";
    default:
      return "command";
  }
}

/** EXPLAIN (FORMAT …); the last one counts. */
function explainType(options: unknown): number {
  if (!Array.isArray(options)) return oid.text;
  const formats = (options as ExplainOption[]).filter(({ DefElem: option }) => option?.defname === "format");
  const format = formats.at(-1)?.DefElem?.arg?.String?.sval?.toLowerCase();
  return format === "json" ? oid.json : format === "xml" ? oid.xml : oid.text;
}

interface ExplainOption {
  readonly DefElem?: {
    readonly defname?: string;
    readonly arg?: { readonly String?: { readonly sval?: string } };
  };
}

/** The plan for one statement. */
export const planOf: (parser: Parser, sql: string) => Plan = planner(makePlan, unknown);
