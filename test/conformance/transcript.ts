/**
 * What a transcript is: frontend messages in the order in which they are sent, and, where the next one depends on an
 * answer, what is waited for before. The answers are not written down by hand: they are PostgreSQL's, recorded in
 * answers/ and compared by the tests of this folder.
 */
import { encodeFrontend, type FrontendInput, Writer } from "../../src/wire/mod.ts";

/**
 * Bytes to send; or what must have come before the next bytes are sent: a backend message, by its type byte, or bytes
 * that are no message, as the answers to SSLRequest and GSSENCRequest.
 */
export type Step = Uint8Array | { readonly until: string } | { readonly skip: number };

/**
 * Where a transcript is played. `postgres`: a real server. `relay` and `statement`: an edgewire session, over PGlite as
 * an upstream that speaks the protocol, and over PGlite asked for one statement at a time. `settings`: the latter, with
 * SET and SHOW left to the session.
 */
export type TargetName = "pglite" | "postgres" | "relay" | "statement" | "settings";

/** Whose answer may differ from the recorded one. `older`: real servers before PostgreSQL 18. */
export type Variant = "older" | "relay" | "statement" | "settings";

export interface Transcript {
  readonly name: string;
  readonly steps: readonly Step[];
  /** SQL run before, over a connection of its own. */
  readonly setup?: string;
  /** Begins with the startup packet, on a new connection. PGlite has none. */
  readonly bare?: boolean;
  /** Is about bytes that arrive in one piece: not played byte by byte. */
  readonly together?: boolean;
  /** Ends the connection, which PGlite does not survive: its answer is recorded from a real server. */
  readonly fatal?: boolean;
  /**
   * Why older servers answer otherwise. That answer is recorded too, and must stay another one. Where edgewire's own
   * answer may be another one is in differences.ts.
   */
  readonly differs?: { readonly older?: string };
  /** Who is not asked, and why. */
  readonly without?: Readonly<Partial<Record<TargetName, string>>>;
}

export function transcript(
  name: string,
  steps: readonly (Step | readonly Step[])[],
  options: Omit<Transcript, "name" | "steps"> = {},
): Transcript {
  return { name, steps: steps.flat() as Step[], ...options };
}

/** OIDs of built-in types that transcripts name in Parse. */
export const oid = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int4: 23,
  text: 25,
  json: 114,
  float8: 701,
  unknown: 705,
  varchar: 1043,
  timestamptz: 1184,
  numeric: 1700,
  int4Array: 1007,
  textArray: 1009,
} as const;

function send(message: FrontendInput): Uint8Array {
  const writer = new Writer();
  encodeFrontend(writer, message);
  return writer.take();
}

export const query = (sql: string): Step => send({ type: "Query", query: sql });

export const parse = (statement: string, sql: string, ...parameterTypes: number[]): Step =>
  send({ type: "Parse", statement, query: sql, parameterTypes });

type Parameter = string | Uint8Array | null;

/** `formats` are those of the parameters, `results` those of the columns: none, one for all, or one for each. */
export const bind = (
  portal = "",
  statement = "",
  parameters: readonly Parameter[] = [],
  codes: { formats?: number[]; results?: number[] } = {},
): Step =>
  send({
    type: "Bind",
    portal,
    statement,
    parameterFormats: codes.formats ?? [],
    parameters,
    resultFormats: codes.results ?? [],
  });

export const describeStatement = (name = ""): Step => send({ type: "Describe", kind: "S", name });
export const describePortal = (name = ""): Step => send({ type: "Describe", kind: "P", name });
export const closeStatement = (name = ""): Step => send({ type: "Close", kind: "S", name });
export const closePortal = (name = ""): Step => send({ type: "Close", kind: "P", name });
export const execute = (portal = "", maxRows = 0): Step => send({ type: "Execute", portal, maxRows });
export const sync: Step = send({ type: "Sync" });
export const flush: Step = send({ type: "Flush" });
export const terminate: Step = send({ type: "Terminate" });
export const copyData = (data: string | Uint8Array): Step =>
  send({ type: "CopyData", data: typeof data === "string" ? text(data) : data });
export const copyDone: Step = send({ type: "CopyDone" });
export const copyFail = (message: string): Step => send({ type: "CopyFail", message });

export const functionCall = (
  functionOid: number,
  args: readonly Parameter[],
  codes: { formats?: number[]; result?: number } = {},
): Step =>
  send({
    type: "FunctionCall",
    functionOid,
    argumentFormats: codes.formats ?? [],
    arguments: args,
    resultFormat: codes.result ?? 0,
  });

/** Most drivers' round: unnamed Parse, Bind, Describe of the portal, Execute. Sync is the transcript's. */
export const run = (sql: string, ...parameters: Parameter[]): Step[] => [
  parse("", sql),
  bind("", "", parameters),
  describePortal(),
  execute(),
];

/**
 * A message with a body that no encoder would write: strings are C strings with their terminator, numbers are single
 * bytes, arrays are bytes too.
 */
export const message = (type: string, ...parts: (string | number | Uint8Array)[]): Uint8Array => {
  const body = join(parts.map((part) => (typeof part === "string" ? text(`${part}\0`) : bytes(part))));
  return join([text(type), int32(body.length + 4), body]);
};

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const int16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value);
export const int32 = (value: number): Uint8Array =>
  Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
const bytes = (part: number | Uint8Array): Uint8Array =>
  typeof part === "number" ? Uint8Array.of(part) : part;

/** Bytes from hex, spaces for the eye. */
export const hex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Wait for ReadyForQuery, CopyInResponse, … before what follows is sent. */
export const untilReady: Step = { until: "Z" };
export const untilCopyIn: Step = { until: "G" };
