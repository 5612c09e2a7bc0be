/** A client that writes down what it sees, as lines that are the same whatever the upstream, if that does the same. */
import { type ClientRequest, type Connection, cancel, connect, type Value } from "../../../src/client/mod.ts";
import {
  type BackendMessage,
  type ErrorFields,
  encodeFrontend,
  type FieldDescription,
  type FrontendInput,
  type PgError,
} from "../../../src/wire/mod.ts";
import type { ContractServer, CountedStream } from "./server.ts";

/** What is written down besides rows, tags and errors. */
export interface Attention {
  /** Notices, as they come. */
  notices?: boolean;
  /** ParameterStatus. */
  parameters?: boolean;
  /** Columns' tables and modifiers. */
  origins?: boolean;
  /** Errors' fields beyond message, detail, hint and position. */
  context?: boolean;
}

export interface Statement {
  readonly sql: string;
  readonly parameters?: readonly Value[];
  readonly types?: readonly number[];
  /** Formats of the results. */
  readonly formats?: readonly number[];
}

const firstUserOid = 16384;
const decoder = new TextDecoder();

export class ContractClient {
  readonly lines: string[] = [];
  readonly attention: Attention = {};
  /** The bytes of the last row. */
  lastRow: readonly (Uint8Array | null)[] = [];
  readonly #server: ContractServer;
  readonly #stream: CountedStream;
  #connection!: Connection;
  #formats: readonly number[] = [];
  /** ParameterStatus: where among the answers, and in which order, it comes, means nothing. */
  readonly #told: string[] = [];
  /** Not written down before something comes of it: an error may come in its place, or behind it. */
  #description: string | undefined;

  private constructor(server: ContractServer, stream: CountedStream) {
    this.#server = server;
    this.#stream = stream;
  }

  static async open(
    server: ContractServer,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<ContractClient> {
    const stream = await server.open();
    const client = new ContractClient(server, stream);
    client.#connection = await connect(
      stream,
      { user: "postgres", database: "main", sslMode: "disable", parameters },
      {
        onNotice: (fields) => {
          if (client.attention.notices) client.log(`notice ${client.#fields(fields)}`);
        },
        onNotification: (channel, payload) => client.log(`notification ${channel} ${payload}`.trimEnd()),
        onParameter: (name, value) => {
          if (client.attention.parameters) client.#told.push(`parameter ${name}=${value}`);
        },
      },
    );
    return client;
  }

  get connection(): Connection {
    return this.#connection;
  }

  log(line: string): void {
    this.lines.push(line);
  }

  /** Another client of the same server. */
  other(parameters: Readonly<Record<string, string>> = {}): Promise<ContractClient> {
    return ContractClient.open(this.#server, parameters);
  }

  /** Another client has seen everything, and goes. */
  take(other: ContractClient): void {
    this.lines.push(...other.lines);
    other.close();
  }

  close(): void {
    this.#connection.close();
  }

  /** Bytes that the session has sent. */
  get sent(): number {
    return this.#stream.sent();
  }

  /** A Query. */
  query(sql: string): Promise<void> {
    return this.send([{ type: "Query", query: sql }]);
  }

  async queries(...texts: readonly string[]): Promise<void> {
    for (const text of texts) await this.query(text);
  }

  /** Queries that nothing is written down of. @throws PgError */
  async quietly(...texts: readonly string[]): Promise<void> {
    const { lines } = this;
    const count = lines.length;
    for (const text of texts) await this.query(text);
    const error = lines.slice(count).find((line) => line.startsWith("error"));
    lines.length = count;
    if (error !== undefined) throw new Error(`${texts.join("; ")}: ${error}`);
  }

  /** What most drivers send for a statement with parameters. */
  run(statement: Statement): Promise<void> {
    return this.send([...this.messages(statement), { type: "Sync" }]);
  }

  messages({ sql, parameters = [], types = [], formats = [] }: Statement): FrontendInput[] {
    return [
      { type: "Parse", statement: "", query: sql, parameterTypes: [...types] },
      bindMessage("", "", parameters, formats),
      { type: "Describe", kind: "P", name: "" },
      { type: "Execute", portal: "", maxRows: 0 },
    ];
  }

  /** Sends messages of which the last one is answered by ReadyForQuery. `row` takes the place of the rows' lines. */
  send(
    messages: readonly FrontendInput[],
    row?: (values: readonly (Uint8Array | null)[]) => void | Promise<void>,
  ): Promise<void> {
    return new Promise((resolve) => {
      this.#connection.request(
        (writer) => {
          for (const message of messages) encodeFrontend(writer, message);
        },
        this.#recorder(resolve, row),
        { sync: messages.at(-1)?.type === "Sync" },
      );
    });
  }

  /** COPY … FROM STDIN. */
  copyIn(sql: string, ...data: readonly (string | Uint8Array)[]): Promise<void> {
    return new Promise((resolve) => {
      const recorder = this.#recorder(resolve);
      const request: ClientRequest = {
        ...recorder,
        message: (message) => {
          if (message.type !== "CopyInResponse") return recorder.message(message);
          this.log(`copy in ${message.format} ${message.columnFormats.join("")}`);
          this.#connection.more((writer) => {
            for (const chunk of data) {
              const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
              encodeFrontend(writer, { type: "CopyData", data: bytes });
            }
            encodeFrontend(writer, { type: "CopyDone" });
          });
        },
      };
      this.#connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request, {
        exclusive: true,
        copyIn: true,
      });
    });
  }

  /** Cancels what runs, until it has ended: a request that comes before its statement is for nothing. */
  async cancelling(running: Promise<void>): Promise<void> {
    let over = false;
    running.finally(() => {
      over = true;
    });
    for (let wait = 50; !over; wait *= 2) {
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, wait))]);
      if (!over) await cancel(await this.#server.open(), this.#connection, { sslMode: "disable" });
    }
  }

  #recorder(
    resolve: () => void,
    row?: (values: readonly (Uint8Array | null)[]) => void | Promise<void>,
  ): ClientRequest {
    return {
      message: (message) => {
        if (message.type === "DataRow") {
          this.lastRow = message.values.map((value) => value?.slice() ?? null);
          if (row) {
            this.#described();
            return row(message.values);
          }
        }
        const line = this.#line(message);
        if (message.type === "RowDescription" || message.type === "NoData") {
          this.#description = line;
        } else if (line !== undefined) {
          if (message.type !== "ParameterDescription") this.#described();
          this.log(line);
        }
      },
      failed: (error) => {
        this.#description = undefined;
        this.log(`error ${this.#error(error)}`);
      },
      finished: () => {
        this.#described();
        for (const line of this.#told.splice(0).sort()) this.log(line);
        this.log(`ready ${this.#connection.status}`);
        resolve();
      },
      lost: (error) => {
        this.log(`lost ${this.#error(error)}`);
        resolve();
      },
    };
  }

  #described(): void {
    if (this.#description !== undefined) this.log(this.#description);
    this.#description = undefined;
  }

  #line(message: BackendMessage): string | undefined {
    switch (message.type) {
      case "RowDescription":
        this.#formats = message.fields.map(({ format }) => format);
        return ["columns", ...message.fields.map((field) => this.#column(field))].join(" ");
      case "DataRow":
        return `row ${message.values.map((value, at) => cell(value, this.#formats[at] ?? 0)).join(" | ")}`;
      case "CommandComplete":
        return `tag ${message.tag}`;
      case "EmptyQueryResponse":
        return "empty";
      case "PortalSuspended":
        return "suspended";
      case "NoData":
        return "no columns";
      case "ParameterDescription":
        return ["parameters", ...message.parameterTypes.map(oidName)].join(" ");
      case "CopyOutResponse":
        return `copy out ${message.format} ${message.columnFormats.join("")}`;
      case "CopyData":
        return `data ${cell(message.data, printable(message.data) ? 0 : 1)}`;
      case "CopyDone":
        return "copy done";
      case "FunctionCallResponse":
        return `result ${cell(message.value, 0)}`;
    }
    return undefined;
  }

  #column({
    name,
    typeOid,
    format,
    typeModifier,
    tableOid,
    columnAttribute,
    typeSize,
  }: FieldDescription): string {
    const column = `${JSON.stringify(name)}:${oidName(typeOid)}${format === 1 ? ":binary" : ""}`;
    if (!this.attention.origins) return column;
    return `${column}:size=${typeSize}:modifier=${typeModifier}:${tableOid === 0 ? "no table" : `column ${columnAttribute}`}`;
  }

  #error(error: PgError): string {
    return this.#fields(error.fields);
  }

  #fields(fields: ErrorFields): string {
    const { severity, code, message, detail, hint, position } = fields;
    const parts = [`${severity} ${code} ${message}`];
    const add = (name: string, value: string | number | undefined): void => {
      if (value !== undefined) parts.push(`${name}: ${value}`);
    };
    add("detail", detail);
    add("hint", hint);
    add("position", position);
    if (this.attention.context) {
      for (const name of context) add(name, fields[name]);
    }
    return parts.join("; ").replaceAll("\n", "\\n");
  }
}

const context = [
  "where",
  "internalPosition",
  "internalQuery",
  "schema",
  "table",
  "column",
  "dataType",
  "constraint",
] as const;

export function bindMessage(
  portal: string,
  statement: string,
  parameters: readonly Value[] = [],
  formats: readonly number[] = [],
): FrontendInput {
  return {
    type: "Bind",
    portal,
    statement,
    parameterFormats: parameters.map((value) => (value instanceof Uint8Array ? 1 : 0)),
    parameters,
    resultFormats: [...formats],
  };
}

const oidName = (oid: number): string => (oid < firstUserOid ? String(oid) : "own");

function cell(value: Uint8Array | null, format: number): string {
  if (value === null) return "null";
  const text =
    format === 1 ? `\\x${Buffer.from(value).toString("hex")}` : JSON.stringify(decoder.decode(value));
  return text.length <= 200 ? text : `${text.slice(0, 50)}… (${value.length} bytes)`;
}

const printable = (bytes: Uint8Array): boolean =>
  bytes.every((byte) => byte >= 0x20 || byte === 9 || byte === 10);
