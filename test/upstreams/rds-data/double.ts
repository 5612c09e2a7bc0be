/**
 * A double of AWS's RDS Data API for Aurora PostgreSQL, over PGlite or a server: the five routes, its parameters, fields, metadata,
 * exceptions and limits, as AWS's service model and documentation tell them. It stands in for a service that this project
 * has never reached: where AWS is silent, it does what is hardest for a client.
 *
 * Signatures are verified by AWS's own signer. Each request without a transaction gets a session that holds nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Sha256 } from "@aws-crypto/sha256-js";
import { PGlite } from "@electric-sql/pglite";
import { SignatureV4 } from "@smithy/signature-v4";
import type { ColumnMetadata, Field, SqlParameter } from "../../../src/upstreams/rds-data/api.ts";
import {
  type BackendMessage,
  decodeBackend,
  encodeFrontend,
  type FrontendInput,
  Writer,
} from "../../../src/wire/mod.ts";
import { frames } from "../../conformance/answer.ts";
import { namedParameters } from "./named-parameters.ts";
import { embeddedSessions, type ServerSession, type Sessions, serverSessions } from "./server-sessions.ts";

export const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "a session token",
};
export const region = "eu-west-1";
export const resourceArn: string = `arn:aws:rds:${region}:123456789012:cluster:books`;
export const secretArn: string = `arn:aws:secretsmanager:${region}:123456789012:secret:books-AbCdEf`;

const responseLimit = 1024 * 1024;
const rowLimit = 64 * 1024;
/** A record of one field takes more than eleven bytes. */
const maxRows = Math.ceil(responseLimit / 11);
const requestLimit = 4 * 1024 * 1024;
const statementLimit = 45;
const idleLimit = 3 * 60_000;

/** What is answered with another status than 200. */
class Exception extends Error {
  override readonly name: string;
  readonly status: number;

  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

interface Body {
  readonly resourceArn?: string;
  readonly secretArn?: string;
  readonly database?: string;
  readonly sql?: string;
  readonly transactionId?: string;
  readonly parameters?: readonly SqlParameter[];
  readonly includeResultMetadata?: boolean;
  readonly resultSetOptions?: { readonly decimalReturnType?: string; readonly longReturnType?: string };
}

interface TypeName {
  readonly name: string;
  readonly kind: string;
  readonly element: number;
}

interface OpenTransaction {
  readonly id: string;
  lastUsed: number;
  running: boolean;
  readonly session: ServerSession;
}

export class RdsDataDouble {
  readonly #db: PGlite | undefined;
  readonly #sessions: Sessions;
  /** Routes that were asked for, and statements of Execute. */
  readonly asked: string[] = [];
  /** So many requests find the database scaled to zero. */
  asleep = 0;
  /** A refused result ends the transaction that it was in. */
  endsOnRefusal = false;
  /** SQLSTATEs are left out, as the first version of the API did. */
  withoutStates = false;
  /** Milliseconds that were slept away. */
  #skipped = 0;
  readonly #server: Server;
  readonly #signer: SignatureV4;
  readonly #open: Map<string, OpenTransaction> = new Map();
  #transactions = 0;
  readonly #typeNames = new Map<number, TypeName>();

  private constructor(sessions: Sessions, db: PGlite | undefined, keys: typeof credentials) {
    this.#sessions = sessions;
    this.#db = db;
    this.#signer = new SignatureV4({
      credentials: keys,
      region,
      service: "rds-data",
      sha256: Sha256,
      applyChecksum: false,
    });
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** `keys`: whose signatures it takes; `server`: the port of the server that it stands before, else it is PGlite. */
  static async start(keys: typeof credentials = credentials, server?: number): Promise<RdsDataDouble> {
    const db = server === undefined ? await PGlite.create() : undefined;
    const settings = { TimeZone: "UTC", statement_timeout: `${statementLimit}s` };
    const sessions = db ? await embeddedSessions(db) : serverSessions(server as number, settings);
    const double = new RdsDataDouble(sessions, db, keys);
    await new Promise<void>((resolve) => double.#server.listen(0, "127.0.0.1", resolve));
    return double;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    const parameters = `secret=${encodeURIComponent(secretArn)}&database=postgres&endpoint=${encodeURIComponent(this.endpoint)}`;
    return `rds-data://${region}/${encodeURIComponent(resourceArn)}?${parameters}`;
  }

  /** The PGlite that it stands before. */
  get db(): PGlite {
    if (!this.#db) throw new Error("this double stands before a server");
    return this.#db;
  }

  /** Whether a transaction is open. */
  get open(): boolean {
    return this.#open.size > 0;
  }

  forget(): void {
    this.asked.length = 0;
  }

  /** Lets time go by. */
  skip(milliseconds: number): void {
    this.#skipped += milliseconds;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#sessions.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      if (body.length > requestLimit) throw new Exception("BadRequestException", "Request is too large", 413);
      await this.#verify(request, body.toString());
      const result = await this.#route(request.url ?? "", JSON.parse(body.toString()) as Body);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
    } catch (error) {
      const exception =
        error instanceof Exception
          ? error
          : new Exception("InternalServerErrorException", String(error), 500);
      response
        .writeHead(exception.status, {
          "content-type": "application/json",
          "x-amzn-errortype": `${exception.name}:http://internal.amazon.com/coral/com.amazon.rdsdataservice/`,
        })
        .end(JSON.stringify({ message: exception.message }));
    }
  }

  /** Signs the request again, by another signer: the two have to agree. */
  async #verify(request: IncomingMessage, body: string): Promise<void> {
    const { authorization = "" } = request.headers;
    const signedHeaders = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(";") ?? [];
    const needed = ["host", "x-amz-date", "x-amz-security-token"];
    const headers = Object.fromEntries(signedHeaders.map((name) => [name, String(request.headers[name])]));
    const date = String(request.headers["x-amz-date"]).replace(
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
      "$1-$2-$3T$4:$5:$6Z",
    );
    const signed = await this.#signer.sign(
      {
        method: request.method ?? "",
        protocol: "http:",
        hostname: "127.0.0.1",
        path: request.url ?? "",
        headers,
        body,
      },
      { signingDate: new Date(date), signableHeaders: new Set(signedHeaders) },
    );
    const agrees = signed.headers.authorization === authorization;
    if (agrees && needed.every((name) => signedHeaders.includes(name))) return;
    throw new Exception(
      "InvalidSignatureException",
      "The request signature we calculated does not match",
      403,
    );
  }

  async #route(route: string, body: Body): Promise<object> {
    this.asked.push(route === "/Execute" ? (body.sql ?? "") : route.slice(1));
    if (body.resourceArn !== resourceArn) throw new Exception("BadRequestException", "Invalid cluster arn");
    if (body.secretArn !== secretArn) throw new Exception("InvalidSecretException", "Invalid secret");
    if (this.asleep > 0) {
      this.asleep--;
      throw new Exception(
        "DatabaseResumingException",
        "The Aurora DB instance is resuming after being auto-paused.",
      );
    }
    switch (route) {
      case "/Execute":
        return this.#execute(body);
      case "/BeginTransaction":
        return { transactionId: await this.#begin() };
      case "/CommitTransaction":
      case "/RollbackTransaction": {
        const verb = route === "/CommitTransaction" ? "commit" : "rollback";
        const transaction = this.#find(body.transactionId ?? "");
        await this.#end(transaction, verb);
        return { transactionStatus: verb === "commit" ? "Transaction Committed" : "Rollback Complete" };
      }
      default:
        throw new Exception("NotFoundException", route, 404);
    }
  }

  async #begin(): Promise<string> {
    const session = await this.#sessions.take();
    await this.#send(session, [{ type: "Query", query: "begin" }]);
    const id = `transaction-${++this.#transactions}`;
    this.#open.set(id, { id, lastUsed: this.#now(), running: false, session });
    return id;
  }

  #now(): number {
    return Date.now() + this.#skipped;
  }

  #find(id: string): OpenTransaction {
    const transaction = this.#open.get(id);
    if (!transaction) throw notFound(id);
    if (transaction.running) {
      throw new Exception("DatabaseErrorException", "Transaction is still running a query.");
    }
    if (this.#now() - transaction.lastUsed > idleLimit) {
      void this.#end(transaction, "rollback");
      throw notFound(id);
    }
    transaction.lastUsed = this.#now();
    return transaction;
  }

  async #end(transaction: OpenTransaction, verb: "commit" | "rollback"): Promise<void> {
    this.#open.delete(transaction.id);
    const answer = await this.#send(transaction.session, [{ type: "Query", query: verb }]);
    await transaction.session.free();
    this.#throwError(answer);
  }

  async #execute(body: Body): Promise<object> {
    const { transactionId } = body;
    if (transactionId !== undefined) {
      const transaction = this.#find(transactionId);
      transaction.running = true;
      try {
        return await this.#run(transaction.session, body);
      } catch (error) {
        if (this.endsOnRefusal && isRefusal(error)) {
          transaction.running = false;
          await this.#end(transaction, "rollback");
        }
        throw error;
      } finally {
        transaction.running = false;
        transaction.lastUsed = this.#now();
      }
    }
    const session = await this.#sessions.take();
    try {
      return await this.#run(session, body);
    } finally {
      await session.free();
    }
  }

  async #run(session: ServerSession, body: Body): Promise<object> {
    const sleep = this.#db && /pg_sleep\((\d+(?:\.\d+)?)\)/.exec(body.sql ?? "");
    const seconds = Number(sleep?.[1] ?? 0);
    if (seconds >= statementLimit) {
      throw new Exception("StatementTimeoutException", "Request timed out");
    }
    // PGlite would hold up this whole process. A statement whose client is gone goes on.
    const until = Date.now() + seconds * 1_000;
    while (Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    const { sql, names } = namedParameters(body.sql ?? "");
    const given = new Map((body.parameters ?? []).map((parameter) => [parameter.name, parameter.value]));
    const values = names.map((name) => {
      const value = given.get(name);
      if (!value) throw new Exception("BadRequestException", `Cannot find parameter: ${name}`);
      return bound(value);
    });
    const answer = await this.#send(session, [
      {
        type: "Parse",
        statement: "",
        query: this.#db ? sql.replace(/pg_sleep\([\d.]+\)/, "1") : sql,
        parameterTypes: values.map(({ type }) => type),
      },
      {
        type: "Bind",
        portal: "",
        statement: "",
        parameterFormats: [],
        parameters: values.map(({ value }) => value),
        resultFormats: [],
      },
      { type: "Describe", kind: "P", name: "" },
      { type: "Execute", portal: "", maxRows },
      { type: "Sync" },
    ]);
    this.#throwError(answer);
    return this.#result(session, answer, body);
  }

  async #result(session: ServerSession, answer: readonly BackendMessage[], body: Body): Promise<object> {
    const tag = answer.find((message) => message.type === "CommandComplete")?.tag ?? "";
    const numberOfRecordsUpdated = /^(INSERT|UPDATE|DELETE|MERGE)/.test(tag)
      ? Number(tag.split(" ").at(-1))
      : 0;
    const fields = answer.find((message) => message.type === "RowDescription")?.fields;
    if (!fields) return { generatedFields: [], numberOfRecordsUpdated };
    const types: TypeName[] = [];
    for (const { typeOid } of fields) types.push(await this.#typeOf(session, typeOid));
    for (const { name, kind, element } of types) {
      if (kind === "e" || supported.has(name) || (element !== 0 && supported.has(name.slice(1)))) continue;
      throw new Exception(
        "UnsupportedResultException",
        `The result contains the unsupported data type ${name}.`,
      );
    }
    // The server need not make what is too much anyway.
    if (answer.some(({ type }) => type === "PortalSuspended")) throw tooMuch();
    const records: Field[][] = [];
    let size = 0;
    for (const message of answer) {
      if (message.type !== "DataRow") continue;
      const record = message.values.map((value, at): Field => {
        if (value === null) return { isNull: true };
        return fieldOf(types[at]?.name ?? "", new TextDecoder().decode(value as Uint8Array), body);
      });
      const length = message.values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
      if (length > rowLimit) throw new Exception("BadRequestException", "Packet for query is too large");
      size += JSON.stringify(record).length;
      if (size > responseLimit) throw tooMuch();
      records.push(record);
    }
    const columnMetadata = fields.map(
      ({ name }, at): ColumnMetadata => ({ name, label: name, typeName: types[at]?.name ?? "" }),
    );
    return {
      records,
      numberOfRecordsUpdated,
      ...(body.includeResultMetadata && { columnMetadata }),
    };
  }

  async #typeOf(session: ServerSession, typeOid: number): Promise<TypeName> {
    let type = this.#typeNames.get(typeOid);
    if (!type) {
      const answer = await this.#send(session, [
        {
          type: "Query",
          query: `select typname, typtype, case when typlen = -1 then typelem else 0 end from pg_type where oid = ${typeOid}`,
        },
      ]);
      const row = answer.find((message) => message.type === "DataRow")?.values ?? [];
      const [name = "unknown", kind = "b", element = "0"] = row.map((value) =>
        new TextDecoder().decode(value as Uint8Array),
      );
      type = { name, kind, element: Number(element) };
      this.#typeNames.set(typeOid, type);
    }
    return type;
  }

  async #send(session: ServerSession, messages: readonly FrontendInput[]): Promise<BackendMessage[]> {
    const writer = new Writer();
    for (const message of messages) encodeFrontend(writer, message);
    const answer = await session.send(writer.take());
    return frames(answer).map(({ code, body }) => decodeBackend(code.charCodeAt(0), body));
  }

  #throwError(answer: readonly BackendMessage[]): void {
    const error = answer.find((message) => message.type === "ErrorResponse")?.fields;
    if (!error) return;
    if (error.code === "57014" && /statement timeout/.test(error.message)) {
      throw new Exception("StatementTimeoutException", "Request timed out");
    }
    if (/cannot insert multiple commands/.test(error.message)) {
      throw new Exception("BadRequestException", "Multistatements aren't supported");
    }
    const parts = [
      `ERROR: ${error.message}`,
      error.detail && `Detail: ${error.detail}`,
      error.hint && `Hint: ${error.hint}`,
      error.position && `Position: ${error.position}`,
      !this.withoutStates && `SQLState: ${error.code}`,
    ];
    throw new Exception("DatabaseErrorException", parts.filter(Boolean).join("; "));
  }
}

function notFound(id: string): Exception {
  return new Exception("TransactionNotFoundException", `Transaction ${id} is not found`, 404);
}

function tooMuch(): Exception {
  return new Exception("BadRequestException", "Database returned more than the allowed response size limit");
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof Exception &&
    (error.name === "UnsupportedResultException" || /size limit/.test(error.message))
  );
}

/** Text is bound as text: an integer's operator does not take it. */
function bound(value: Field): { type: number; value: string | Uint8Array | null } {
  if (value.arrayValue) throw new Exception("BadRequestException", "Array parameters are not supported.");
  if (value.isNull) return { type: 0, value: null };
  if (value.booleanValue !== undefined) return { type: 16, value: String(value.booleanValue) };
  if (value.longValue !== undefined) return { type: 20, value: String(value.longValue) };
  if (value.doubleValue !== undefined) return { type: 701, value: String(value.doubleValue) };
  if (value.blobValue !== undefined) {
    return { type: 17, value: `\\x${Buffer.from(value.blobValue, "base64").toString("hex")}` };
  }
  return { type: 25, value: value.stringValue ?? "" };
}

const supported: ReadonlySet<string> = new Set(
  `bool bytea date cidr numeric float8 inet int4 int2 int8 jsonb json float4 money text bpchar varchar name time timestamp
  timestamptz uuid`.split(/\s+/),
);

function fieldOf(type: string, text: string, { resultSetOptions }: Body): Field {
  if (type.startsWith("_")) {
    const values = elements(text);
    const element = type.slice(1);
    if (element === "bool")
      return { arrayValue: { booleanValues: values.map((value) => value && value === "t") as boolean[] } };
    if (/^int/.test(element))
      return { arrayValue: { longValues: values.map((value) => value && Number(value)) as number[] } };
    if (/^float/.test(element))
      return { arrayValue: { doubleValues: values.map((value) => value && Number(value)) as number[] } };
    return { arrayValue: { stringValues: values } };
  }
  switch (type) {
    case "bool":
      return { booleanValue: text === "t" };
    case "int2":
    case "int4":
    case "int8":
      return resultSetOptions?.longReturnType === "STRING"
        ? { stringValue: text }
        : { longValue: Number(text) };
    case "float4":
      return Number.isFinite(Number(text))
        ? { doubleValue: signed(Math.fround(Number(text))) }
        : { stringValue: text };
    case "float8":
      return Number.isFinite(Number(text)) ? { doubleValue: signed(Number(text)) } : { stringValue: text };
    case "numeric":
      return { stringValue: text };
    case "bytea":
      return { blobValue: Buffer.from(text.slice(2), "hex").toString("base64") };
    // In UTC, which this database is in, and without its offset; with three digits at least, as Java does.
    case "timestamptz":
      return {
        stringValue: text
          .replace(/\+00$/, "")
          .replace(/(\.\d)$/, "$100")
          .replace(/(\.\d\d)$/, "$10"),
      };
    case "timestamp":
      return { stringValue: text.replace(/(\.\d)$/, "$100").replace(/(\.\d\d)$/, "$10") };
    default:
      return { stringValue: text };
  }
}

/** JSON.stringify drops the sign of zero, Java's writers do not. */
function signed(value: number): number {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): number };
  return Object.is(value, -0) ? rawJSON("-0.0") : value;
}

/** The elements of an array of one dimension. */
function elements(text: string): (string | null)[] {
  if (/^(\[.*\]=)?\{\{/.test(text)) {
    throw new Exception("UnsupportedResultException", "The result contains a multidimensional array.");
  }
  const body = text.replace(/^\[.*?\]=/, "").slice(1, -1);
  return [...body.matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map(([, quoted, plain]) => {
    if (quoted !== undefined) return quoted.replace(/\\(.)/g, "$1");
    return plain === "NULL" ? null : (plain ?? "");
  });
}
