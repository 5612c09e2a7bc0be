/**
 * One client of the RDS Data API. A statement outside of a transaction is one request; where the client has settings, a
 * transaction of its own in which they are set.
 */
import type {
  Call,
  ClientContext,
  Description,
  Result,
  SavepointAction,
  Statement,
  StatementSession,
  StatementText,
  TransactionModes,
} from "../../session/mod.ts";
import { defaultModes, modesStatement } from "../../session/transaction-modes.ts";
import { commandTag, type ParsedStatement } from "../../sql/mod.ts";
import type { BuiltInTypes } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { type CopySession, runCopy } from "../copy/mod.ts";
import { differingSettings } from "../kept-settings.ts";
import { runSetConfig } from "../set-config.ts";
import { columnsOf, queryOfCursor, resultTypesUnknown } from "./description.ts";
import { refuseUnbound } from "./placeholders.ts";
import { type Plan, planOf, refuseSessionNeeds } from "./plan.ts";
import { forget, Runs } from "./runs.ts";
import { DataTransaction } from "./transaction.ts";
import type { RdsDataDatabase } from "./upstream.ts";
import type { Version } from "./version.ts";

export class RdsDataSession implements StatementSession {
  readonly #database: RdsDataDatabase;
  readonly #client: ClientContext;
  readonly #runs: Runs;
  readonly parameters: Version;
  /** The client's. */
  #transaction: DataTransaction | undefined;

  constructor(database: RdsDataDatabase, client: ClientContext, version: Version) {
    this.#database = database;
    this.#client = client;
    this.#runs = new Runs(database);
    this.parameters = version;
  }

  async query(statement: Statement, call: Call): Promise<Result> {
    const { signal } = call;
    const plan = planOf(this.#database.parser, statement.sql);
    refuseSessionNeeds(plan, this.#transaction !== undefined);
    refuseUnbound(statement.sql, statement.parameters.length);
    if (plan.kind.type === "closeCursor" && !this.#transaction)
      return { type: "command", tag: commandTag(plan.kind) };
    if (plan.needs.has("copy")) return this.#copy(statement.sql, call);
    if (plan.setConfig) {
      return runSetConfig(plan.setConfig, this.#client, (sql) => this.query({ ...statement, sql }, call));
    }
    const settings = differingSettings(this.#client.parameters);
    const transaction = this.#transaction;
    if (transaction) {
      await transaction.apply(settings, signal);
      return this.#runs.run({ statement, plan, transaction, settings, signal });
    }
    const modes = defaultModes(this.#client.parameters);
    if (settings.size === 0 && Object.keys(modes).length === 0) {
      return this.#runs.run({ statement, plan, transaction, settings, signal });
    }
    const own = await DataTransaction.begin(this.#database.api, modes, settings, signal);
    return this.#inOwn(own, () =>
      this.#runs.run({ statement, plan, transaction: own, settings, signal }, own),
    );
  }

  #copy(sql: string, call: Call): Promise<Result> {
    const [parsed] = this.#database.parser.parse(sql) as [ParsedStatement];
    const session: CopySession = {
      inTransaction: this.#transaction !== undefined,
      query: (statement) => this.query(statement, call),
      describe: (statement) => this.describe(statement, call),
      types: (typeOids) => this.types(typeOids),
      begin: (modes) => this.begin({ ...defaultModes(this.#client.parameters), ...modes }, call),
      commit: () => this.commit(),
      rollback: () => this.rollback(),
      savepoint: (action) => this.savepoint(action, call),
    };
    return runCopy(session, parsed, call);
  }

  async describe({ sql, parameterTypes }: StatementText, call: Call): Promise<Description> {
    const { signal } = call;
    const plan = planOf(this.#database.parser, sql);
    refuseSessionNeeds(plan, this.#transaction !== undefined);
    if (plan.kind.type === "fetch") return this.#describeCursor(plan.kind.cursor, call);
    if (!plan.preparable) return describeOther(plan, parameterTypes);
    const settings = differingSettings(this.#client.parameters);
    const statement = { sql, parameterTypes, parameters: [], resultFormats: [] };
    const types = await this.#runs.types(
      { statement, plan, transaction: this.#transaction, settings, signal },
      plan.returnsRows,
    );
    if (plan.returnsRows && !types.resultTypes) throw resultTypesUnknown();
    return { parameterTypes: types.parameterTypes, columns: plan.returnsRows ? columnsOf(types) : undefined };
  }

  /** A FETCH has the columns of what its cursor was declared for. */
  async #describeCursor(name: string, call: Call): Promise<Description> {
    const sql = "SELECT statement FROM pg_catalog.pg_cursors WHERE name = $1::text";
    const statement = { sql, parameters: [name], parameterTypes: [], resultFormats: [] };
    const result = await this.query(statement, call);
    const [row] = result.type === "rows" && !(Symbol.asyncIterator in result.rows) ? [...result.rows] : [];
    if (typeof row?.[0] !== "string") {
      throw new PgError(sqlstate.invalidCursorName, `cursor "${name}" does not exist`);
    }
    const { columns } = await this.describe({ sql: queryOfCursor(row[0]), parameterTypes: [] }, call);
    return { parameterTypes: [], columns };
  }

  types(typeOids: readonly number[]): Promise<BuiltInTypes> {
    return this.#database.types.find(typeOids);
  }

  /** Settings come with the first statement: it takes a query to set them, behind which SET TRANSACTION is too late. */
  async begin(modes: TransactionModes, { signal }: Call): Promise<void> {
    this.#transaction = await DataTransaction.begin(this.#database.api, modes, new Map(), signal);
  }

  async setTransaction(modes: TransactionModes, { signal }: Call): Promise<void> {
    const sql = modesStatement(modes);
    if (sql !== undefined) await this.#transaction?.run(sql, signal);
  }

  async commit(): Promise<void> {
    const transaction = this.#take();
    await transaction?.commit();
  }

  async rollback(): Promise<void> {
    const transaction = this.#take();
    await transaction?.rollback();
  }

  async savepoint({ type, name }: SavepointAction, { signal }: Call): Promise<void> {
    const transaction = this.#transaction;
    if (!transaction) return;
    const quoted = `"${name.replaceAll('"', '""')}"`;
    if (type !== "rollbackTo") {
      // What was SET before belongs to what a ROLLBACK TO leaves alone.
      await transaction.apply(differingSettings(this.#client.parameters), signal);
      await transaction.run(`${type === "savepoint" ? "SAVEPOINT" : "RELEASE SAVEPOINT"} ${quoted}`, signal);
      return;
    }
    await transaction.runPatiently(`ROLLBACK TO SAVEPOINT ${quoted}`, signal);
    transaction.forgetSettings();
  }

  async close(): Promise<void> {
    await this.rollback().catch(() => {});
  }

  #take(): DataTransaction | undefined {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction?.schemaChanged) forget(this.#database);
    return transaction;
  }

  /** Runs a statement in a transaction of its own, which ends with it: `pages` of its result end it themselves. */
  async #inOwn(own: DataTransaction, work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      if (result.type !== "rows" || !(Symbol.asyncIterator in result.rows)) await own.commit();
      if (own.schemaChanged) forget(this.#database);
      return result;
    } catch (error) {
      own.abandon();
      throw error;
    }
  }
}

/** Statements that cannot be prepared: their parameters are what the client says, and few have rows. */
function describeOther({ kind }: Plan, parameterTypes: readonly number[]): Description {
  if (kind.type === "other" && kind.verb === "EXPLAIN") {
    return { parameterTypes, columns: [{ name: "QUERY PLAN" }] };
  }
  if (kind.type === "other" && kind.returnsRows !== false) {
    throw new PgError(sqlstate.featureNotSupported, "this statement cannot be described without running it", {
      hint: "Use a client that binds its parameters before it asks for the columns.",
    });
  }
  return { parameterTypes };
}
