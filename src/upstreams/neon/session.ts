/**
 * One client of Neon: statements that need nothing of a session go by HTTP, a request each; everything else through the
 * tunnel, to a session of the server that is the client's until nothing of the client is left in it.
 */

import { modesText } from "../../session/transaction-modes.ts";
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
} from "../../session/upstream.ts";
import type { Parser } from "../../sql/mod.ts";
import { type BuiltInTypes, builtInTypes } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Descriptions } from "../descriptions.ts";
import type { KnownTypes } from "../known-types.ts";
import type { Pool } from "../wire/pool.ts";
import type { SqlHttp } from "./http.ts";
import { HttpStatements } from "./http-statements.ts";
import { type Plan, planOf, tagInCleanSession, unknownPlan } from "./plan.ts";
import { checkEncoding, refuseParameters } from "./refusals.ts";
import type { HttpSettings } from "./settings.ts";
import { type CancelRoute, Tunnel } from "./tunnel.ts";

/** What all clients of an upstream share. */
export interface Shared {
  readonly http: SqlHttp;
  readonly pool: Pool;
  readonly route: CancelRoute;
  readonly parser: Parser;
  readonly descriptions: Descriptions;
  readonly types: KnownTypes;
  /** Statements that the endpoint takes in one request, at the most. */
  readonly maxBatch: number;
}

type Pairs = readonly (readonly [string, string])[];

/** A session that is suspended: its settings, and nothing else. */
export interface NeonState {
  readonly parameters: Pairs;
  readonly missing: Pairs;
  readonly set: Pairs;
}

export class NeonSession implements StatementSession {
  readonly settings = "upstream";
  readonly #shared: Shared;
  readonly #client: ClientContext;
  /** Of the client's StartupMessage. */
  readonly #startup: Readonly<Record<string, string>>;
  readonly #endpoint: HttpSettings;
  readonly #http: HttpStatements;
  /** What SET has set, while no session of the server holds it. */
  #set: ReadonlyMap<string, string>;
  #tunnel: Tunnel | undefined;
  #inTransaction = false;
  /** What the tunnel's session may hold: see `Plan`. */
  #pinned = false;
  #custom: Set<string> = new Set();
  #hidden = false;
  /** It may hold less than it did. */
  #mayBeFree = false;
  #schemaChanged = false;
  /** Calls come one by one; but one that is cancelled is answered before it is through. */
  #last: Promise<unknown> = Promise.resolve();
  /** The tunnel is being let go of, or not: known when this settles. */
  #settled: Promise<void> | undefined;
  #gone = false;

  constructor(
    shared: Shared,
    client: ClientContext,
    startup: Readonly<Record<string, string>>,
    endpoint: HttpSettings,
    set: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#shared = shared;
    this.#client = client;
    this.#startup = startup;
    this.#endpoint = endpoint;
    this.#set = set;
    this.#http = new HttpStatements(shared, {
      settings: () => this.#missing,
      scope: () => this.#scope,
      describe: (statement, call) => this.#describeAnywhere(statement, call),
    });
  }

  get parameters(): Iterable<readonly [string, string]> {
    return this.#endpoint.parameters;
  }

  // --- statements ---

  query(statement: Statement, call: Call): Promise<Result> {
    return this.#inTurn(() => this.#query(statement, call));
  }

  async #query(statement: Statement, call: Call): Promise<Result> {
    const plan = this.#plan(statement.sql);
    checkEncoding(plan.kind);
    if (plan.plain && statement.parameters.length === 0) refuseParameters(statement.sql);
    if (!this.#tunnel) {
      const tag = this.#set.size === 0 ? tagInCleanSession(plan) : undefined;
      if (tag !== undefined) return { type: "command", tag };
      const result = await this.#http.run(statement, plan, call);
      if (result) return result;
    }
    return this.#throughTunnel(statement, plan, call);
  }

  batch(statements: readonly Statement[], call: Call): Promise<readonly Result[] | undefined> {
    return this.#inTurn(async () => {
      if (this.#tunnel || statements.length > this.#shared.maxBatch) return undefined;
      return this.#http.batch(
        statements.map((statement) => [statement, this.#plan(statement.sql)]),
        call,
      );
    });
  }

  /** Through the tunnel binary goes as it is. */
  types(typeOids: readonly number[]): BuiltInTypes | Promise<BuiltInTypes> {
    return this.#tunnel ? builtInTypes : this.#shared.types.find(typeOids);
  }

  describe(statement: StatementText, call: Call): Promise<Description> {
    // What is in a session of the client's own may be what the statement is about.
    return this.#inTurn(() => this.#tunnel?.describe(statement) ?? this.#describeAnywhere(statement, call));
  }

  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(async () => {
      await this.#settled;
      return work();
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** The parser knows no other strings than the standard's. */
  #plan(sql: string): Plan {
    const nonstandard = this.#client.parameters.get("standard_conforming_strings") === "off";
    return nonstandard && sql.includes("\\") ? unknownPlan(sql) : planOf(this.#shared.parser, sql);
  }

  /** The settings that have to go in front of a statement over HTTP. */
  get #missing(): ReadonlyMap<string, string> {
    const { missing } = this.#endpoint;
    return this.#set.size === 0 ? missing : new Map([...missing, ...this.#set]);
  }

  /** What names in a statement depend on besides the schema. */
  get #scope(): string {
    return JSON.stringify([Object.entries(this.#startup), ...this.#set]);
  }

  // --- transactions ---

  async begin(modes: TransactionModes, call: Call): Promise<void> {
    await this.#command(`BEGIN ${modesText(modes)}`, call, () => {
      this.#inTransaction = true;
    });
  }

  async commit(call: Call): Promise<void> {
    await this.#endTransaction("COMMIT", call);
  }

  async rollback(call: Call): Promise<void> {
    await this.#endTransaction("ROLLBACK", call);
  }

  async savepoint({ type, name }: SavepointAction, call: Call): Promise<void> {
    const verb = { savepoint: "SAVEPOINT", release: "RELEASE", rollbackTo: "ROLLBACK TO" };
    await this.#command(`${verb[type]} ${identifier(name)}`, call);
  }

  // --- notifications ---

  async listen(channel: string, call: Call): Promise<void> {
    await this.#command(`LISTEN ${identifier(channel)}`, call, () => {
      this.#pinned = true;
    });
  }

  async unlisten(channel: string | undefined, call: Call): Promise<void> {
    await this.#last;
    await this.#settled;
    if (!this.#tunnel) return;
    await this.#command(`UNLISTEN ${channel === undefined ? "*" : identifier(channel)}`, call, () => {
      this.#mayBeFree = true;
    });
  }

  // --- the end ---

  /** Outside of a transaction, what has no session of the server is no more than its settings. */
  async suspend(): Promise<NeonState | undefined> {
    await this.#last;
    await this.#settled;
    if (this.#tunnel) return undefined;
    const { parameters, missing } = this.#endpoint;
    return { parameters: [...parameters], missing: [...missing], set: [...this.#set] };
  }

  async close(): Promise<void> {
    this.#gone = true;
    const tunnel = this.#tunnel;
    this.#tunnel = undefined;
    if (!tunnel) return;
    // Nobody takes the rest of a result.
    if (!(await isOver(tunnel))) return tunnel.release(false);
    await this.#settled;
    await tunnel.release(!this.#inTransaction && !tunnel.closed);
  }

  // --- the tunnel ---

  async #throughTunnel(statement: Statement, plan: Plan, call: Call): Promise<Result> {
    const tunnel = await this.#acquire(call);
    try {
      return await tunnel.run(statement, plan, this.#inTransaction, call.signal);
    } catch (error) {
      // What it would have left is not there.
      this.#mayBeFree = true;
      throw error;
    } finally {
      this.#note(plan);
      this.#letGo(tunnel);
    }
  }

  /** Runs a command in the tunnel's session. */
  #command(sql: string, call: Call, done?: () => void): Promise<void> {
    return this.#inTurn(async () => {
      const tunnel = await this.#acquire(call);
      try {
        await tunnel.command(sql, call.signal);
        done?.();
      } finally {
        this.#letGo(tunnel);
      }
    });
  }

  #endTransaction(sql: "COMMIT" | "ROLLBACK", call: Call): Promise<void> {
    return this.#inTurn(() => this.#end(sql, call));
  }

  async #end(sql: "COMMIT" | "ROLLBACK", call: Call): Promise<void> {
    const tunnel = this.#tunnel;
    if (!tunnel) return;
    try {
      // A server that is gone has rolled back, as has one that refused to PREPARE a TRANSACTION.
      const over = sql === "ROLLBACK" && (tunnel.closed || (!tunnel.inTransaction && (await isOver(tunnel))));
      if (!over) await tunnel.command(sql, call.signal);
    } finally {
      tunnel.transactionEnded();
      this.#inTransaction = false;
      this.#mayBeFree = true;
      if (this.#schemaChanged) this.#shared.descriptions.invalidate();
      this.#schemaChanged = false;
      this.#letGo(tunnel);
    }
  }

  async #acquire({ signal }: Call): Promise<Tunnel> {
    if (this.#tunnel) return this.#tunnel;
    const tunnel = await this.#open(signal);
    if (this.#gone) {
      await tunnel.release(true);
      throw new PgError(sqlstate.connectionFailure, "the client closed the connection");
    }
    this.#tunnel = tunnel;
    // Settings that were set again are there to be reset.
    this.#pinned = this.#set.size > 0;
    this.#hidden = false;
    this.#mayBeFree = this.#pinned;
    // The client was told what the endpoint's sessions have.
    for (const [name, value] of tunnel.parameters) {
      if (this.#client.parameters.get(name) !== value) this.#client.setParameter(name, value);
    }
    return tunnel;
  }

  /** A session of the server with the client's settings. */
  async #open(signal: AbortSignal): Promise<Tunnel> {
    const { pool, route } = this.#shared;
    const tunnel = await Tunnel.open(pool, route, this.#startup, this.#client, signal);
    try {
      await tunnel.set(this.#set, signal);
      return tunnel;
    } catch (error) {
      await tunnel.release(false);
      throw error;
    }
  }

  #note({ kind, pins, customSettings, hides, frees, changesSchema }: Plan): void {
    this.#pinned ||= pins;
    for (const name of customSettings) this.#custom.add(name);
    this.#hidden ||= hides;
    this.#mayBeFree ||= frees;
    if (kind.type === "discard" && kind.what === "all") {
      this.#hidden = false;
      this.#custom.clear();
    }
    if (!changesSchema) return;
    this.#shared.descriptions.invalidate();
    this.#schemaChanged = this.#inTransaction;
  }

  /** When the statement is over: gives the tunnel back, if nothing of the client is left in its session. */
  #letGo(tunnel: Tunnel): void {
    if (this.#inTransaction || this.#tunnel !== tunnel) return;
    this.#settled = this.#tryToLetGo(tunnel)
      // What is wrong with the connection, the next statement will see.
      .catch(() => {});
  }

  async #tryToLetGo(tunnel: Tunnel): Promise<void> {
    await tunnel.over;
    if (this.#hidden) return;
    if (this.#pinned) {
      if (!this.#mayBeFree || tunnel.closed) return;
      this.#mayBeFree = false;
      const user = this.#endpoint.parameters.get("session_authorization") ?? "";
      const { pinned, settings } = await tunnel.held(user, this.#custom);
      if (pinned) return;
      this.#set = settings;
    }
    if (this.#tunnel !== tunnel) return;
    this.#tunnel = undefined;
    // Cleaning it is not the client's to wait for.
    tunnel.release(true).catch(() => {});
  }

  // --- descriptions ---

  async #describeAnywhere(statement: StatementText, { signal }: Call): Promise<Description> {
    const { descriptions } = this.#shared;
    const scope = this.#scope;
    const known = descriptions.get(scope, statement);
    if (known) return known;
    const { epoch } = descriptions;
    const tunnel = await this.#open(signal);
    try {
      const description = await tunnel.describe(statement);
      descriptions.add(scope, statement, description, epoch);
      return description;
    } finally {
      tunnel.release(true).catch(() => {});
    }
  }
}

async function isOver(tunnel: Tunnel): Promise<boolean> {
  const late = Symbol("late");
  return (await Promise.race([tunnel.over, Promise.resolve(late)])) !== late;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
