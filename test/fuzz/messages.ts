// Generators of every message, and of the damage done to them.

import fc from "fast-check";
import type { BackendMessage, ErrorFields, FrontendMessage, StartupPacket } from "../../src/wire/mod.ts";

/** Names, statements, values: short and long, ASCII and not, never with U+0000. */
export const text: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 4, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 20 }) },
    { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
    { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 200 }) },
  )
  .map((value) => value.replaceAll("\0", ""));

const name = text.filter((value) => value !== "");
const data = fc.uint8Array({ maxLength: 40 });
const value = fc.option(data, { nil: null });
const values = fc.array(value, { maxLength: 6 });
const int16 = fc.integer({ min: -0x8000, max: 0x7fff });
const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const oid = fc.integer({ min: 0, max: 0xffffffff });
const formats = fc.array(int16, { maxLength: 6 });
const oids = fc.array(oid, { maxLength: 6 });
const secretKey = fc.uint8Array({ minLength: 4, maxLength: 256 });

export const errorFields: fc.Arbitrary<ErrorFields> = fc.record(
  {
    severity: fc.constantFrom("ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "DEBUG", "INFO", "LOG"),
    code: text,
    message: text,
    detail: text,
    hint: text,
    position: fc.nat(),
    internalPosition: fc.nat(),
    internalQuery: text,
    where: text,
    schema: text,
    table: text,
    column: text,
    dataType: text,
    constraint: text,
    file: text,
    line: fc.nat(),
    routine: text,
    unknown: fc.dictionary(fc.constantFrom("a", "z", "Q", "\u{ff}"), text, {
      minKeys: 1,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: ["severity", "code", "message"], noNullPrototype: true },
);

const kind = fc.constantFrom("S" as const, "P" as const);

/** The fields of one message; a CopyResponse has three types. */
type Body<Message, Type> = Message extends { type: infer Types }
  ? Type extends Types
    ? Omit<Message, "type">
    : never
  : never;

type Bodies<Message extends { type: string }> = {
  [Type in Message["type"]]: fc.Arbitrary<Body<Message, Type>>;
};

const empty = fc.constant({});

const frontendBodies: Bodies<FrontendMessage> = {
  Bind: fc.record({
    portal: text,
    statement: text,
    parameterFormats: formats,
    parameters: values,
    resultFormats: formats,
  }),
  Close: fc.record({ kind, name: text }),
  CopyData: fc.record({ data }),
  CopyDone: empty,
  CopyFail: fc.record({ message: text }),
  Describe: fc.record({ kind, name: text }),
  Execute: fc.record({ portal: text, maxRows: int32 }),
  Flush: empty,
  // As many formats as arguments, or one, or none: others are refused.
  FunctionCall: fc
    .tuple(oid, values, fc.constantFrom(0, 1, 2), int16)
    .map(([functionOid, args, shape, resultFormat]) => ({
      functionOid,
      argumentFormats: shape === 0 ? [] : shape === 1 ? [1] : args.map(() => 0),
      arguments: args,
      resultFormat,
    })),
  GSSResponse: fc.record({ data }),
  Parse: fc.record({ statement: text, query: text, parameterTypes: oids }),
  PasswordMessage: fc.record({ password: text }),
  Query: fc.record({ query: text }),
  SASLInitialResponse: fc.record({ mechanism: text, data: value }),
  SASLResponse: fc.record({ data }),
  Sync: empty,
  Terminate: empty,
};

const field = fc.record(
  {
    name: text,
    tableOid: oid,
    columnAttribute: int16,
    typeOid: oid,
    typeSize: int16,
    typeModifier: int32,
    format: int16,
  },
  { noNullPrototype: true },
);

const copyResponse = fc.record({ format: fc.nat({ max: 255 }), columnFormats: formats });

const backendBodies: Bodies<BackendMessage> = {
  AuthenticationCleartextPassword: empty,
  AuthenticationGSS: empty,
  AuthenticationGSSContinue: fc.record({ data }),
  AuthenticationKerberosV5: empty,
  AuthenticationMD5Password: fc.record({ salt: fc.uint8Array({ minLength: 4, maxLength: 4 }) }),
  AuthenticationOk: empty,
  AuthenticationSASL: fc.record({ mechanisms: fc.array(name, { maxLength: 4 }) }),
  AuthenticationSASLContinue: fc.record({ data }),
  AuthenticationSASLFinal: fc.record({ data }),
  AuthenticationSCMCredential: empty,
  AuthenticationSSPI: empty,
  BackendKeyData: fc.record({ processId: int32, secretKey }),
  BindComplete: empty,
  CloseComplete: empty,
  CommandComplete: fc.record({ tag: text }),
  CopyBothResponse: copyResponse,
  CopyData: fc.record({ data }),
  CopyDone: empty,
  CopyInResponse: copyResponse,
  CopyOutResponse: copyResponse,
  DataRow: fc.record({ values }),
  EmptyQueryResponse: empty,
  ErrorResponse: fc.record({ fields: errorFields }),
  FunctionCallResponse: fc.record({ value }),
  NegotiateProtocolVersion: fc.record({
    version: fc.integer({ min: 0x10000, max: 0x7fffffff }),
    options: fc.array(text, { maxLength: 4 }),
  }),
  NoData: empty,
  NoticeResponse: fc.record({ fields: errorFields }),
  NotificationResponse: fc.record({ processId: int32, channel: text, payload: text }),
  ParameterDescription: fc.record({ parameterTypes: oids }),
  ParameterStatus: fc.record({ name: text, value: text }),
  ParseComplete: empty,
  PortalSuspended: empty,
  ReadyForQuery: fc.record({ status: fc.constantFrom("I", "T", "E") }),
  RowDescription: fc.record({ fields: fc.array(field, { maxLength: 4 }) }),
};

function messages<Message extends { type: string }>(
  bodies: Bodies<Message>,
): Map<string, fc.Arbitrary<Message>> {
  const entries = Object.entries(bodies) as [string, fc.Arbitrary<object>][];
  return new Map(
    entries.map(([type, body]) => [type, body.map((fields) => ({ type, ...fields }) as unknown as Message)]),
  );
}

export const frontendMessages: Map<string, fc.Arbitrary<FrontendMessage>> = messages(frontendBodies);
export const backendMessages: Map<string, fc.Arbitrary<BackendMessage>> = messages(backendBodies);

export const frontendMessage: fc.Arbitrary<FrontendMessage> = fc.oneof(...frontendMessages.values());
export const backendMessage: fc.Arbitrary<BackendMessage> = fc.oneof(...backendMessages.values());

export const startupPacket: fc.Arbitrary<StartupPacket> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<StartupPacket>({ type: "SSLRequest" }) },
  { weight: 1, arbitrary: fc.constant<StartupPacket>({ type: "GSSENCRequest" }) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(int32, secretKey)
      .map<StartupPacket>(([processId, key]) => ({ type: "CancelRequest", processId, secretKey: key })),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat({ max: 0xffff }), fc.array(fc.tuple(name, text), { maxLength: 5 }))
      .map<StartupPacket>(([minor, parameters]) => ({
        type: "StartupMessage",
        version: 0x30000 | minor,
        parameters: new Map(parameters),
      })),
  },
);

/** Where, and what to put there. */
export type Damage = { at: number; change: "set" | "insert" | "remove" | "cut"; byte: number };

export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.record({
    at: fc.nat({ max: 0xffff }),
    change: fc.constantFrom("set", "set", "insert", "remove", "cut"),
    // The bytes that break things: lengths, terminators, signs, UTF-8 leads.
    byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xc3, 0xe2, 0xf0, 0xff), fc.nat({ max: 255 })),
  }),
  { minLength: 1, maxLength: 4 },
);

export function damage(bytes: Uint8Array, damageList: readonly Damage[]): Uint8Array {
  let result = Array.from(bytes);
  for (const { at, change, byte } of damageList) {
    const place = at % (result.length + 1);
    if (change === "set") result[Math.min(place, Math.max(result.length - 1, 0))] = byte;
    else if (change === "insert") result.splice(place, 0, byte);
    else if (change === "remove") result.splice(place, 1);
    else result = result.slice(0, place);
  }
  return Uint8Array.from(result);
}
