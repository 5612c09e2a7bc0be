/** What a parse tree shows of a statement, to APIs that give each request a session of its own. */
import type { ParsedStatement } from "../sql/mod.ts";

const changes: ReadonlySet<string> = new Set(["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);

/** INSERT and its kin. */
export function changesData({ type }: ParsedStatement): boolean {
  return changes.has(type);
}

/** A SELECT that makes no table. */
export function isQuery({ type, node }: ParsedStatement): boolean {
  return type === "SelectStmt" && node.intoClause === undefined;
}

export function hasReturning({ node }: ParsedStatement): boolean {
  return Array.isArray(node.returningList) && node.returningList.length > 0;
}

const makers: ReadonlySet<string> = new Set([
  "CreateStmt",
  "CreateTableAsStmt",
  "ViewStmt",
  "CreateSeqStmt",
  "CreateFunctionStmt",
  "CreateDomainStmt",
  "CreateEnumStmt",
  "CompositeTypeStmt",
]);

/** The tree has two spellings of the field. */
const dropsOnCommit = /"on[cC]ommit":"ONCOMMIT_DROP"/;

/** Whether a statement about something temporary makes it, for longer than its transaction. */
export function outlivesTransaction({ type, node }: ParsedStatement): boolean {
  const makes = node.intoClause !== undefined || makers.has(type);
  return makes && !dropsOnCommit.test(JSON.stringify(node));
}
