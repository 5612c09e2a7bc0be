/**
 * A session: the server half of the protocol for one client, sans I/O. Bytes go in by `receive`, bytes come out through
 * the transport, and only upstreams are awaited. It runs the phases (startup, then statements or a relay), the timers,
 * the end of the connection, and the pause of a session that is suspended.
 */
import type { Login } from "../auth/source.ts";
import { fatal, PgError } from "../wire/error.ts";
import { type Frame, Framer } from "../wire/framer.ts";
import { type FrontendLimits, frontendLimits } from "../wire/limits.ts";
import { frontendCodes, writeErrorResponse, writeReadyForQuery } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { protocol32 } from "../wire/startup.ts";
import { traceFrame } from "../wire/trace.ts";
import { type CancelKey, memoryCancelRegistry } from "./cancel.ts";
import { Channels } from "./channels.ts";
import { Client } from "./client.ts";
import { reportKey, reportParameters } from "./greeting.ts";
import { defaultLimits, type SessionLimits } from "./limits.ts";
import type { SessionOptions } from "./options.ts";
import { Output, type TraceLine } from "./output.ts";
import type { Phase } from "./phase.ts";
import { RelayPhase } from "./relay.ts";
import {
  keyOf,
  loginOf,
  refuseFormat,
  type SessionSnapshot,
  snapshotOf,
  type UpstreamState,
} from "./snapshot.ts";
import { StartupPhase } from "./startup.ts";
import { StatementPhase } from "./statements.ts";
import { idleTooLong, Timers } from "./timers.ts";
import type { Transport } from "./transport.ts";
import type { TransactionStatus, UpstreamSession } from "./upstream.ts";

let sessions = 0;

export class Session {
  /** Settles when the connection has ended and the upstream has let go. */
  readonly closed: Promise<void>;
  readonly #transport: Transport;
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #framer: Framer;
  readonly #trace: TraceLine | undefined;
  readonly #output: Output;
  readonly #timers: Timers;
  readonly #startup: StartupPhase;
  #phase: Phase;
  #key: CancelKey | undefined;
  #protocol = 0;
  #client: Client | undefined;
  #upstream: UpstreamSession | undefined;
  #running: Promise<void> | undefined;
  /** Messages are being worked off, and answered, at once. */
  #pumping = false;
  #ending = false;
  #shutdown = false;
  #finishing = false;
  #settleClosed: () => void = () => {};

  /**
   * Goes on with a session that was suspended. Bytes may be given to it at once: they wait until its upstream is back.
   * What keeps it from that is the client's FATAL error, as is the end of its idle_session_timeout.
   */
  static resume(transport: Transport, options: SessionOptions, snapshot: SessionSnapshot): Session {
    return new Session(transport, options, snapshot);
  }

  constructor(transport: Transport, options: SessionOptions);
  /** @internal See `resume`. */
  constructor(transport: Transport, options: SessionOptions, resumed: SessionSnapshot);
  constructor(transport: Transport, options: SessionOptions, resumed?: SessionSnapshot) {
    this.#transport = transport;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#framer = new Framer({ startup: true, limits: messageLimits(this.#limits.messageBytes) });
    const { trace } = options;
    const number = ++sessions;
    this.#trace = trace && ((line) => trace(line, number));
    this.#output = new Output(transport, this.#limits.outputHighWater, this.#trace);
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#timers = new Timers(this.#limits, {
      end: (error) => this.#fail(error),
      cancel: () => this.#phase.cancel("timeout"),
    });
    this.#startup = new StartupPhase({
      framer: this.#framer,
      output: this.#output,
      transport,
      auth: options.auth,
      refuse: options.refuse,
      cancel: (processId, secretKey) => this.#serveCancel(processId, secretKey),
      authenticated: (login, version) => this.#connect(login, version),
      end: () => this.#end(),
    });
    this.#phase = this.#startup;
    if (resumed) this.#resume(resumed);
    else this.#timers.startup(() => this.#startupTimedOut());
  }

  /**
   * Takes bytes from the client, cut anywhere; the session owns them from then on. A promise: enough is waiting, read
   * no more until it settles. It never rejects: errors are answered on the connection.
   */
  receive(chunk: Uint8Array): void | Promise<void> {
    if (this.#ending) return;
    this.#framer.push(chunk);
    if (!this.#running) this.#pump();
    if (this.#running && this.#framer.buffered > this.#limits.inputHighWater) return this.#running;
  }

  /** The client vanished: what runs is cancelled and the session is torn down. */
  end(): void {
    if (this.#ending) return;
    this.#end();
  }

  /**
   * The client closed its side, but may still read: what it sent is answered, then the session ends. PostgreSQL, too,
   * sees the end of the input only when it wants to read the next message.
   */
  finish(): void {
    this.#finishing = true;
    this.#finishIfDone();
  }

  /** Ends the session with FATAL 57P01: at once if it is idle or `now` is given, else when its statement is done. */
  shutdown(now = false): void {
    this.#shutdown = true;
    const idle = !this.#running && this.#phase.idle;
    if (now || idle || this.#phase === this.#startup) this.#fail(adminShutdown());
  }

  /**
   * Lets go of the upstream and of all timers, without a word to the client, and gives what `resume` needs to go on over
   * the same connection; from then on this session is `closed`. Undefined: not now. A session can only be suspended
   * while its client is idle outside of a transaction, with nothing half sent, and if its upstream holds nothing that
   * cannot be moved.
   */
  async suspend(): Promise<SessionSnapshot | undefined> {
    if (!this.#resting || !this.#suspendable) return undefined;
    const asked = this.#askToSuspend();
    // What comes now waits, and shows that the client is not idle any more.
    this.#running = asked.then(() => {});
    const state = await asked;
    this.#running = undefined;
    if (state && this.#resting) return this.#leave(state);
    if (!this.#ending) this.#pump();
    if (!this.#running) this.#rest();
    return undefined;
  }

  /** The client is idle outside of a transaction, and nothing is on its way in either direction. */
  get #resting(): boolean {
    if (this.#ending || this.#shutdown || this.#finishing || this.#pumping || this.#running) return false;
    const quiet = this.#framer.buffered === 0 && this.#output.writer.length === 0;
    return quiet && this.#phase.resting === true && !this.#client?.waiting;
  }

  get #suspendable(): boolean {
    const upstream = this.#upstream;
    if (upstream?.suspend) return true;
    return (
      upstream !== undefined &&
      !("relay" in upstream) &&
      upstream.settings !== "upstream" &&
      !this.#client?.upstreamListens
    );
  }

  async #askToSuspend(): Promise<UpstreamState | undefined> {
    try {
      if ((await this.#client?.channels?.suspendable()) === false) return undefined;
      const upstream = this.#upstream;
      if (!upstream?.suspend) return {};
      const state = await upstream.suspend();
      return state === undefined ? undefined : { upstream: state };
    } catch (error) {
      this.#error(error);
      return undefined;
    }
  }

  #leave(state: UpstreamState): SessionSnapshot {
    const snapshot = snapshotOf({
      protocol: this.#protocol,
      client: this.#client as Client,
      key: this.#key as CancelKey,
      deadline: this.#timers.deadline,
      prepared: this.#phase.prepared?.(),
      state,
    });
    this.#end(true);
    return snapshot;
  }

  #resume(snapshot: SessionSnapshot): void {
    this.#framer.startup = false;
    this.#framer.limits = messageLimits(this.#limits.messageBytes, { PasswordMessage: 0 });
    const unreadable = refuseFormat(snapshot);
    if (unreadable) return this.#fail(unreadable);
    if (snapshot.deadline !== undefined && snapshot.deadline <= Date.now()) return this.#fail(idleTooLong());
    this.#wait(this.#connect(loginOf(snapshot, this.#transport), snapshot.protocol, snapshot));
  }

  #finishIfDone(): void {
    if (!this.#finishing || this.#ending || this.#pumping || this.#running || this.#phase.answering) return;
    this.#output.flush();
    this.#end();
  }

  /** Handles the messages at hand, until one has to wait. */
  #pump(): void {
    this.#pumping = true;
    const pending = this.#handleMessages();
    this.#pumping = false;
    if (pending) this.#wait(pending);
    else this.#finishIfDone();
  }

  #handleMessages(): void | Promise<void> {
    try {
      while (!this.#ending) {
        const frame = this.#framer.next();
        if (!frame) return this.#phase.drained?.();
        const pending = this.#receive(frame);
        if (pending) return pending;
      }
    } catch (error) {
      const settled = this.#phase.settle?.();
      if (!settled) return this.#fail(error);
      return settled.then(() => {
        throw error;
      });
    }
  }

  #wait(pending: Promise<void>): void {
    this.#running = pending.then(
      () => {
        this.#running = undefined;
        this.#pump();
        if (!this.#running) this.#rest();
        // A caller that waits for the input to drain waits for what this pump started, too.
        return this.#framer.buffered > this.#limits.inputHighWater ? this.#running : undefined;
      },
      (error: unknown) => {
        this.#running = undefined;
        this.#fail(error);
      },
    );
  }

  /** All messages were worked off. What came for an idle client, or asked it to end, while there was still a wait, counts now. */
  #rest(): void {
    if (this.#ending || !this.#phase.idle) return;
    if (this.#shutdown) return this.#fail(adminShutdown());
    this.#client?.push();
  }

  #receive(frame: Frame): void | Promise<void> {
    this.#trace?.(traceFrame("F", frame, { password: this.#startup.expects }));
    if (this.#phase !== this.#startup) {
      if (frame.code === frontendCodes.Terminate) return this.#end();
      this.#timers.busy();
    }
    return this.#phase.receive(frame);
  }

  /** A CancelRequest has no answer, not even that the registry failed. */
  async #serveCancel(processId: number, secretKey: Uint8Array): Promise<void> {
    try {
      await this.#options.cancels?.cancel(processId, secretKey);
    } catch (error) {
      this.#error(error);
    }
  }

  /** After authentication: finds the upstream, sends what a client expects before its first query. */
  async #connect(login: Login, version: number, resumed?: SessionSnapshot): Promise<void> {
    // The client may leave during each wait; what is taken for it after that, nobody would give back.
    if (this.#ending) return;
    const upstream = await this.#options.upstream(login);
    if (this.#ending) return;
    if (!upstream) {
      throw fatal(sqlstate.invalidCatalogName, `database "${login.database}" does not exist`);
    }
    const cancels = this.#options.cancels ?? memoryCancelRegistry();
    const key = await cancels.register(
      { cancel: () => this.#phase.cancel("user") },
      version >= protocol32 ? 256 : 4,
      resumed && keyOf(resumed),
    );
    if (this.#ending) return key.release();
    this.#key = key;
    this.#protocol = version;
    const idle = (): boolean => this.#phase.idle && !this.#running;
    const suspendable = this.#options.suspendable ?? false;
    const client = new Client(key.processId, login, this.#output, idle, suspendable);
    this.#client = client;
    const served = await upstream.connect(client, resumed?.upstream);
    this.#upstream = served;
    if (this.#ending) return this.#release();
    const { notifications } = this.#options;
    if (notifications && !("relay" in served) && !served.listen) {
      client.channels = new Channels(notifications, client);
      await client.channels.resume(resumed?.channels ?? []);
      if (this.#ending) return client.channels.leave(false);
    }
    if (resumed?.statements) client.settings.resume(resumed.statements.settings);
    else reportParameters(this.#output.writer, client, served);
    if (!resumed) reportKey(this.#output.writer, key);
    const host = {
      output: this.#output,
      client,
      limits: this.#limits,
      ready: (status: TransactionStatus, settings?: ReadonlyMap<string, string>) =>
        this.#ready(status, settings),
      waiting: () => this.#finishIfDone(),
      fail: (error: unknown) => this.#fail(error),
      error: (cause: unknown) => this.#error(cause),
    };
    this.#phase =
      "relay" in served
        ? new RelayPhase(served, host)
        : new StatementPhase(served, host, resumed?.statements?.prepared);
    // From here on a password message is as unknown as any other letter.
    this.#framer.limits = messageLimits(this.#limits.messageBytes, { PasswordMessage: 0 });
    this.#timers.started();
    if (!resumed) writeReadyForQuery(this.#output.writer, "I");
    this.#ready("I", "relay" in served ? undefined : client.parameters);
    return this.#output.flush();
  }

  /** A ReadyForQuery is on its way: the client may now be idle. */
  #ready(status: TransactionStatus, settings?: ReadonlyMap<string, string>): void {
    if (this.#ending) return;
    if (this.#client) this.#client.status = status;
    this.#timers.idle(status, settings);
    if (this.#shutdown) this.#fail(adminShutdown());
    this.#finishIfDone();
  }

  #startupTimedOut(): void {
    // PostgreSQL says nothing to a client that has not even sent its startup packet.
    if (!this.#startup.started) return this.#end();
    this.#fail(fatal(sqlstate.queryCanceled, "canceling authentication due to timeout"));
  }

  #error(cause: unknown): PgError {
    const error = PgError.from(cause);
    try {
      return this.#options.onError?.(error, cause) ?? error;
    } catch {
      // What is wrong with the hook must not end sessions: the client gets its own error.
      return error;
    }
  }

  /** Answers with FATAL and ends the connection. */
  #fail(cause: unknown): void {
    if (this.#ending) return;
    const error = this.#error(cause);
    try {
      writeErrorResponse(this.#output.writer, { ...error.fields, severity: "FATAL" });
      this.#output.flush();
    } catch {
      // The connection is what failed: there is nobody to tell.
    }
    this.#end();
  }

  #end(suspended = false): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#output.end();
    if (!suspended) this.#transport.end();
    this.#timers.clear();
    this.#key?.release(suspended);
    this.#client?.leave();
    this.#client?.channels?.leave(suspended);
    const phase = this.#phase;
    Promise.resolve()
      .then(() => phase.close())
      // Whatever went wrong there, the upstream has to let go.
      .finally(() => this.#release())
      .catch((error: unknown) => this.#error(error))
      .finally(this.#settleClosed);
  }

  async #release(): Promise<void> {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    await upstream?.close?.();
  }
}

/** The limits of the wire layer, with the operator's one for the messages that carry data or SQL. */
function messageLimits(bytes: number, overrides: FrontendLimits = {}): (code: number) => number {
  const large = { Query: bytes, Parse: bytes, Bind: bytes, CopyData: bytes, FunctionCall: bytes };
  return frontendLimits({ ...large, ...overrides });
}

function adminShutdown(): PgError {
  return fatal(sqlstate.adminShutdown, "terminating connection due to administrator command");
}
