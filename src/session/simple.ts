/**
 * The simple query protocol (PostgreSQL documentation, 53.2.2): statements one after the other, in one implicit
 * transaction where there are several; the first error ends the rest.
 */
import { classify } from "../sql/classify.ts";
import { splitStatements } from "../sql/split.ts";
import { constantFrames, writeCommandComplete } from "../wire/mod.ts";
import type { RunningCall } from "./call.ts";
import { runStatement } from "./control.ts";
import { sendCopy } from "./copy.ts";
import { fromStatement } from "./position.ts";
import { describeColumns, RowCursor } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Result } from "./upstream.ts";

export async function runSimple(context: StatementContext, query: string, call: RunningCall): Promise<void> {
  const { transaction, prepared, portals, output } = context;
  // As in PostgreSQL, a simple query takes the unnamed statement and portal with it.
  prepared.close("");
  portals.close("");
  const statements = splitStatements(query);
  if (statements.length === 0) {
    output.writer.raw(constantFrames.emptyQueryResponse);
    return;
  }
  const last = statements.length - 1;
  let position = 0;
  try {
    for (const [at, { text, start }] of statements.entries()) {
      position = start;
      const kind = classify(text);
      refuseInFailedBlock(transaction.status, kind);
      if (last > 0) await transaction.beginImplicit(call);
      const statement = { sql: text, parameters: [], parameterTypes: [], resultFormats: [] };
      const result = await runStatement(context, kind, statement, call);
      const tag = await sendBody(context, result, call);
      // The last statement is complete when the transaction around it is: a deferred constraint may still fail.
      if (at === last && transaction.implicit) await transaction.endImplicit(call, true);
      writeCommandComplete(output.writer, tag);
      if (transaction.status === "I" && !transaction.implicit) portals.clear();
    }
  } catch (error) {
    await transaction.endImplicit(call, false);
    throw fromStatement(error, query, position);
  }
}

/** Sends a result up to its CommandComplete, whose tag it gives. */
async function sendBody(context: StatementContext, result: Result, call: RunningCall): Promise<string> {
  const { output } = context;
  switch (result.type) {
    case "command":
      return result.tag;
    case "rows": {
      describeColumns(output.writer, result.columns);
      const cursor = new RowCursor(result, []);
      try {
        const tag = result.tag ?? "SELECT";
        return tag + counted(tag, await cursor.send(output, 0, call));
      } catch (error) {
        cursor.close();
        throw error;
      }
    }
    default:
      return sendCopy(result, output, context.openCopy, call);
  }
}

/** The tags of SHOW, EXPLAIN and CALL carry no count. */
export function counted(tag: string, count: number): string {
  return uncounted.has(tag) ? "" : ` ${count}`;
}

const uncounted: ReadonlySet<string> = new Set(["SHOW", "EXPLAIN", "CALL"]);
