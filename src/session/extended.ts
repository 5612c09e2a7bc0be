/**
 * The extended query protocol (PostgreSQL documentation, 53.2.3 and 53.2.4 Pipelining), for a gathered pipeline: what
 * stands between two Syncs is one implicit transaction where it has more than one statement.
 */
import type { StatementClass } from "../sql/statement.ts";
import { oid } from "../types/oid.ts";
import { PgError } from "../wire/error.ts";
import { constantFrames, encodeBackend, frontendCodes, writeCommandComplete } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { Batch, takesBatches } from "./batch.ts";
import { makePortal } from "./bind.ts";
import { after, guard, type RunningCall } from "./call.ts";
import { runStatement } from "./control.ts";
import { cursorOf } from "./conversion.ts";
import { type CopyInput, sendCopy } from "./copy.ts";
import { describe, describeWithoutUpstream } from "./description.ts";
import { foresee } from "./foresee.ts";
import type { Output } from "./output.ts";
import { type ExtendedMessage, isExecuteOf, type Message, type Pipeline } from "./pipeline.ts";
import { inStatement } from "./position.ts";
import { finish, type Portal, type PreparedStatement, prepareStatement } from "./prepared.ts";
import { checkFormat, checkResultFormats, describeColumns, type RowCursor, settle } from "./rows.ts";
import { counted } from "./simple.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Column, Description, Result, RowsResult } from "./upstream.ts";

/** Runs a pipeline; `sync` tells that its end is known, so that a single statement needs no transaction around it. */
export function runPipeline(
  context: StatementContext,
  messages: readonly ExtendedMessage[],
  sync: boolean,
  call: RunningCall,
): void | Promise<void> {
  let executes = 0;
  for (const { type } of messages) if (type === "Execute") executes++;
  const plain = { context, messages, implicit: executes > 1 || !sync, call, batch: undefined };
  if (executes > 1 && sync && takesBatches(context)) return runAtOnce(plain);
  return runFrom(plain, 0);
}

async function runAtOnce(pipeline: Pipeline): Promise<void> {
  const { context, messages, call } = pipeline;
  const foreseen = await foresee(context, messages, call);
  await runFrom(foreseen ? { ...pipeline, batch: new Batch(foreseen) } : pipeline, 0);
}

function runFrom(pipeline: Pipeline, first: number): void | Promise<void> {
  for (let at = first; at < pipeline.messages.length; at++) {
    pipeline.call.check();
    const pending = runMessage(pipeline, at);
    if (pending) return pending.then(() => runFrom(pipeline, at + 1));
  }
}

function runMessage(pipeline: Pipeline, at: number): void | Promise<void> {
  const { context, messages, call } = pipeline;
  const message = messages[at] as ExtendedMessage;
  const next = messages[at + 1];
  switch (message.type) {
    case "Parse":
      return parse(pipeline, message);
    case "Bind":
      return bind(pipeline, message);
    case "Describe":
      if (message.kind === "S") return describeStatement(context, message.name, call);
      return describePortal(pipeline, message.name, isExecuteOf(next, message.name));
    case "Execute":
      return execute(pipeline, message, next);
    case "Close":
      if (message.kind === "S") context.prepared.close(message.name);
      else context.portals.close(message.name);
      context.output.writer.raw(constantFrames.closeComplete);
  }
}

function parse({ context, batch }: Pipeline, message: Message<"Parse">): void {
  const { prepared, transaction, output } = context;
  const statement =
    batch?.foreseen.prepared.get(message) ??
    prepareStatement(message.statement, message.query, message.parameterTypes);
  if (statement.kind) refuseInFailedBlock(transaction.status, statement.kind);
  prepared.add(statement);
  output.writer.raw(constantFrames.parseComplete);
}

function bind({ context, batch, call }: Pipeline, message: Message<"Bind">): void | Promise<void> {
  const portal =
    batch?.foreseen.portals.get(message) ??
    makePortal(context, message, context.prepared.get(message.statement), call);
  return after(portal, (made) => {
    context.portals.add(made);
    context.output.writer.raw(constantFrames.bindComplete);
  });
}

function describeStatement(context: StatementContext, name: string, call: RunningCall): void | Promise<void> {
  const statement = context.prepared.get(name);
  const description = describeWithoutUpstream(context, statement) ?? describe(context, statement, call);
  return after(description, (known) => {
    const { told } = statement;
    if (told && known.columns && differ(told, known.columns)) throw staleStatement();
    sendDescription(context, statement, known);
  });
}

function sendDescription(
  { output, transaction }: StatementContext,
  statement: PreparedStatement,
  { columns, parameterTypes }: Description,
): void {
  if (columns && statement.kind) refuseInFailedBlock(transaction.status, statement.kind);
  encodeBackend(output.writer, { type: "ParameterDescription", parameterTypes: [...parameterTypes] });
  if (columns) describeColumns(output.writer, columns);
  else output.writer.raw(constantFrames.noData);
}

function describePortal(pipeline: Pipeline, name: string, executeFollows: boolean): void | Promise<void> {
  const { context, call } = pipeline;
  if (!context.portals.has(name)) return describeCursor(context, name, call);
  const portal = context.portals.get(name);
  const { statement } = portal;
  if (statement.kind) refuseInFailedBlock(context.transaction.status, statement.kind);
  const own = describeWithoutUpstream(context, statement);
  if (own) return sendColumns(context, portal, own.columns);
  // Where Execute comes next, the result itself tells its columns, and a round trip to the upstream is saved.
  const started = portal.state.type === "bound" && executeFollows ? start(pipeline, portal) : undefined;
  return after(started, () => {
    if (portal.state.type === "rows") return sendColumns(context, portal, portal.state.columns);
    if (portal.state.type === "started") return sendColumns(context, portal, undefined);
    return after(describe(context, statement, call), ({ columns }) => sendColumns(context, portal, columns));
  });
}

/** A cursor that was made by DECLARE is a portal, too; which the upstream has, if it has cursors. */
function describeCursor(context: StatementContext, name: string, call: RunningCall): void | Promise<void> {
  const { portals, transaction, upstream, output } = context;
  if (name === "" || !upstream.describe || transaction.status === "E") portals.get(name);
  const sql = `FETCH 0 FROM "${name.replaceAll('"', '""')}"`;
  const description = guard(
    () => settle(upstream.describe?.({ sql, parameterTypes: [] }, call), call),
    (error) => {
      if (error instanceof PgError && error.code === sqlstate.invalidCursorName) portals.get(name);
      throw error;
    },
  );
  return after(description, (known) => {
    if (!known?.columns) portals.get(name);
    else describeColumns(output.writer, known.columns);
  });
}

function sendColumns(
  { output }: StatementContext,
  portal: Portal,
  columns: readonly Column[] | undefined,
): void {
  if (columns) {
    checkResultFormats(portal.resultFormats, columns.length);
    describeColumns(output.writer, columns, portal.resultFormats);
  } else output.writer.raw(constantFrames.noData);
}

/** Runs a portal's statement, up to its first row. */
function start(pipeline: Pipeline, portal: Portal): void | Promise<void> {
  const { batch, context, call } = pipeline;
  if (!batch) return startAlone(pipeline, portal);
  return after(batch.next(context, call), (result) =>
    result ? started(pipeline, portal, result) : startAlone(pipeline, portal),
  );
}

function startAlone(pipeline: Pipeline, portal: Portal): void | Promise<void> {
  const { context, implicit, call } = pipeline;
  const kind = portal.statement.kind as StatementClass;
  const begun = implicit && kind.type !== "begin" ? context.transaction.beginImplicit(call) : undefined;
  const result = after<void, Result>(begun, () => run(context, portal, kind, call));
  return after(result, (first) => started(pipeline, portal, first));
}

function started({ context, call }: Pipeline, portal: Portal, given: Result): void | Promise<void> {
  if (given.type !== "rows") {
    portal.state = { type: "started", result: given };
    return;
  }
  const result = asTold(portal.statement, given);
  const { columns, tag = "SELECT" } = result;
  const { resultFormats: formats } = portal;
  checkResultFormats(formats, columns.length);
  for (const format of formats) checkFormat(format);
  return after(cursorOf(context, result, formats, call), (cursor) => {
    portal.state = { type: "rows", columns, tag, cursor };
  });
}

/**
 * Clients decode by what Describe told them: its types hold even where the upstream, with values at hand, knows better.
 * Of what the first run told, a later one may not differ. A change of data has been made: an error would deny that.
 */
function asTold(statement: PreparedStatement, result: RowsResult): RowsResult {
  const described = statement.description?.columns;
  const { columns } = result;
  if (described) {
    if (described.length !== columns.length) throw staleStatement();
    return { ...result, columns: described };
  }
  const told = statement.told;
  if (!told || /^(INSERT|UPDATE|DELETE|MERGE)/.test(result.tag ?? "")) {
    statement.told = columns;
  } else if (differ(told, columns)) throw staleStatement();
  return result;
}

function differ(told: readonly Column[], columns: readonly Column[]): boolean {
  const type = (column: Column | undefined): number => column?.typeOid ?? oid.text;
  return told.length !== columns.length || told.some((column, at) => type(column) !== type(columns[at]));
}

/** Drivers know it by PostgreSQL's own function, and prepare the statement anew. */
function staleStatement(): PgError {
  return new PgError(sqlstate.featureNotSupported, "cached plan must not change result type", {
    routine: "RevalidateCachedQuery",
  });
}

function run(
  context: StatementContext,
  portal: Portal,
  kind: StatementClass,
  call: RunningCall,
): Result | Promise<Result> {
  const { sql, query, start } = portal.statement;
  const { parameters, parameterTypes, resultFormats } = portal;
  return inStatement(query, start, () =>
    runStatement(context, kind, { sql, parameters, parameterTypes, resultFormats }, call),
  );
}

function execute(
  pipeline: Pipeline,
  message: Message<"Execute">,
  next: ExtendedMessage | undefined,
): void | Promise<void> {
  const { portals, output, transaction } = pipeline.context;
  const portal = portals.get(message.portal);
  const { kind } = portal.statement;
  if (!kind) {
    output.writer.raw(constantFrames.emptyQueryResponse);
    return;
  }
  refuseInFailedBlock(transaction.status, kind);
  if (portal.state.type === "done") {
    throw new PgError(sqlstate.objectNotInPrerequisiteState, `portal "${portal.name}" cannot be run`);
  }
  const ready = portal.state.type === "bound" ? start(pipeline, portal) : undefined;
  const sent = after<void, void>(ready, () => sendPortal(pipeline, portal, message.maxRows, next));
  if (kind.type !== "commit" && kind.type !== "rollback") return sent;
  // A block that ended took the portals with it; the running one is among them.
  return after(sent, () => {
    if (transaction.status === "I") portals.clear();
  });
}

/** Sends what Execute asks of a portal that has been started. */
function sendPortal(
  { context, call }: Pipeline,
  portal: Portal,
  maxRows: number,
  next: ExtendedMessage | undefined,
): void | Promise<void> {
  const { output } = context;
  const { writer } = output;
  const { state } = portal;
  if (state.type === "started") {
    finish(portal);
    const { result } = state;
    if (result.type === "command") return writeCommandComplete(writer, result.tag);
    const openCopy = (input: CopyInput): void => {
      context.openCopy(input);
      // What was pipelined behind Execute is read as part of the COPY, as PostgreSQL does.
      if (next) input.unexpected(frontendCodes[next.type]);
    };
    return after(sendCopy(result, output, openCopy, call), (tag) => writeCommandComplete(writer, tag));
  }
  if (state.type !== "rows") return;
  // A limit of zero or less is none (PostgreSQL takes negative ones so, too).
  const limit = Math.max(maxRows, 0);
  return after(sendRows(portal, state.cursor, output, limit, call), (count) => {
    // PostgreSQL does not look ahead: a portal that gave exactly `limit` rows is suspended, even if it was the last row.
    if (limit > 0 && count === limit) writer.raw(constantFrames.portalSuspended);
    else writeCommandComplete(writer, state.tag + counted(state.tag, count));
  });
}

/** Sends rows of a portal, which ends if that fails: it may be older than the savepoint to which a client goes back. */
function sendRows(
  portal: Portal,
  cursor: RowCursor,
  output: Output,
  limit: number,
  call: RunningCall,
): number | Promise<number> {
  return guard(
    () => cursor.send(output, limit, call),
    (error) => {
      finish(portal);
      throw error;
    },
  );
}
