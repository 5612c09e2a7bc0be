/**
 * What the clients of one shared backend have in common: turns, the change from one client's session state to the
 * next one's, and notifications.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { type ProtocolBackend, SharedBackend } from "./backend.ts";
import { type ChannelChange, relisten } from "./channels.ts";
import type { SharedSession } from "./session.ts";
import { startupAgain } from "./startup-settings.ts";
import {
  capture,
  discard,
  discardSequences,
  hiddenInFunctions,
  isPinned,
  mayHideState,
  mayPin,
  noTraces,
  restore,
  restoreText,
  sameSettings,
} from "./state.ts";
import type { ClientStatements, StatementLimits } from "./statements.ts";
import { Turns } from "./turns.ts";

export interface SharedOptions {
  /** Milliseconds that a client waits for its turn before 55P03. Default 60,000. */
  readonly turnTimeout?: number | undefined;
  /** Prepared statements of one client. Default 10,000. */
  readonly statements?: number | undefined;
  /** Characters of their texts. Default 64 Mi. */
  readonly statementText?: number | undefined;
}

export class SharedHub {
  readonly backend: SharedBackend;
  /** Settles when the backend is gone. */
  readonly ended: Promise<void>;
  readonly turns: Turns<SharedSession>;
  /** What the backend reports before any client has changed it. */
  defaults: ReadonlyMap<string, string> = new Map();
  readonly sessions: Set<SharedSession> = new Set();
  /** Whose session state the backend has. */
  owner: SharedSession | undefined;
  /** A client that keeps the turn while it is idle. */
  #pinned: SharedSession | undefined;
  /** A client may hold what cannot be moved: look before each change of turns. */
  #mayPin = false;
  /** Functions may change the session's state unseen: look at each change of turns. */
  #mayHideState = false;
  /** The user that the backend was started as. */
  #ownUser = "";
  #opened: Promise<void> | undefined;
  readonly limits: StatementLimits;
  /** Channels that the backend listens to. */
  #channels: ReadonlySet<string> = new Set();

  constructor(backend: ProtocolBackend, options: SharedOptions) {
    this.backend = new SharedBackend(backend);
    this.turns = new Turns(options.turnTimeout ?? 60_000);
    this.limits = {
      statements: options.statements ?? 10_000,
      statementText: options.statementText ?? 64 * 1024 * 1024,
    };
    this.backend.onNotification = (channel, payload) => this.#notify(channel, payload);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.backend.onLost = (error) => {
      resolve();
      for (const session of this.sessions) session.lost(error);
    };
  }

  /** Looks at the backend before the first client has a turn. */
  open(): Promise<void> {
    this.#opened ??= this.#look();
    return this.#opened;
  }

  async #look(): Promise<void> {
    const { pins, state } = await hiddenInFunctions(this.backend);
    this.#mayPin ||= pins;
    this.#mayHideState ||= state;
    // PGlite reports it empty.
    const [row] = await this.backend.query("SELECT session_user");
    this.#ownUser = row?.[0] ?? "";
    this.backend.parameters.set("session_authorization", this.#ownUser);
    this.defaults = new Map(this.backend.parameters);
  }

  /**
   * Sets a new client's startup settings, as PostgreSQL does before its first ReadyForQuery: a bad one is FATAL there.
   * While another client has its turn, nobody is kept waiting for that: it is done when the first turn comes.
   */
  async introduce(session: SharedSession): Promise<void> {
    if (session.state.settings.size === 0 || this.turns.holder) return;
    await this.turns.acquire(session);
    try {
      if (await this.enter(session)) session.incoming.introduced();
    } finally {
      this.turns.release(session);
    }
  }

  /**
   * The SQL that makes the backend the client's, if nothing else needs to be done or known for it: it can then be sent
   * together with the client's own messages, and changing turns costs no round trip.
   */
  shortcut(next: SharedSession): string | undefined {
    const previous = this.owner;
    if (this.backend.lost) return undefined;
    if (previous === next) return "";
    const { role, user, prepared, proven } = next.state;
    if (!previous || this.#mayPin || this.#mayHideState || !proven || role !== "none" || prepared.length > 0)
      return undefined;
    if (user !== previous.state.user) return undefined;
    if (previous.traces.settings || previous.traces.prepared || previous.state.prepared.length > 0)
      return undefined;
    this.owner = next;
    if (sameSettings(previous.state, next.state)) return discardSequences;
    return restoreText(next.state, { deallocate: false, user: undefined });
  }

  /** Looks at SQL on its way to the backend. */
  noteText(text: string): void {
    this.#mayPin ||= mayPin.test(text);
    this.#mayHideState ||= mayHideState.test(text);
  }

  /**
   * Makes the backend the client's. False: the client before it holds what cannot be moved (a temporary table), and
   * has been given back the turn; wait again.
   */
  async enter(next: SharedSession): Promise<boolean> {
    if (this.backend.lost) throw this.backend.lost;
    const previous = this.owner;
    if (previous === next) return true;
    if (previous) {
      if (this.#mayPin && (await isPinned(this.backend))) {
        this.#pinned = previous;
        this.turns.giveBack(next, previous);
        return false;
      }
      const { traces } = previous;
      if (this.#mayHideState) previous.traces = { ...traces, settings: true, prepared: true };
      await capture(this.backend, previous.state, previous.traces, this.#ownUser);
    }
    const deallocate = (previous?.state.prepared.length ?? 0) > 0;
    if (previous) previous.traces = noTraces();
    this.owner = undefined;
    try {
      const user = next.state.user === previous?.state.user ? undefined : (next.state.user ?? this.#ownUser);
      await restore(this.backend, next.state, { deallocate, user });
    } catch (error) {
      // Settings of the client's startup packet that PostgreSQL refuses: fatal, as they are at startup.
      const { code, message, ...fields } = PgError.from(error).fields;
      throw new PgError(code, message, { ...fields, severity: "FATAL" });
    }
    if (deallocate) this.backend.resident.clear();
    this.owner = next;
    for (const [name, value] of this.backend.parameters) next.incoming.corrected(name, value);
    return true;
  }

  /** A client's turn is over; whether it lets the others go on. */
  async released(session: SharedSession): Promise<boolean> {
    if (this.#pinned !== session) return true;
    if (await isPinned(this.backend)) return false;
    this.#pinned = undefined;
    return true;
  }

  /** A turn with DEALLOCATE or DISCARD ALL is over: what the backend still holds is all that anyone has there. */
  async deallocated(statements: ClientStatements): Promise<void> {
    const rows = await this.backend.query(
      "SELECT name FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql",
    );
    statements.retain(new Set(rows.map(([name]) => name ?? "")));
  }

  /** A turn with RESET is over, and its client's startup settings could not be set again at once. */
  async reset(session: SharedSession): Promise<void> {
    await this.backend.query(startupAgain(session.state.startup) ?? "SELECT 1");
    for (const [name, value] of this.backend.parameters) session.incoming.corrected(name, value);
  }

  /** A round trip: everything that was sent before is answered after it. */
  async barrier(): Promise<void> {
    await this.backend.query("SELECT 1");
  }

  /** A turn with LISTEN or UNLISTEN is over. */
  async listened(session: SharedSession, changes: readonly ChannelChange[]): Promise<void> {
    const rows = await this.backend.query("SELECT pg_catalog.pg_listening_channels()");
    const actual = new Set(rows.map(([name]) => name ?? ""));
    session.channels.apply(changes, actual, this.#channels);
    await this.#relisten(actual);
  }

  /** A client is gone: nothing of it stays. Its turn, if it has one, ends here. */
  async leave(session: SharedSession): Promise<void> {
    this.sessions.delete(session);
    if (this.backend.lost) return;
    const listening = session.channels.names.size > 0;
    session.channels.clear();
    try {
      if (this.owner === session || listening) await this.#clear(session, listening);
    } catch (error) {
      // Someone keeps the turn; the change to the next client clears what is left, but for channels.
      if (!(error instanceof PgError && error.code === sqlstate.lockNotAvailable)) throw error;
    } finally {
      if (this.#pinned === session) this.#pinned = undefined;
      this.turns.release(session);
    }
  }

  async #clear(session: SharedSession, listening: boolean): Promise<void> {
    if (this.turns.holder !== session) await this.turns.acquire(session);
    if (this.owner === session) {
      this.owner = undefined;
      await discard(this.backend, this.#ownUser);
      if (session.state.prepared.length > 0 || session.traces.prepared) {
        await this.backend.query("SELECT 1; DEALLOCATE ALL");
        this.backend.resident.clear();
      }
    }
    if (listening) await this.#relisten(this.#channels);
  }

  async #relisten(actual: ReadonlySet<string>): Promise<void> {
    const wanted = new Set<string>();
    for (const { channels } of this.sessions) for (const name of channels.names) wanted.add(name);
    await relisten(this.backend, actual, wanted);
    this.#channels = wanted;
  }

  #notify(channel: string, payload: string): void {
    const processId = this.owner?.client.processId ?? 0;
    for (const session of this.sessions) {
      if (session.listens(channel)) session.incoming.notified(channel, payload, processId);
    }
  }
}
