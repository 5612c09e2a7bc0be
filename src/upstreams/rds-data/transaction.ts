/** A transaction of the API: an id that statements are sent with, one after the other. */
import type { TransactionModes } from "../../session/mod.ts";
import { modesStatement } from "../../session/transaction-modes.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { defaultSetting } from "../kept-settings.ts";
import { wait } from "../wait.ts";
import type { SqlParameter } from "./api.ts";
import type { Answer, DataApi } from "./client.ts";
import type { StatementTypes } from "./description.ts";
import { settingsStatement } from "./settings.ts";

/** Milliseconds before each further ROLLBACK, or ROLLBACK TO, while a cancelled statement still runs. */
const busyDelays = [100, 200, 400, 800, 1_600, 3_200];

/** A signal that nobody aborts: what ends a transaction is not cancelled. */
const never = new AbortController().signal;

export class DataTransaction {
  /** It has changed the schema: what is known of statements holds in here only. */
  schemaChanged = false;
  /** What is known in here, once the schema has changed. */
  readonly known: Map<string, StatementTypes> = new Map();
  readonly #api: DataApi;
  readonly #id: string;
  /** The API refuses a request while another one of the transaction runs. */
  #last: Promise<unknown> = Promise.resolve();
  /** Settings as they were set in here. */
  #applied: Map<string, string> = new Map();
  #ended = false;

  private constructor(api: DataApi, id: string) {
    this.#api = api;
    this.#id = id;
  }

  static async begin(
    api: DataApi,
    modes: TransactionModes,
    settings: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<DataTransaction> {
    const transaction = new DataTransaction(api, await api.begin(signal));
    try {
      const sql = modesStatement(modes);
      if (sql !== undefined) await transaction.run(sql, signal);
      await transaction.apply(settings, signal);
    } catch (error) {
      transaction.abandon();
      throw error;
    }
    return transaction;
  }

  execute(sql: string, parameters: readonly SqlParameter[], signal: AbortSignal): Promise<Answer> {
    return this.#inTurn(() => this.#api.execute(sql, parameters, this.#id, signal));
  }

  /** Runs what has no result to look at. */
  async run(sql: string, signal: AbortSignal): Promise<void> {
    const answer = await this.execute(sql, [], signal);
    if (answer.type === "refused") throw answer.error;
  }

  /** The same, once a cancelled statement that still runs has ended. */
  async runPatiently(sql: string, signal: AbortSignal): Promise<void> {
    for (const delay of [...busyDelays, undefined]) {
      const answer = await this.execute(sql, [], signal);
      if (answer.type === "result") return;
      if (answer.refusal !== "busy" || delay === undefined) throw answer.error;
      await wait(delay, signal);
    }
  }

  /** Sets what differs from what is set in here, and sets back what does not differ any more. */
  async apply(settings: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    const changed = new Map<string, string>();
    for (const [name, value] of settings) if (this.#applied.get(name) !== value) changed.set(name, value);
    for (const [name, value] of this.#applied) {
      const initial = defaultSetting(name);
      if (!settings.has(name) && value !== initial) changed.set(name, initial);
    }
    if (changed.size === 0) return;
    const { sql, parameters } = settingsStatement(changed);
    const answer = await this.execute(sql, parameters, signal);
    if (answer.type === "refused") throw answer.error;
    for (const [name, value] of changed) this.#applied.set(name, value);
  }

  /** After a ROLLBACK TO nothing is known of what was set: it is all set again. */
  forgetSettings(): void {
    for (const name of this.#applied.keys()) this.#applied.set(name, "\0");
  }

  /** @throws PgError; the transaction has ended then, too */
  async commit(): Promise<void> {
    this.#ended = true;
    let answer: Answer;
    try {
      answer = await this.#inTurn(() => this.#api.end("CommitTransaction", this.#id, never));
    } catch (cause) {
      throw new PgError(
        sqlstate.transactionResolutionUnknown,
        "whether the transaction was committed is not known",
        {},
        { cause },
      );
    }
    if (answer.type === "result") return;
    await this.#end().catch(() => {});
    throw answer.error;
  }

  async rollback(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#end();
  }

  /** Rolls back behind the client's back. What cannot be rolled back now, the API does after three minutes. */
  abandon(): void {
    this.rollback().catch(() => {});
  }

  async #end(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#inTurn(() => this.#api.end("RollbackTransaction", this.#id, never));
      // One that is gone is rolled back.
      if (answer.type === "result" || answer.refusal === "transaction") return;
      const delay = busyDelays[attempt];
      if (answer.refusal !== "busy") throw answer.error;
      // It can never be committed any more, which is what was asked for.
      if (delay === undefined) return;
      await wait(delay, never);
    }
  }

  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }
}
