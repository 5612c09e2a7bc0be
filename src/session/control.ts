/**
 * Statements that the session itself serves for a statement upstream: transaction control, settings, and what names the
 * session's own prepared statements. Everything else goes to the upstream's `query`.
 */
import type {
  ListenStatement,
  NotifyStatement,
  StatementClass,
  UnlistenStatement,
} from "../sql/statement.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { RunningCall } from "./call.ts";
import type { Client } from "./client.ts";
import { settingName } from "./parameters.ts";
import { runOnPortal } from "./portal-cursors.ts";
import type { Portals, PreparedStatements } from "./prepared.ts";
import { settle } from "./rows.ts";
import { listValue } from "./setting-values.ts";
import type { Transaction } from "./transaction.ts";
import type { Column, Result, Statement, StatementSession } from "./upstream.ts";

export interface ControlHost {
  readonly upstream: StatementSession;
  readonly client: Client;
  readonly transaction: Transaction;
  readonly prepared: PreparedStatements;
  readonly portals: Portals;
}

const savepointTags = { savepoint: "SAVEPOINT", release: "RELEASE", rollbackTo: "ROLLBACK" } as const;

type Controlled = Promise<Result | undefined>;

/** Runs a statement, up to its first row: the session's own here, all others by the upstream. */
export function runStatement(
  host: ControlHost,
  kind: StatementClass,
  statement: Statement,
  call: RunningCall,
): Result | Promise<Result> {
  if (kind.type === "other") return settle(host.upstream.query(statement, call), call);
  return runClassified(host, kind, statement, call);
}

async function runClassified(
  host: ControlHost,
  kind: StatementClass,
  statement: Statement,
  call: RunningCall,
): Promise<Result> {
  const { upstream, transaction, client } = host;
  const own = await runControl(host, kind, call);
  if (own) return own;
  if (kind.type !== "prepareTransaction") return settle(upstream.query(statement, call), call);
  if (client.channels?.waiting) {
    throw new PgError(
      sqlstate.featureNotSupported,
      "cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY",
    );
  }
  let done = false;
  try {
    const result = await settle(upstream.query(statement, call), call);
    done = true;
    return result;
  } finally {
    await transaction.prepared(done);
  }
}

/** Runs a statement of the session's own; undefined: it is the upstream's. */
async function runControl(host: ControlHost, statement: StatementClass, call: RunningCall): Controlled {
  const { transaction, prepared, upstream } = host;
  switch (statement.type) {
    case "begin": {
      const { type, verb, ...modes } = statement;
      await transaction.begin(modes, call);
      return command(verb);
    }
    case "commit":
      return command(await transaction.commit(call, statement.chain));
    case "rollback":
      await transaction.rollback(call, statement.chain);
      return command("ROLLBACK");
    case "savepoint":
    case "release":
    case "rollbackTo":
      await transaction.savepoint(statement, call);
      if (statement.type === "rollbackTo") host.portals.rollbackTo(transaction.depth);
      if (statement.type === "release") host.portals.release(transaction.depth);
      return command(savepointTags[statement.type]);
    case "deallocate":
      if (statement.name === undefined) {
        prepared.clear();
        return upstream.settings === "upstream" ? undefined : command("DEALLOCATE ALL");
      }
      return prepared.close(statement.name) ? command("DEALLOCATE") : undefined;
    case "listen":
    case "unlisten":
    case "notify":
      return runChannel(host, statement, call);
    case "fetch":
    case "move":
    case "closeCursor":
      return runOnPortal(host, statement, call, ({ statement: { kind, sql }, ...given }) =>
        runStatement(host, kind as StatementClass, { sql, ...given }, call),
      );
    case "discard":
      if (upstream.settings !== "upstream") return runSetting(host, statement, call);
      // The upstream refuses DISCARD ALL in a transaction, and nothing may be lost then.
      if (statement.what === "all" && transaction.status === "I" && !transaction.implicit) prepared.clear();
      return undefined;
    default:
      return upstream.settings === "upstream" ? undefined : runSetting(host, statement, call);
  }
}

/** By the upstream's own methods; else, where it has none, by the server's broker. */
async function runChannel(
  { upstream, client, transaction }: ControlHost,
  statement: ListenStatement | UnlistenStatement | NotifyStatement,
  call: RunningCall,
): Controlled {
  const tag = command(statement.type.toUpperCase());
  if (!upstream.listen && client.channels) {
    await client.channels.ask(statement, transaction.status !== "I" || transaction.implicit);
    return tag;
  }
  switch (statement.type) {
    case "listen":
      if (!upstream.listen) return undefined;
      await upstream.listen(statement.channel, call);
      client.upstreamListens = true;
      return tag;
    case "unlisten":
      if (!upstream.unlisten) return undefined;
      await upstream.unlisten(statement.channel, call);
      if (statement.channel === undefined) client.upstreamListens = false;
      return tag;
    case "notify":
      if (!upstream.notify) return undefined;
      await upstream.notify(statement.channel, statement.payload ?? "", call);
      return tag;
  }
}

async function runSetting(host: ControlHost, statement: StatementClass, call: RunningCall): Controlled {
  const { transaction, client, prepared, upstream } = host;
  const { settings } = client;
  switch (statement.type) {
    case "set":
      if (statement.scope === "local" && transaction.status === "I" && !transaction.implicit) {
        client.notice("SET LOCAL can only be used in transaction blocks", {
          severity: "WARNING",
          code: sqlstate.noActiveSqlTransaction,
        });
      }
      settings.set(
        statement.name,
        statement.value && listValue(settingName(statement.name), statement.value),
        statement.scope,
      );
      return command("SET");
    case "setSessionCharacteristics": {
      const { isolation, readOnly, deferrable } = statement;
      if (isolation !== undefined) settings.set("default_transaction_isolation", isolation);
      if (readOnly !== undefined) settings.set("default_transaction_read_only", readOnly ? "on" : "off");
      if (deferrable !== undefined) settings.set("default_transaction_deferrable", deferrable ? "on" : "off");
      return command("SET");
    }
    case "setTransaction": {
      const { type, snapshot, ...modes } = statement;
      if (snapshot !== undefined) {
        throw new PgError(
          sqlstate.featureNotSupported,
          "SET TRANSACTION SNAPSHOT is not supported by this database",
        );
      }
      await transaction.setModes(modes, call);
      return command("SET");
    }
    case "reset":
      settings.reset(statement.name);
      return command("RESET");
    case "show":
      return statement.name === "all"
        ? showAll(settings.values)
        : show(settingName(statement.name), settings.show(statement.name));
    case "discard":
      if (statement.what !== "all") return command(`DISCARD ${statement.what.toUpperCase()}`);
      if (transaction.status !== "I" || transaction.implicit) {
        throw new PgError(sqlstate.activeSqlTransaction, "DISCARD ALL cannot run inside a transaction block");
      }
      settings.reset("all");
      prepared.clear();
      await upstream.unlisten?.(undefined, call);
      client.upstreamListens = false;
      await client.channels?.ask({ type: "unlisten", channel: undefined }, false);
      return command("DISCARD ALL");
    default:
      return undefined;
  }
}

/** What a control statement returns, for Describe; undefined: not the session's to say. */
export function describeControl(
  statement: StatementClass,
  upstream: StatementSession,
): { columns: readonly Column[] | undefined } | undefined {
  switch (statement.type) {
    case "begin":
    case "commit":
    case "rollback":
    case "savepoint":
    case "release":
    case "rollbackTo":
    case "deallocate":
    case "listen":
    case "unlisten":
    case "notify":
    case "set":
    case "setTransaction":
    case "setSessionCharacteristics":
    case "reset":
    case "discard":
      return { columns: undefined };
    case "show":
      if (upstream.settings === "upstream") return undefined;
      return { columns: statement.name === "all" ? showAllColumns : [{ name: settingName(statement.name) }] };
    default:
      return undefined;
  }
}

const showAllColumns: readonly Column[] = [{ name: "name" }, { name: "setting" }, { name: "description" }];

function show(name: string, value: string): Result {
  return { type: "rows", columns: [{ name }], rows: [[value]], tag: "SHOW" };
}

function showAll(values: ReadonlyMap<string, string>): Result {
  const rows = [...values].sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
  return {
    type: "rows",
    columns: showAllColumns,
    rows: rows.map(([name, value]) => [name, value, ""]),
    tag: "SHOW",
  };
}

function command(tag: string): Result {
  return { type: "command", tag };
}
