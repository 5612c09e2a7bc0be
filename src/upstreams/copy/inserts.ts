/** The transaction of a COPY FROM, and what happens in it: inserts, and attempts that leave nothing behind. */
import type { CopyRow } from "../../copy/mod.ts";
import type { Call } from "../../session/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { type Batch, type InsertTarget, insertBatch, selectBatch } from "./insert.ts";
import { locate } from "./locate.ts";
import { type CopySession, run } from "./session.ts";

const savepoint = "edgewire copy";

/** What an attempt ends with that has succeeded, where nothing else can undo it. */
const undo = "edgewire copy: undo";

export class Inserts {
  readonly #session: CopySession;
  readonly #target: InsertTarget;
  readonly #call: Call;
  /** A transaction of the COPY's own is open. */
  #own = false;
  /** Something has been inserted that nothing can undo any more but the end of a transaction. */
  #inserted = false;
  #rolledBack: Promise<void> | undefined;

  constructor(session: CopySession, target: InsertTarget, call: Call) {
    this.#session = session;
    this.#target = target;
    this.#call = call;
  }

  /**
   * Inserts rows whose defaults are in the same columns.
   * @param only there is nothing else to insert: it can be a statement of its own
   * @returns how many were inserted
   */
  async insert(rows: readonly CopyRow[], only: boolean): Promise<number> {
    const alone = only && !this.#inserted && !this.#session.inTransaction && !this.#own;
    if (!alone) await this.#begin();
    const guarded = !alone && this.#session.savepoint !== undefined;
    if (guarded) await this.#savepoint("savepoint");
    let count: number;
    try {
      count = await this.#run(insertBatch(this.#target, rows));
    } catch (cause) {
      throw await this.#located(rows, cause, guarded);
    }
    this.#inserted = true;
    if (guarded) await this.#savepoint("release");
    return count;
  }

  /** Tries whether rows could be inserted, behind which nothing will be: all of it is undone in any case. */
  async check(rows: readonly CopyRow[]): Promise<void> {
    if (this.#session.inTransaction || this.#session.begin) {
      await this.insert(rows, false);
      return;
    }
    const failure = await this.#attemptAlone(rows);
    if (failure) throw await this.#located(rows, failure, false);
  }

  /** Tries whether a row's values are of their types. */
  async convert(row: CopyRow): Promise<PgError | undefined> {
    const { sql, parameters } = selectBatch({ ...this.#target, where: undefined }, [row]);
    // All columns are looked at, whether anybody asks for them or not.
    const batch = { sql: `SELECT count(v) FROM (${sql} OFFSET 0) AS v`, parameters };
    const guarded = (this.#session.inTransaction || this.#own) && this.#session.savepoint !== undefined;
    if (guarded) await this.#savepoint("savepoint");
    const failure = await this.#failure(batch);
    if (guarded) await this.#savepoint("rollbackTo");
    return failure;
  }

  async commit(): Promise<void> {
    if (!this.#own) return;
    this.#call.signal.throwIfAborted();
    this.#own = false;
    await this.#session.commit?.(this.#call);
  }

  /** Never fails: there is another error to tell, and a transaction that cannot be ended now ends by itself. */
  async rollback(): Promise<void> {
    if (this.#own) {
      this.#own = false;
      // What has cancelled the COPY must not cancel its end.
      const call = { client: this.#call.client, signal: new AbortController().signal };
      this.#rolledBack = Promise.resolve(this.#session.rollback?.(call)).catch(() => {});
    }
    await this.#rolledBack;
  }

  async #begin(): Promise<void> {
    if (this.#session.inTransaction || this.#own) return;
    const { begin } = this.#session;
    if (!begin) {
      throw new PgError(
        sqlstate.programLimitExceeded,
        "the data is too large for a COPY without a transaction",
        {
          hint: "This database has no transactions for several requests: copy in smaller parts.",
        },
      );
    }
    this.#call.signal.throwIfAborted();
    await begin.call(this.#session, {}, this.#call);
    this.#own = true;
    // The client's next statement, which may come at once, must not find the transaction of a COPY that was cancelled.
    this.#call.signal.addEventListener("abort", () => void this.rollback(), { once: true });
    if (this.#call.signal.aborted) await this.rollback();
    this.#call.signal.throwIfAborted();
  }

  async #savepoint(type: "savepoint" | "release" | "rollbackTo"): Promise<void> {
    this.#call.signal.throwIfAborted();
    await this.#session.savepoint?.({ type, name: savepoint }, this.#call);
  }

  async #run({ sql, parameters }: Batch): Promise<number> {
    const result = await run(this.#session, this.#call, sql, parameters);
    return result.type === "command" ? Number(/\d+$/.exec(result.tag)?.[0] ?? 0) : 0;
  }

  async #failure(batch: Batch): Promise<PgError | undefined> {
    try {
      await this.#run(batch);
      return undefined;
    } catch (error) {
      this.#call.signal.throwIfAborted();
      if (error instanceof PgError) return error;
      throw error;
    }
  }

  /** The error of a batch, with the line that it is about where that can be found out. */
  async #located(rows: readonly CopyRow[], cause: unknown, guarded: boolean): Promise<unknown> {
    if (!(cause instanceof PgError)) return cause;
    // A position would be one in the gateway's own statement.
    const { code, message, position: _, ...fields } = cause.fields;
    const failure = new PgError(code, message, fields, { cause });
    const inTransaction = this.#session.inTransaction || this.#own;
    if (inTransaction && !guarded) return failure;
    try {
      const undoes = guarded || (await this.#beginAttempts());
      if (guarded) await this.#savepoint("rollbackTo");
      return await locate(
        this.#target,
        rows,
        failure,
        (part) => (undoes ? this.#attempt(part) : this.#attemptAlone(part)),
        (row) => this.convert(row),
      );
    } catch (error) {
      this.#call.signal.throwIfAborted();
      // The API may have ended the transaction: what went wrong first is what counts.
      if (error instanceof PgError) return failure;
      throw error;
    }
  }

  /** A transaction in which to find out what was wrong with a statement of its own; false: there is none to be had. */
  async #beginAttempts(): Promise<boolean> {
    if (!this.#session.begin || !this.#session.savepoint) return false;
    await this.#begin();
    await this.#savepoint("savepoint");
    return true;
  }

  async #attempt(rows: readonly CopyRow[]): Promise<PgError | undefined> {
    const failure = await this.#failure(insertBatch(this.#target, rows));
    await this.#savepoint("rollbackTo");
    return failure;
  }

  /** Inserts in a statement that fails in any case, so that nothing of it stays. */
  async #attemptAlone(rows: readonly CopyRow[]): Promise<PgError | undefined> {
    const { sql, parameters } = insertBatch(this.#target, rows);
    const failure = await this.#failure({
      sql: `WITH inserted AS (${sql} RETURNING 1) SELECT (SELECT '${undo}'::text FROM (SELECT count(*) FROM inserted) AS n)::int4`,
      parameters,
    });
    return failure?.message.includes(undo) ? undefined : failure;
  }
}
