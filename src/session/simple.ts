/**
 * The simple query protocol (PostgreSQL documentation, 53.2.2): statements one after the other, in one implicit
 * transaction where there are several; the first error ends the rest.
 */
import { classify } from "../sql/classify.ts";
import { splitStatements } from "../sql/split.ts";
import { constantFrames, writeCommandComplete } from "../wire/mod.ts";
import type { RunningCall } from "./call.ts";
import { runControl } from "./control.ts";
import { sendCopy } from "./copy.ts";
import { fromStatement } from "./position.ts";
import { describeColumns, RowCursor, settle } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Result } from "./upstream.ts";

export async function runSimple(context: StatementContext, query: string, call: RunningCall): Promise<void> {
  const { transaction, upstream, prepared, portals, output } = context;
  // As in PostgreSQL, a simple query takes the unnamed statement and portal with it.
  prepared.close("");
  portals.close("");
  const statements = splitStatements(query);
  if (statements.length === 0) {
    output.writer.raw(constantFrames.emptyQueryResponse);
    return;
  }
  const several = statements.length > 1;
  let at = 0;
  try {
    for (const { text, start } of statements) {
      at = start;
      const kind = classify(text);
      refuseInFailedBlock(transaction.status, kind);
      if (several) await transaction.beginImplicit(call);
      const result =
        (await runControl(context, kind, call)) ??
        (await settle(
          upstream.query({ sql: text, parameters: [], parameterTypes: [], resultFormats: [] }, call),
          call,
        ));
      await sendResult(context, result, call);
      if (transaction.status === "I" && !transaction.implicit) portals.clear();
    }
  } catch (error) {
    await transaction.endImplicit(call, false);
    throw fromStatement(error, query, at);
  }
  await transaction.endImplicit(call, true);
}

async function sendResult(context: StatementContext, result: Result, call: RunningCall): Promise<void> {
  const { output } = context;
  writeCommandComplete(output.writer, await sendBody(context, result, call));
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
        return `${result.tag ?? "SELECT"}${counted(result.tag, await cursor.send(output, 0, call))}`;
      } catch (error) {
        cursor.close();
        throw error;
      }
    }
    default:
      return sendCopy(result, output, context.openCopy, call);
  }
}

/** SHOW's and EXPLAIN's tags carry no count. */
export function counted(tag: string | undefined, count: number): string {
  return tag === "SHOW" || tag === "EXPLAIN" ? "" : ` ${count}`;
}
