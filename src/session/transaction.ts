/**
 * Transaction state of a session over statement upstreams (PostgreSQL documentation, 53.2.2.1 Multiple Statements in a
 * Simple Query; 53.2.4 Pipelining): idle, in a block, failed; and the implicit transaction around several statements.
 */
import type { StatementClass } from "../sql/statement.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { RunningCall } from "./call.ts";
import type { Channels } from "./channels.ts";
import type { Client } from "./client.ts";
import { defaultModes } from "./transaction-modes.ts";
import type { SavepointAction, StatementSession, TransactionModes, TransactionStatus } from "./upstream.ts";

export class Transaction {
  status: TransactionStatus = "I";
  /** The upstream has a transaction open that the client did not ask for. */
  implicit = false;
  readonly #upstream: StatementSession;
  readonly #client: Client;
  /** What BEGIN and SET TRANSACTION have asked for: AND CHAIN begins the next one with the same. */
  #modes: TransactionModes = {};
  /** The savepoints that are open, the innermost last. */
  readonly #savepoints: string[] = [];

  constructor(upstream: StatementSession, client: Client) {
    this.#upstream = upstream;
    this.#client = client;
  }

  get supported(): boolean {
    return this.#upstream.begin !== undefined;
  }

  /** Opens the implicit transaction, where the upstream has transactions and none is open. */
  async beginImplicit(call: RunningCall): Promise<void> {
    if (this.status !== "I" || this.implicit || !this.#upstream.begin) return;
    const modes = defaultModes(this.#client.parameters);
    await this.#upstream.begin({ ...modes, implicit: true }, call);
    this.implicit = true;
    this.#modes = {};
    this.#begun(modes);
  }

  /** Ends the implicit transaction, if one is open. */
  async endImplicit(call: RunningCall, success: boolean): Promise<void> {
    if (!this.implicit) return;
    this.implicit = false;
    await (success ? this.#commit(call) : this.#rollback());
  }

  /** BEGIN. */
  async begin(modes: TransactionModes, call: RunningCall): Promise<void> {
    if (this.status !== "I") {
      this.#warn(sqlstate.activeSqlTransaction, "there is already a transaction in progress");
      return;
    }
    if (this.implicit) {
      if (this.#upstream.setTransaction) await this.setModes(modes, call);
      else this.#refuseLate(modes);
      this.implicit = false;
    } else {
      this.#modes = modes;
      if (!this.#upstream.begin) throw unsupported();
      const all = { ...defaultModes(this.#client.parameters), ...modes };
      await this.#upstream.begin(all, call);
      this.#begun(all);
    }
    this.status = "T";
  }

  /** SET TRANSACTION. */
  async setModes(modes: TransactionModes, call: RunningCall): Promise<void> {
    if (this.status === "I" && !this.implicit) {
      this.#warn(sqlstate.noActiveSqlTransaction, "SET TRANSACTION can only be used in transaction blocks");
      return;
    }
    if (!this.#upstream.setTransaction) {
      throw new PgError(sqlstate.featureNotSupported, "SET TRANSACTION is not supported by this database", {
        hint: "Name the modes in BEGIN, as in BEGIN ISOLATION LEVEL SERIALIZABLE.",
      });
    }
    if (Object.keys(modes).length > 0) await this.#upstream.setTransaction(modes, call);
    this.#client.settings.setModes(modes);
    this.#modes = { ...this.#modes, ...modes };
  }

  /** COMMIT; gives the command tag, which is ROLLBACK for a failed block. */
  async commit(call: RunningCall, chain: boolean): Promise<string> {
    if (this.status === "I") this.#outside("COMMIT", chain);
    const failed = this.status === "E";
    const open = this.status !== "I" || this.implicit;
    this.status = "I";
    this.implicit = false;
    const modes = this.#modes;
    if (open) await (failed ? this.#rollback() : this.#commit(call));
    if (chain) await this.begin(modes, call);
    return failed ? "ROLLBACK" : "COMMIT";
  }

  /** ROLLBACK. */
  async rollback(call: RunningCall, chain: boolean): Promise<void> {
    if (this.status === "I") this.#outside("ROLLBACK", chain);
    const open = this.status !== "I" || this.implicit;
    this.status = "I";
    this.implicit = false;
    const modes = this.#modes;
    if (open) await this.#rollback();
    if (chain) await this.begin(modes, call);
  }

  /** SAVEPOINT, RELEASE, ROLLBACK TO. */
  async savepoint(action: SavepointAction, call: RunningCall): Promise<void> {
    const command = {
      savepoint: "SAVEPOINT",
      release: "RELEASE SAVEPOINT",
      rollbackTo: "ROLLBACK TO SAVEPOINT",
    };
    if (this.status === "I") {
      throw new PgError(
        sqlstate.noActiveSqlTransaction,
        `${command[action.type]} can only be used in transaction blocks`,
      );
    }
    if (!this.#upstream.savepoint) {
      throw new PgError(sqlstate.featureNotSupported, "savepoints are not supported by this database");
    }
    await this.#upstream.savepoint(action, call);
    const { settings, channels } = this.#client;
    const at = this.#savepoints.lastIndexOf(action.name);
    if (action.type === "savepoint") {
      settings.begin(action.name);
      channels?.savepoint(action.name);
      this.#savepoints.push(action.name);
    } else if (action.type === "release") {
      settings.release(action.name);
      channels?.release(action.name);
      this.#savepoints.length = Math.max(at, 0);
    } else {
      settings.rollbackTo(action.name);
      channels?.rollbackTo(action.name);
      this.#savepoints.length = at + 1;
    }
    this.status = "T";
  }

  /** How many savepoints are open: what is made now ends with a ROLLBACK TO the innermost of them. */
  get depth(): number {
    return this.#savepoints.length;
  }

  /** PREPARE TRANSACTION ended the block, or failed to, which ends it as well. */
  async prepared(success: boolean): Promise<void> {
    const open = this.status !== "I";
    this.status = "I";
    this.#savepoints.length = 0;
    if (success) this.#client.settings.commit();
    else if (open) await this.#rollback();
  }

  /** A block failed that was sent to the upstream as a whole: the client is in it, and the upstream is not. */
  enter(): void {
    this.status = "T";
    this.#client.settings.begin();
  }

  /** A statement failed: a block becomes a failed block. */
  fail(): void {
    if (this.status === "T") this.status = "E";
  }

  async #commit(call: RunningCall): Promise<void> {
    const { settings, channels } = this.#client;
    if (channels?.waiting) await this.#prepareChannels(channels);
    this.#savepoints.length = 0;
    try {
      await this.#upstream.commit?.(call);
    } catch (error) {
      settings.rollback();
      channels?.rollback();
      throw error;
    }
    settings.commit();
    await channels?.commit();
  }

  #begun(modes: TransactionModes): void {
    const { settings } = this.#client;
    settings.begin();
    if (this.#upstream.settings === "upstream") return;
    settings.setModes({ isolation: "read committed", readOnly: false, deferrable: false, ...modes });
  }

  async #prepareChannels(channels: Channels): Promise<void> {
    try {
      await channels.prepare();
    } catch (error) {
      await this.#rollback();
      throw error;
    }
  }

  async #rollback(): Promise<void> {
    this.#savepoints.length = 0;
    this.#client.settings.rollback();
    this.#client.channels?.rollback();
    // A call of its own: what cancelled the statement must not cancel its rollback.
    await this.#upstream.rollback?.(new RunningCall(this.#client));
  }

  /** BEGIN behind other statements of the same message: the transaction is under way, with the modes that it has. */
  #refuseLate({ isolation, readOnly, deferrable }: TransactionModes): void {
    const defaults = defaultModes(this.#client.parameters);
    const late = (mode: string): PgError =>
      new PgError(sqlstate.activeSqlTransaction, `${mode} must be called before any query`);
    if (isolation !== undefined && isolation !== (defaults.isolation ?? "read committed")) {
      throw late("SET TRANSACTION ISOLATION LEVEL");
    }
    if (deferrable !== undefined) throw late("SET TRANSACTION [NOT] DEFERRABLE");
    if (readOnly !== undefined && readOnly !== (defaults.readOnly ?? false)) {
      throw new PgError(
        sqlstate.featureNotSupported,
        "a transaction that is under way cannot be made read-only or read-write in this database",
        { hint: "Send BEGIN before the other statements." },
      );
    }
  }

  #outside(command: string, chain: boolean): void {
    if (chain) {
      throw new PgError(
        sqlstate.noActiveSqlTransaction,
        `${command} AND CHAIN can only be used in transaction blocks`,
      );
    }
    this.#warn(sqlstate.noActiveSqlTransaction, "there is no transaction in progress");
  }

  #warn(code: string, message: string): void {
    this.#client.notice(message, { severity: "WARNING", code });
  }
}

function unsupported(): PgError {
  return new PgError(sqlstate.featureNotSupported, "transactions are not supported by this database", {
    hint: "Each statement is committed by itself: use autocommit.",
  });
}

/** In a failed block only its end is served; everything else is 25P02. */
export function refuseInFailedBlock(status: TransactionStatus, kind: StatementClass | undefined): void {
  if (status !== "E") return;
  if (kind?.type === "commit" || kind?.type === "rollback" || kind?.type === "rollbackTo") return;
  if (kind?.type === "prepareTransaction") return;
  throw new PgError(
    sqlstate.inFailedSqlTransaction,
    "current transaction is aborted, commands ignored until end of transaction block",
  );
}
