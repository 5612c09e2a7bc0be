/** Bind: a prepared statement and values for its parameters become a portal (PostgreSQL documentation, 53.2.3). */
import { type BuiltInTypes, defaultSettings } from "../types/mod.ts";
import { oid, typeSize } from "../types/oid.ts";
import { PgError } from "../wire/error.ts";
import type { FrontendMessage } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";
import { after, guard, type RunningCall } from "./call.ts";
import { typesOf } from "./conversion.ts";
import { describe } from "./description.ts";
import type { Portal, PreparedStatement } from "./prepared.ts";
import { checkFormat, formatOf } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import { refuseInFailedBlock } from "./transaction.ts";
import type { Parameter } from "./upstream.ts";

type Bind = Extract<FrontendMessage, { type: "Bind" }>;

/** The portal that Bind asks for, which is not kept yet. @throws PgError for what does not fit the statement */
export function makePortal(
  context: StatementContext,
  message: Bind,
  statement: PreparedStatement,
  call: RunningCall,
): Portal | Promise<Portal> {
  const { transaction } = context;
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
  const types = formats.includes(1) ? parameterTypes(context, statement, call) : statement.parameterTypes;
  return after(types, (known) => {
    const binary = known.filter((_, at) => formatOf(formats, at) === 1);
    return after(typesOf(context.upstream, binary, call), (codecs) =>
      portalOf(message, statement, { oids: known, codecs }, transaction.depth),
    );
  });
}

function portalOf(
  message: Bind,
  statement: PreparedStatement,
  { oids, codecs }: { readonly oids: readonly number[]; readonly codecs: BuiltInTypes },
  depth: number,
): Portal {
  const parameters = message.parameters.map((value, at): Parameter => {
    if (value === null || typeof value === "string") return value;
    const format = formatOf(message.parameterFormats, at);
    return inParameter(message.portal, at, () => {
      checkFormat(format);
      return format === 0 ? textParameter(value) : binaryParameter(codecs, oids[at] ?? 0, value, at);
    });
  });
  return {
    name: message.portal,
    statement,
    parameters,
    parameterTypes: oids,
    resultFormats: message.resultFormats,
    depth,
    state: { type: "bound" },
  };
}

/** The errors of a parameter have its number in their context. */
function inParameter(portal: string, at: number, work: () => Parameter): Parameter {
  return guard(work, (cause) => {
    if (!(cause instanceof PgError)) throw cause;
    const { code, message, ...fields } = cause.fields;
    const where = `${portal === "" ? "unnamed portal" : `portal "${portal}"`} parameter $${at + 1}`;
    throw new PgError(code, message, { ...fields, where });
  }) as Parameter;
}

/** Text as it was sent; a NUL, which no text of PostgreSQL can hold, is refused as bytes that are not UTF-8 are. */
function textParameter(value: Uint8Array): string {
  const text = decodeText(value);
  if (!text.includes("\0")) return text;
  throw new PgError(sqlstate.characterNotInRepertoire, 'invalid byte sequence for encoding "UTF8": 0x00');
}

/** The text of a value; its bytes, where nobody knows the type. A value that ends too early its codec refuses. */
function binaryParameter(types: BuiltInTypes, typeOid: number, value: Uint8Array, at: number): Parameter {
  const size = typeSize(typeOid);
  if (size > 0 && value.length > size && typeOid !== oid.name) {
    throw new PgError(
      sqlstate.invalidBinaryRepresentation,
      `incorrect binary data format in bind parameter ${at + 1}`,
    );
  }
  return types.find(typeOid)?.decode(value, defaultSettings) ?? value;
}

/** The types of binary parameters: the client's own, else what the upstream makes of the statement. */
function parameterTypes(
  context: StatementContext,
  statement: PreparedStatement,
  call: RunningCall,
): readonly number[] | Promise<readonly number[]> {
  const own = statement.parameterTypes;
  const complete = own.length >= statement.parameterCount && own.every((type) => type !== 0);
  if (complete || !context.upstream.describe) return own;
  return after(describe(context, statement, call), (description) => description.parameterTypes);
}
