/** Requests to /sql: their headers and their body, which says what to run. */
import { RequestError } from "./sql-error.ts";

export interface SqlStatement {
  readonly sql: string;
  /** As text, of types that the server finds. */
  readonly parameters: readonly (string | null)[];
  /** Rows as arrays, not as objects. */
  readonly arrayMode: boolean;
}

export interface SqlRequest {
  readonly statements: readonly SqlStatement[];
  /** `{queries: […]}`: one transaction, and an answer with a list. */
  readonly batch: boolean;
}

/** What the headers ask for. Only `true` to the letter is true. */
export interface SqlModes {
  /** Values as PostgreSQL's text. */
  readonly rawText: boolean;
  readonly arrayMode: boolean;
  /** Of a batch. */
  readonly isolation: Isolation | undefined;
  readonly readOnly: boolean;
  readonly deferrable: boolean;
}

/** As the header names them, and in SQL. */
const isolations = {
  ReadUncommitted: "READ UNCOMMITTED",
  ReadCommitted: "READ COMMITTED",
  RepeatableRead: "REPEATABLE READ",
  Serializable: "SERIALIZABLE",
} as const;
type Isolation = keyof typeof isolations;

/** @throws RequestError 400 */
export function readModes(header: (name: string) => string | null): SqlModes {
  const isTrue = (name: string): boolean => header(name) === "true";
  const isolation = header("neon-batch-isolation-level");
  if (isolation !== null && !Object.hasOwn(isolations, isolation)) {
    throw new RequestError(400, "invalid isolation level");
  }
  return {
    rawText: isTrue("neon-raw-text-output"),
    arrayMode: isTrue("neon-array-mode"),
    isolation: (isolation ?? undefined) as Isolation | undefined,
    readOnly: isTrue("neon-batch-read-only"),
    deferrable: isTrue("neon-batch-deferrable"),
  };
}

/** The BEGIN of a batch. */
export function beginStatement({ isolation, readOnly, deferrable }: SqlModes): string {
  const modes = [
    isolation && `ISOLATION LEVEL ${isolations[isolation]}`,
    readOnly && "READ ONLY",
    deferrable && "DEFERRABLE",
  ].filter(Boolean);
  return ["BEGIN", modes.join(", ")].filter(Boolean).join(" ");
}

/** The modes of a batch, told back in the answer's headers. */
export function modeHeaders({ isolation, readOnly, deferrable }: SqlModes): Record<string, string> {
  return {
    ...(readOnly && { "neon-batch-read-only": "true" }),
    ...(deferrable && { "neon-batch-deferrable": "true" }),
    ...(isolation && { "neon-batch-isolation-level": isolation }),
  };
}

/** A request's body, as text. @throws RequestError 413 for one that is too long, 400 for one that is not UTF-8 */
export async function readBody(request: Request, limit: number): Promise<string> {
  const tooLarge = (): RequestError => new RequestError(413, `request is too large (max is ${limit} bytes)`);
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > limit) throw tooLarge();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let text = "";
  try {
    const reader = request.body?.getReader();
    let size = 0;
    for (let read = await reader?.read(); read?.value; read = await reader?.read()) {
      size += read.value.length;
      if (size > limit) {
        await reader?.cancel();
        throw tooLarge();
      }
      text += decoder.decode(read.value, { stream: true });
    }
    return text + decoder.decode(new Uint8Array(0));
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(400, "the request's body could not be read, or is not UTF-8");
  }
}

/** @throws RequestError 400 that says what is wrong with the body */
export function parseRequest(body: string, { arrayMode }: SqlModes): SqlRequest {
  const value = parseJson(body);
  if (isObject(value)) {
    if ("query" in value) return { statements: [parseStatement(value, "", arrayMode)], batch: false };
    const { queries } = value;
    if (Array.isArray(queries)) {
      const statements = queries.map((query, at) => parseStatement(query, `queries[${at}].`, arrayMode));
      return { statements, batch: true };
    }
  }
  throw new RequestError(
    400,
    'the body is {"query": "…", "params": […]} or {"queries": [{"query": "…"}, …]}',
  );
}

function parseStatement(value: unknown, path: string, arrayMode: boolean): SqlStatement {
  if (!isObject(value)) throw new RequestError(400, `${path || "the body"} is not an object`);
  const { query, params, arrayMode: ownMode } = value;
  if (typeof query !== "string") throw new RequestError(400, `${path}query is not a string`);
  if (params !== undefined && !Array.isArray(params)) {
    throw new RequestError(400, `${path}params is not an array`);
  }
  if (ownMode !== undefined && ownMode !== null && typeof ownMode !== "boolean") {
    throw new RequestError(400, `${path}arrayMode is not a boolean`);
  }
  return { sql: query, parameters: (params ?? []).map(parameterText), arrayMode: ownMode ?? arrayMode };
}

/** A number as it was written: JavaScript would round long ones. */
class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** What a reviver gets as its third argument where the runtime has it (ECMAScript's JSON.parse source text access). */
interface ReviverContext {
  readonly source?: string;
}

function parseJson(text: string): unknown {
  try {
    // Drivers send parameters as strings; only for numbers with more than a double's digits is the slow way worth it.
    if (!/[-.:,[\s]\d[\d.]{14}|\d[eE.]/.test(text)) return JSON.parse(text);
    return JSON.parse(text, (_, value: unknown, context?: ReviverContext) => {
      if (typeof value !== "number" || context?.source === undefined) return value;
      return context.source === String(value) ? value : new JsonNumber(context.source);
    });
  } catch {
    throw new RequestError(400, "the request's body is not JSON");
  }
}

/** A parameter in PostgreSQL's text form; null is NULL. */
function parameterText(value: unknown): string | null {
  if (value === null || typeof value === "string") return value;
  return Array.isArray(value) ? arrayText(value) : jsonText(value);
}

/** An array's text (PostgreSQL documentation, 8.15.6 Array Input and Output Syntax). */
function arrayText(values: readonly unknown[]): string {
  const elements = values.map((value) => {
    if (value === null) return "NULL";
    if (Array.isArray(value)) return arrayText(value);
    if (typeof value === "string") return quoted(value);
    return isObject(value) && !(value instanceof JsonNumber) ? quoted(jsonText(value)) : jsonText(value);
  });
  return `{${elements.join(",")}}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

function jsonText(value: unknown): string {
  if (value instanceof JsonNumber) return value.source;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`,
  );
  return `{${members.join(",")}}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
