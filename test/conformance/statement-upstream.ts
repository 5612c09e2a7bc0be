/**
 * PGlite asked for one statement at a time: what a person writes who puts the protocol before a data service, with
 * PostgreSQL as the service. What the session makes of it can then be held against what PostgreSQL itself answers.
 */
import type {
  ClientContext,
  CopyFormat,
  Description,
  Parameter,
  Result,
  Row,
  SavepointAction,
  Statement,
  StatementSession,
  StatementText,
  TransactionModes,
  Upstream,
} from "../../src/session/mod.ts";
import { startupSettings } from "../../src/session/mod.ts";
import {
  type BackendMessage,
  decodeBackend,
  encodeFrontend,
  type FrontendInput,
  PgError,
  sqlstate,
  Writer,
} from "../../src/wire/mod.ts";
import { frames } from "./answer.ts";
import { PgliteTarget } from "./pglite-target.ts";
import type { TestUpstream } from "./session-target.ts";

type Message<Type extends BackendMessage["type"]> = Extract<BackendMessage, { type: Type }>;

/** Whose SET and SHOW are: PGlite's (`statement`), or the session's (`settings`). */
type Kind = "statement" | "settings";

export class StatementUpstream implements TestUpstream {
  readonly name: Kind;
  readonly upstream: Upstream;
  readonly #pglite: PgliteTarget;

  private constructor(pglite: PgliteTarget, kind: Kind) {
    this.name = kind;
    this.#pglite = pglite;
    this.upstream = { connect: (client) => PgliteStatements.connect(pglite, client, kind) };
  }

  static async start(kind: Kind = "statement"): Promise<StatementUpstream> {
    return new StatementUpstream(await PgliteTarget.start(), kind);
  }

  async reset(setup?: string): Promise<void> {
    await this.#pglite.reset(setup);
  }

  async close(): Promise<void> {
    await this.#pglite.close();
  }
}

class PgliteStatements implements StatementSession {
  /** With "upstream" SET and SHOW are PostgreSQL's; its ParameterStatus messages are passed on. */
  readonly settings: "upstream" | "session";
  readonly #pglite: PgliteTarget;
  readonly #client: ClientContext;

  private constructor(pglite: PgliteTarget, client: ClientContext, kind: Kind) {
    this.settings = kind === "settings" ? "session" : "upstream";
    this.#pglite = pglite;
    this.#client = client;
  }

  /** Settings of the startup packet are the upstream's too; one that PostgreSQL refuses ends the session. */
  static async connect(pglite: PgliteTarget, client: ClientContext, kind: Kind): Promise<PgliteStatements> {
    const session = new PgliteStatements(pglite, client, kind);
    if (kind === "settings") return session;
    for (const [name, value] of startupSettings(client.login.parameters)) {
      const parameters = [name, value];
      const sql = "select set_config($1, $2, false)";
      const answer = await session.#send(
        execution({ sql, parameters, parameterTypes: [], resultFormats: [] }),
      );
      throwError(answer);
    }
    return session;
  }

  /** Without the user, which PGlite does not know: the session does. */
  get parameters(): Iterable<readonly [string, string]> {
    return [...this.#pglite.reported].filter(([name]) => name !== "session_authorization");
  }

  async query(statement: Statement): Promise<Result> {
    const messages = execution(statement);
    return isCopyIn(statement.sql) ? this.#copyIn(messages) : this.#result(await this.#send(messages));
  }

  async describe({ sql, parameterTypes }: StatementText): Promise<Description> {
    const answer = await this.#send([
      { type: "Parse", statement: "", query: sql, parameterTypes: [...parameterTypes] },
      { type: "Describe", kind: "S", name: "" },
      { type: "Sync" },
    ]);
    this.#passOn(answer);
    throwError(answer);
    const parameters = find(answer, "ParameterDescription")?.parameterTypes ?? [];
    const columns = find(answer, "RowDescription");
    return { parameterTypes: parameters, columns: columns && columnsOf(columns) };
  }

  async begin({ isolation, readOnly, deferrable }: TransactionModes): Promise<void> {
    const modes = [
      isolation && `isolation level ${isolation}`,
      readOnly !== undefined && (readOnly ? "read only" : "read write"),
      deferrable !== undefined && (deferrable ? "deferrable" : "not deferrable"),
    ];
    await this.#run(`begin ${modes.filter(Boolean).join(", ")}`);
  }

  async commit(): Promise<void> {
    await this.#run("commit");
  }

  /** Where PostgreSQL has rolled back by itself, as after PREPARE TRANSACTION, it warns of what the client did not do. */
  async rollback(): Promise<void> {
    throwError(await this.#send([{ type: "Query", query: "rollback" }]));
  }

  async savepoint({ type, name }: SavepointAction): Promise<void> {
    const verb = {
      savepoint: "savepoint",
      release: "release savepoint",
      rollbackTo: "rollback to savepoint",
    };
    await this.#run(`${verb[type]} "${name.replaceAll('"', '""')}"`);
  }

  async #run(sql: string): Promise<void> {
    const answer = await this.#send([{ type: "Query", query: sql }]);
    this.#passOn(answer);
    throwError(answer);
  }

  async #send(messages: readonly FrontendInput[]): Promise<BackendMessage[]> {
    const writer = new Writer();
    for (const message of messages) encodeFrontend(writer, message);
    const answer = await this.#pglite.send(writer.take());
    return frames(answer).map(({ code, body }) => decodeBackend(code.charCodeAt(0), body));
  }

  #result(answer: readonly BackendMessage[]): Result {
    const tag = find(answer, "CommandComplete")?.tag;
    const start = answer.findIndex(({ type }) => type === "RowDescription");
    const columns = answer[start];
    if (columns?.type === "RowDescription") {
      this.#passOn(answer.slice(0, start));
      const rows = this.#rows(answer.slice(start + 1));
      // The session counts the rows, and puts the count behind the tag again.
      return { type: "rows", columns: columnsOf(columns), rows, tag: tag?.replace(/ \d+$/, "") };
    }
    const copy = find(answer, "CopyOutResponse");
    if (copy) return { type: "copyOut", ...formatsOf(copy), data: this.#copyData(answer), tag };
    this.#passOn(answer);
    throwError(answer);
    return { type: "command", tag: tag ?? "" };
  }

  /** Rows with the notices between them, and the error that ended them. */
  *#rows(answer: readonly BackendMessage[]): Generator<Row> {
    for (const message of answer) {
      if (message.type === "DataRow") yield message.values;
      else this.#passOn([message]);
    }
    throwError(answer);
  }

  *#copyData(answer: readonly BackendMessage[]): Generator<Uint8Array> {
    for (const message of answer) {
      if (message.type === "CopyData") yield message.data;
      else this.#passOn([message]);
    }
    throwError(answer);
  }

  /**
   * PGlite wants a COPY's data in the same call. Its formats are asked for by a COPY that is made to fail; in a
   * transaction a savepoint keeps that from failing it.
   */
  async #copyIn(messages: readonly FrontendInput[]): Promise<Result> {
    const guarded = await this.#trySavepoint();
    const probe = await this.#send([...messages, { type: "CopyFail", message: "" }]);
    const response = find(probe, "CopyInResponse");
    if (guarded && response) await this.#run('rollback to "before copy"; release "before copy"');
    if (!response) return this.#result(probe);
    const receive = async (data: AsyncIterable<Uint8Array>): Promise<string> => {
      const chunks: FrontendInput[] = [];
      let end: FrontendInput = { type: "CopyDone" };
      try {
        for await (const chunk of data) chunks.push({ type: "CopyData", data: chunk });
      } catch (error) {
        const { code, message } = PgError.from(error);
        if (code !== sqlstate.queryCanceled || !message.startsWith(copyFailed)) throw error;
        end = { type: "CopyFail", message: message.slice(copyFailed.length) };
      }
      const answer = await this.#send([...messages, ...chunks, end]);
      this.#passOn(answer);
      throwError(answer);
      return find(answer, "CommandComplete")?.tag ?? "";
    };
    return { type: "copyIn", ...formatsOf(response), receive };
  }

  /** False outside of a transaction, where no savepoint can be, and none is needed. */
  async #trySavepoint(): Promise<boolean> {
    const answer = await this.#send([{ type: "Query", query: 'savepoint "before copy"' }]);
    return find(answer, "ErrorResponse") === undefined;
  }

  /** What PostgreSQL says besides the answer. */
  #passOn(answer: readonly BackendMessage[]): void {
    for (const message of answer) {
      if (message.type === "NoticeResponse") this.#client.notice(message.fields.message, message.fields);
      else if (message.type === "ParameterStatus") this.#client.setParameter(message.name, message.value);
      else if (message.type === "NotificationResponse") this.#client.notify(message.channel, message.payload);
    }
  }
}

/** A statement with nothing to bind is a Query: PostgreSQL then answers as it does to one. */
function execution({ sql, parameters, parameterTypes, resultFormats }: Statement): FrontendInput[] {
  if (parameters.length === 0 && !resultFormats.includes(1)) return [{ type: "Query", query: sql }];
  return [
    { type: "Parse", statement: "", query: sql, parameterTypes: [...parameterTypes] },
    {
      type: "Bind",
      portal: "",
      statement: "",
      parameterFormats: parameters.map((value: Parameter) => (value instanceof Uint8Array ? 1 : 0)),
      parameters,
      resultFormats: [...resultFormats],
    },
    { type: "Describe", kind: "P", name: "" },
    { type: "Execute", portal: "", maxRows: 0 },
    { type: "Sync" },
  ];
}

/** What the session makes of CopyFail. */
const copyFailed = "COPY from stdin failed: ";

const isCopyIn = (sql: string): boolean => /^\s*copy\b.*\bfrom\s+stdin\b/is.test(sql);

function find<Type extends BackendMessage["type"]>(
  answer: readonly BackendMessage[],
  type: Type,
): Message<Type> | undefined {
  return answer.find((message): message is Message<Type> => message.type === type);
}

/** Throws the error that the answer has. */
function throwError(answer: readonly BackendMessage[]): void {
  const error = find(answer, "ErrorResponse");
  if (!error) return;
  const { code, message, ...fields } = error.fields;
  throw new PgError(code, message, fields);
}

function formatsOf({ format, columnFormats }: Message<"CopyInResponse" | "CopyOutResponse">): CopyFormat {
  return { format: format === 1 ? 1 : 0, columnFormats };
}

function columnsOf({ fields }: Message<"RowDescription">): Description["columns"] & object {
  return fields.map(({ name, typeOid, typeModifier, tableOid, columnAttribute }) => ({
    name,
    typeOid,
    typeModifier,
    tableOid,
    attribute: columnAttribute,
  }));
}
