/**
 * The simple query protocol (PostgreSQL documentation, 53.2.2): statements one after the other, in one implicit
 * transaction where there are several; the first error ends the rest.
 */
import { commandTag } from "../sql/command-tag.ts";
import type { StatementClass } from "../sql/statement.ts";
import { constantFrames, writeCommandComplete } from "../wire/mod.ts";
import { type AnalyzedStatement, analyze } from "./analysis.ts";
import { beginsBlock, endsBlock, runBatch, runBlock, takesBatches } from "./batch.ts";
import { after, type RunningCall } from "./call.ts";
import { runStatement } from "./control.ts";
import { sendCopy } from "./copy.ts";
import { inStatement } from "./position.ts";
import { describeColumns, RowCursor } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Result, Statement } from "./upstream.ts";

export function runSimple(context: StatementContext, query: string, call: RunningCall): void | Promise<void> {
  const { transaction, prepared, portals, output } = context;
  // As in PostgreSQL, a simple query takes the unnamed statement and portal with it.
  prepared.close("");
  portals.close("");
  const statements = analyze(query);
  const [only] = statements;
  if (!only) {
    output.writer.raw(constantFrames.emptyQueryResponse);
    return;
  }
  if (statements.length > 1 || transaction.implicit) return runSeveral(context, query, statements, call);
  return after(runOne(context, query, only, call), (tag) => complete(context, tag));
}

async function runSeveral(
  context: StatementContext,
  query: string,
  statements: readonly AnalyzedStatement[],
  call: RunningCall,
): Promise<void> {
  const { transaction } = context;
  const last = statements.at(-1);
  // In the middle of a pipeline it joins the pipeline's transaction, which ends at Sync.
  const joins = transaction.implicit;
  if (takesBatches(context) && (await runAtOnce(context, statements, call))) return;
  try {
    for (const statement of statements) {
      refuseInFailedBlock(transaction.status, statement.kind);
      // BEGIN brings the modes of its own transaction.
      if (statement.kind.type !== "begin") await transaction.beginImplicit(call);
      const tag = await runOne(context, query, statement, call);
      // The last statement is complete when the transaction around it is: a deferred constraint may still fail.
      if (statement === last && !joins) await transaction.endImplicit(call, true);
      complete(context, tag);
    }
  } catch (error) {
    // A rollback that fails, too, is the operator's to know; the client is told what went wrong first.
    await transaction.endImplicit(call, false).catch((later: unknown) => context.error(later));
    throw error;
  }
}

/** Whether the upstream took all statements as one batch, and their results were sent. */
async function runAtOnce(
  context: StatementContext,
  statements: readonly AnalyzedStatement[],
  call: RunningCall,
): Promise<boolean> {
  const begin = statements[0]?.kind;
  // Between BEGIN and COMMIT the statements are what a batch is anyway.
  const block = statements.length > 2 && beginsBlock(begin) && endsBlock(statements.at(-1)?.kind);
  const within = block ? statements.slice(1, -1) : statements;
  if (!within.every(({ kind }) => kind.type === "other")) return false;
  const results = await (block ? runBlock : runBatch)(context, within.map(toRun), call);
  if (!results) return false;
  if (block) complete(context, commandTag(begin as StatementClass));
  for (const result of results) complete(context, await sendBody(context, result, call));
  if (block) complete(context, "COMMIT");
  return true;
}

/** Runs a statement and sends its result up to CommandComplete, whose tag it gives. */
function runOne(
  context: StatementContext,
  query: string,
  statement: AnalyzedStatement,
  call: RunningCall,
): string | Promise<string> {
  const { start, kind } = statement;
  return inStatement(query, start, () => {
    refuseInFailedBlock(context.transaction.status, kind);
    return after(runStatement(context, kind, toRun(statement), call), (result) =>
      sendBody(context, result, call),
    );
  });
}

function toRun({ text }: AnalyzedStatement): Statement {
  return { sql: text, parameters: [], parameterTypes: [], resultFormats: [] };
}

function complete({ output, transaction, portals }: StatementContext, tag: string): void {
  writeCommandComplete(output.writer, tag);
  if (transaction.status === "I" && !transaction.implicit) portals.clear();
}

function sendBody(context: StatementContext, result: Result, call: RunningCall): string | Promise<string> {
  const { output } = context;
  if (result.type === "command") return result.tag;
  if (result.type !== "rows") return sendCopy(result, output, context.openCopy, call);
  describeColumns(output.writer, result.columns);
  const cursor = new RowCursor(result, []);
  const tag = result.tag ?? "SELECT";
  return after(cursor.sendAll(output, call), (count) => tag + counted(tag, count));
}

/** The tags of SHOW, EXPLAIN and CALL carry no count. */
export function counted(tag: string, count: number): string {
  return uncounted.has(tag) ? "" : ` ${count}`;
}

const uncounted: ReadonlySet<string> = new Set(["SHOW", "EXPLAIN", "CALL"]);
