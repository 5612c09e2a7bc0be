/**
 * The extended query protocol (PostgreSQL documentation, 53.2.3 and 53.2.4 Pipelining), for a gathered pipeline: what
 * stands between two Syncs is one implicit transaction where it has more than one statement.
 */
import { classify } from "../sql/classify.ts";
import { countParameters } from "../sql/parameters.ts";
import { splitStatements } from "../sql/split.ts";
import type { StatementClass } from "../sql/statement.ts";
import { decodeBinary } from "../types/binary.ts";
import { oid, typeSize } from "../types/oid.ts";
import { PgError } from "../wire/error.ts";
import {
  constantFrames,
  encodeBackend,
  type FrontendMessage,
  frontendCodes,
  writeCommandComplete,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";
import type { RunningCall } from "./call.ts";
import { describeControl, runStatement } from "./control.ts";
import { type CopyInput, sendCopy } from "./copy.ts";
import type { Output } from "./output.ts";
import { fromStatement } from "./position.ts";
import { finish, type Portal, type PreparedStatement } from "./prepared.ts";
import { checkFormat, checkResultFormats, describeColumns, formatOf, RowCursor, settle } from "./rows.ts";
import { counted } from "./simple.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Description, Parameter, Result } from "./upstream.ts";

type Message<Type extends FrontendMessage["type"]> = Extract<FrontendMessage, { type: Type }>;
export type ExtendedMessage = Message<"Parse" | "Bind" | "Describe" | "Close" | "Execute">;

/** Runs a pipeline; `sync` tells that its end is known, so that a single statement needs no transaction around it. */
export async function runPipeline(
  context: StatementContext,
  messages: readonly ExtendedMessage[],
  sync: boolean,
  call: RunningCall,
): Promise<void> {
  const executes = messages.reduce((count, message) => count + (message.type === "Execute" ? 1 : 0), 0);
  const implicit = executes > 1 || !sync;
  for (const [at, message] of messages.entries()) {
    call.check();
    switch (message.type) {
      case "Parse":
        parse(context, message);
        break;
      case "Bind":
        await bind(context, message, call);
        break;
      case "Describe":
        if (message.kind === "S") await describeStatement(context, message.name, call);
        else
          await describePortal(
            context,
            message.name,
            isExecuteOf(messages[at + 1], message.name),
            implicit,
            call,
          );
        break;
      case "Execute":
        await execute(context, message, messages[at + 1], implicit, call);
        break;
      case "Close":
        if (message.kind === "S") context.prepared.close(message.name);
        else context.portals.close(message.name);
        context.output.writer.raw(constantFrames.closeComplete);
        break;
    }
  }
}

function parse(context: StatementContext, message: Message<"Parse">): void {
  const { prepared, transaction, output } = context;
  const [statement, second] = splitStatements(message.query);
  if (second) {
    throw new PgError(sqlstate.syntaxError, "cannot insert multiple commands into a prepared statement");
  }
  const kind = statement && classify(statement.text);
  if (kind) refuseInFailedBlock(transaction.status, kind);
  const sql = statement?.text ?? "";
  prepared.add({
    name: message.statement,
    query: message.query,
    sql,
    start: statement?.start ?? 0,
    kind,
    parameterTypes: message.parameterTypes,
    parameterCount: Math.max(countParameters(sql), message.parameterTypes.length),
  });
  output.writer.raw(constantFrames.parseComplete);
}

async function bind(context: StatementContext, message: Message<"Bind">, call: RunningCall): Promise<void> {
  const { prepared, portals, transaction, output } = context;
  const statement = prepared.get(message.statement);
  const formats = message.parameterFormats;
  const values = message.parameters;
  if (formats.length > 1 && formats.length !== values.length) {
    throw new PgError(
      sqlstate.protocolViolation,
      `bind message has ${formats.length} parameter formats but ${values.length} parameters`,
    );
  }
  if (values.length !== statement.parameterCount) {
    throw new PgError(
      sqlstate.protocolViolation,
      `bind message supplies ${values.length} parameters, but prepared statement "${statement.name}" requires ${statement.parameterCount}`,
    );
  }
  refuseInFailedBlock(transaction.status, statement.kind);
  for (const format of formats) checkFormat(format);
  const types = formats.includes(1)
    ? await parameterTypes(context, statement, call)
    : statement.parameterTypes;
  const parameters = values.map((value, at): Parameter => {
    if (value === null || typeof value === "string") return value;
    if (formatOf(formats, at) === 0) return textParameter(value);
    return binaryParameter(types[at] ?? 0, value, at);
  });
  portals.add({
    name: message.portal,
    statement,
    parameters,
    parameterTypes: types,
    resultFormats: message.resultFormats,
    depth: transaction.depth,
    state: { type: "bound" },
  });
  output.writer.raw(constantFrames.bindComplete);
}

/** Text as it was sent; a NUL, which no text of PostgreSQL can hold, is refused as bytes that are not UTF-8 are. */
function textParameter(value: Uint8Array): string {
  const text = decodeText(value);
  if (!text.includes("\0")) return text;
  throw new PgError(sqlstate.characterNotInRepertoire, 'invalid byte sequence for encoding "UTF8": 0x00');
}

function binaryParameter(typeOid: number, value: Uint8Array, at: number): Parameter {
  const size = typeSize(typeOid);
  if (size > 0 && value.length < size && typeOid !== oid.name) {
    throw new PgError(sqlstate.protocolViolation, "insufficient data left in message");
  }
  if (size > 0 && value.length > size && typeOid !== oid.name) {
    throw new PgError(
      sqlstate.invalidBinaryRepresentation,
      `incorrect binary data format in bind parameter ${at + 1}`,
    );
  }
  return decodeBinary(typeOid, value) ?? value;
}

/** The types of binary parameters: the client's own, else what the upstream makes of the statement. */
async function parameterTypes(
  context: StatementContext,
  statement: PreparedStatement,
  call: RunningCall,
): Promise<readonly number[]> {
  const own = statement.parameterTypes;
  const complete = own.length >= statement.parameterCount && own.every((type) => type !== 0);
  if (complete || !context.upstream.describe) return own;
  return (await describe(context, statement, call)).parameterTypes;
}

/** Asks the upstream for a statement's types, once. Nothing is run for it. */
async function describe(
  context: StatementContext,
  statement: PreparedStatement,
  call: RunningCall,
): Promise<Description> {
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
  try {
    statement.description = await settle(upstream.describe(asked, call), call);
  } catch (error) {
    throw fromStatement(error, statement.query, statement.start);
  }
  return statement.description;
}

async function describeStatement(context: StatementContext, name: string, call: RunningCall): Promise<void> {
  const { prepared, output, transaction } = context;
  const statement = prepared.get(name);
  const { columns, parameterTypes } = describeWithoutUpstream(context, statement) ?? {
    ...(await describe(context, statement, call)),
  };
  if (columns && statement.kind) refuseInFailedBlock(transaction.status, statement.kind);
  encodeBackend(output.writer, { type: "ParameterDescription", parameterTypes: [...parameterTypes] });
  if (columns) describeColumns(output.writer, columns);
  else output.writer.raw(constantFrames.noData);
}

/** Empty queries and the session's own statements have nothing that an upstream would know. */
function describeWithoutUpstream(
  context: StatementContext,
  statement: PreparedStatement,
): Description | undefined {
  if (!statement.kind) return { parameterTypes: statement.parameterTypes };
  const own = describeControl(statement.kind, context.upstream);
  return own && { parameterTypes: statement.parameterTypes, columns: own.columns };
}

async function describePortal(
  context: StatementContext,
  name: string,
  executeFollows: boolean,
  implicit: boolean,
  call: RunningCall,
): Promise<void> {
  const { portals, output, transaction } = context;
  const portal = portals.get(name);
  const { statement } = portal;
  if (statement.kind) refuseInFailedBlock(transaction.status, statement.kind);
  const own = describeWithoutUpstream(context, statement);
  // Where Execute comes next, the result itself tells its columns, and a round trip to the upstream is saved.
  if (!own && portal.state.type === "bound" && executeFollows) await start(context, portal, implicit, call);
  const columns =
    portal.state.type === "rows"
      ? portal.state.columns
      : portal.state.type === "started"
        ? undefined
        : (own ?? (await describe(context, statement, call))).columns;
  if (columns) {
    checkResultFormats(portal.resultFormats, columns.length);
    describeColumns(output.writer, columns, portal.resultFormats);
  } else output.writer.raw(constantFrames.noData);
}

function isExecuteOf(message: ExtendedMessage | undefined, portal: string): boolean {
  return message?.type === "Execute" && message.portal === portal;
}

/** Runs a portal's statement, up to its first row. */
async function start(
  context: StatementContext,
  portal: Portal,
  implicit: boolean,
  call: RunningCall,
): Promise<void> {
  const { transaction } = context;
  const { statement } = portal;
  const kind = statement.kind as StatementClass;
  if (implicit && kind.type !== "begin") await transaction.beginImplicit(call);
  const result = await run(context, portal, kind, call);
  if (result.type === "rows") {
    checkResultFormats(portal.resultFormats, result.columns.length);
    for (const format of portal.resultFormats) checkFormat(format);
    portal.state = {
      type: "rows",
      columns: result.columns,
      tag: result.tag ?? "SELECT",
      cursor: new RowCursor(result, portal.resultFormats),
    };
  } else portal.state = { type: "started", result };
}

async function run(
  context: StatementContext,
  portal: Portal,
  kind: StatementClass,
  call: RunningCall,
): Promise<Result> {
  const { sql, query, start } = portal.statement;
  const { parameters, parameterTypes, resultFormats } = portal;
  try {
    return await runStatement(context, kind, { sql, parameters, parameterTypes, resultFormats }, call);
  } catch (error) {
    throw fromStatement(error, query, start);
  }
}

async function execute(
  context: StatementContext,
  message: Message<"Execute">,
  next: ExtendedMessage | undefined,
  implicit: boolean,
  call: RunningCall,
): Promise<void> {
  const { portals, output, transaction } = context;
  const { writer } = output;
  const portal = portals.get(message.portal);
  const { kind } = portal.statement;
  if (!kind) {
    writer.raw(constantFrames.emptyQueryResponse);
    return;
  }
  refuseInFailedBlock(transaction.status, kind);
  if (portal.state.type === "done") {
    throw new PgError(sqlstate.objectNotInPrerequisiteState, `portal "${portal.name}" cannot be run`);
  }
  if (portal.state.type === "bound") await start(context, portal, implicit, call);
  const { state } = portal;
  if (state.type === "started") {
    finish(portal);
    const { result } = state;
    const openCopy = (input: CopyInput): void => {
      context.openCopy(input);
      // What was pipelined behind Execute is read as part of the COPY, as PostgreSQL does.
      if (next) input.unexpected(frontendCodes[next.type]);
    };
    const tag = result.type === "command" ? result.tag : await sendCopy(result, output, openCopy, call);
    writeCommandComplete(writer, tag);
  } else if (state.type === "rows") {
    // A limit of zero or less is none (PostgreSQL takes negative ones so, too).
    const limit = Math.max(message.maxRows, 0);
    const count = await sendRows(portal, state.cursor, output, limit, call);
    // PostgreSQL does not look ahead: a portal that gave exactly `limit` rows is suspended, even if it was the last row.
    if (limit > 0 && count === limit) writer.raw(constantFrames.portalSuspended);
    else writeCommandComplete(writer, state.tag + counted(state.tag, count));
  }
  // A block that ended took the portals with it; the running one is among them.
  if ((kind.type === "commit" || kind.type === "rollback") && transaction.status === "I") portals.clear();
}

/** Sends rows of a portal, which ends if that fails: it may be older than the savepoint to which a client goes back. */
async function sendRows(
  portal: Portal,
  cursor: RowCursor,
  output: Output,
  limit: number,
  call: RunningCall,
): Promise<number> {
  try {
    return await cursor.send(output, limit, call);
  } catch (error) {
    finish(portal);
    throw error;
  }
}
