/**
 * One client of a shared backend. Its messages go to the backend in turns: from the first one until ReadyForQuery
 * outside a transaction, so that nothing of another client comes in between.
 */

import type {
  ClientContext,
  Relay,
  RelayPeer,
  RelaySession,
  TransactionStatus,
} from "../../session/upstream.ts";
import { fatal, PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import {
  backendCodes,
  constantFrames,
  decodeBackend,
  encodeFrontend,
  frontendCodes,
  writeErrorResponse,
  writeNotificationResponse,
  writeParameterStatus,
} from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { Writer } from "../../wire/writer.ts";
import { FrameRun } from "../frame-run.ts";
import type { TurnReceiver } from "./backend.ts";
import { type Listener, ListenerChannels } from "./channels.ts";
import { ExpectedAnswers } from "./expected-answers.ts";
import type { SharedHub } from "./hub.ts";
import { Inbox } from "./inbox.ts";
import { Outgoing } from "./outgoing.ts";
import { startupAgain } from "./startup-settings.ts";
import { emptyState, noTraces, type SessionState, type Traces, traceTag, traceText } from "./state.ts";
import { ClientStatements } from "./statements.ts";

/** Milliseconds after which a statement of a client that is gone is cancelled again. */
const cancelInterval = 50;

export class SharedSession implements RelaySession, Relay, TurnReceiver, Listener {
  readonly parameters: Iterable<readonly [string, string]>;
  readonly client: ClientContext;
  readonly state: SessionState;
  readonly statements: ClientStatements;
  readonly channels: ListenerChannels = new ListenerChannels();
  traces: Traces = noTraces();
  readonly #hub: SharedHub;
  /** What the client was told of the reported settings. */
  readonly #told: Map<string, string>;
  #peer: RelayPeer | undefined;
  readonly #inbox: Inbox = new Inbox();
  readonly #outgoing: Outgoing;
  #turn: "none" | "waiting" | "held" | "ending" = "none";
  #status: TransactionStatus = "I";
  /** DEALLOCATE or DISCARD ALL ran in this turn. */
  #deallocated = false;
  /** Settings that changed, for the client to be told of with its ReadyForQuery. */
  readonly #changed: Set<string> = new Set();
  readonly #run: FrameRun = new FrameRun();
  #pressure: void | Promise<void> = undefined;
  /** A description is being ended by a Sync of the gateway's own. */
  #ending = false;
  /** The client gets errors for its messages up to Sync: its turn was refused. */
  #refused = false;
  #settled: (() => void) | undefined;
  /** Set while messages wait for the client's next turn. */
  #yielding: PromiseWithResolvers<void> | undefined;
  /** Settles when the client leaves. */
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #closing: PromiseWithResolvers<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(hub: SharedHub, client: ClientContext, settings: ReadonlyMap<string, string>) {
    this.#hub = hub;
    this.client = client;
    this.state = emptyState(settings);
    this.statements = new ClientStatements(hub.backend.resident);
    this.#outgoing = new Outgoing(
      {
        noteText: (text) => {
          hub.noteText(text);
          traceText(this.traces, text);
        },
        startupAgain: startupAgain(settings),
        checkStatements: (statements) => hub.checkStatements(statements),
      },
      this.statements,
    );
    this.#told = new Map(hub.defaults);
    for (const [name, value] of settings) {
      for (const told of this.#told.keys()) {
        // DateStyle comes back completed; what the backend makes of the rest is told after the first turn began.
        if (told.toLowerCase() === name.toLowerCase() && told !== "DateStyle") this.#told.set(told, value);
      }
    }
    this.parameters = this.#told;
  }

  /** The backend has the client's settings: what it reports is what the client is to be told. */
  introduced(): void {
    for (const [name, value] of this.#hub.backend.parameters) this.#told.set(name, value);
  }

  relay(peer: RelayPeer): Relay {
    this.#peer = peer;
    return this;
  }

  // --- the client's side ---

  send(frame: Frame): void {
    this.#inbox.push(frame);
  }

  flush(): void | Promise<void> {
    if (!this.#inbox.complete) return;
    if (this.#turn === "held") return this.#forwardOrYield();
    if (this.#turn !== "none") return;
    if (this.#refused) this.#refuse(undefined);
    this.#inbox.dropStray();
    if (!this.#inbox.complete) return;
    const { holder } = this.#hub.turns;
    if (holder === undefined || holder === this || !this.#inbox.onlyParses) return this.#takeTurn();
    const writer = new Writer();
    this.#outgoing.parseLater(this.#inbox.frames, writer);
    this.#inbox.clear();
    this.#peer?.send(writer.take());
    this.#peer?.ready("I");
  }

  async settle(): Promise<void> {
    this.#inbox.complete = true;
    await this.flush();
    if (this.#turn !== "held" || this.#answered) return;
    if (this.#outgoing.copy === "none") this.#hub.backend.send(constantFrames.flush.slice());
    await new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
  }

  cancel(): void {
    const error = new PgError(sqlstate.queryCanceled, "canceling statement due to user request");
    if (this.#turn === "waiting") this.#hub.turns.refuse(this, error);
    else if (this.#turn === "held" && this.#hub.backend.receiver === this) this.#hub.backend.cancel();
  }

  /** The client is gone: what it left open is rolled back before anyone else has a turn. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = Promise.withResolvers();
    this.#gone.resolve();
    this.#inbox.clear();
    if (this.#hub.backend.lost) return this.#hub.leave(this);
    const gone = new PgError(sqlstate.connectionFailure, "the client closed the connection");
    if (this.#turn === "waiting") {
      // If it has just been granted, the change of turns must first come to its end.
      if (!this.#hub.turns.refuse(this, gone)) await this.#closing.promise;
    } else if (this.#turn === "held") {
      if (this.#quiet) this.#endTurn();
      else this.#abandon();
      await this.#closing.promise;
    } else if (this.#turn === "ending") await this.#closing.promise;
    await this.#hub.leave(this);
  }

  /** Stops what the client left running, so that the backend comes to a ReadyForQuery. */
  #abandon(): void {
    this.#cancelAll();
    this.#bringToEnd();
  }

  /** Cancels one statement after the other. A cancel that comes between two is lost, as PostgreSQL's are. */
  #cancelAll(): void {
    if (this.#turn !== "held" || this.#quiet || this.#hub.backend.lost) return;
    this.#hub.backend.cancel();
    setTimeout(() => this.#cancelAll(), cancelInterval);
  }

  /** Ends a COPY and a pipeline that the client left open. Where a COPY may only be starting, its answer comes first. */
  #bringToEnd(): void {
    if (this.#outgoing.copy === "possible") return;
    const writer = new Writer();
    if (this.#outgoing.copy === "receiving") {
      this.#outgoing.copy = "none";
      encodeFrontend(writer, { type: "CopyFail", message: "the client closed the connection" });
    }
    if (this.#outgoing.expected.open) {
      // Sync alone would commit what the pipeline did so far. PostgreSQL rolls it back, and so does an error before it.
      encodeFrontend(writer, { type: "Execute", portal: "of a client that is gone", maxRows: 0 });
      this.#outgoing.expected.add("execute");
      writer.raw(constantFrames.sync);
      this.#outgoing.expected.endSegment("sync");
    }
    this.#hub.backend.send(writer.take());
  }

  // --- turns ---

  #takeTurn(): void | Promise<void> {
    this.#turn = "waiting";
    const granted = this.#hub.turns.acquire(this);
    if (granted) return this.#enter(granted);
    const shortcut = this.#hub.shortcut(this);
    return shortcut === undefined ? this.#enter(undefined) : this.#begin(shortcut);
  }

  async #enter(granted: void | Promise<void>): Promise<void> {
    let shortcut: string | undefined;
    try {
      if (granted) await granted;
      shortcut = this.#hub.shortcut(this);
      if (shortcut === undefined && !(await this.#hub.enter(this)))
        return this.#enter(this.#hub.turns.acquire(this));
    } catch (error) {
      this.#turn = "none";
      if (this.#closing) return this.#closing.resolve();
      this.#hub.turns.release(this);
      if (error instanceof PgError && error.severity === "FATAL") return this.#peer?.fail(error);
      return this.#refuse(PgError.from(error));
    }
    if (this.#closing) {
      this.#turn = "none";
      return this.#closing.resolve();
    }
    return this.#begin(shortcut ?? "");
  }

  /** `first`: SQL of the gateway's own that is sent before the client's messages. */
  #begin(first: string): void | Promise<void> {
    this.#turn = "held";
    this.#outgoing.expected = new ExpectedAnswers();
    this.#hub.backend.receiver = this;
    this.#hub.owner = this;
    const writer = new Writer();
    if (first !== "") {
      this.#hub.backend.encodeQuery(writer, first);
      this.#outgoing.expected.endSegment("query", "all");
    }
    return this.#forward(writer);
  }

  /** Everything that was sent is answered, or waits for more: a COPY for its data. */
  get #answered(): boolean {
    return this.#outgoing.expected.settled || this.#outgoing.copy === "receiving";
  }

  /** Nothing is running, or half sent: only the transaction's state says whether the turn is over. */
  get #quiet(): boolean {
    return this.#outgoing.expected.outstanding === 0 && !this.#outgoing.expected.open;
  }

  /** After ReadyForQuery: keeps the turn in a transaction, else ends it. */
  #settle(): void {
    if (!this.#quiet || (this.#inbox.complete && !this.#yields)) return;
    if (this.#status === "I" || this.#closing) this.#endTurn();
  }

  /** Others wait: what comes now is for the client's next turn. One that never stops sending would keep them out. */
  get #yields(): boolean {
    const { expected, copy } = this.#outgoing;
    return this.#hub.turns.waiting > 0 && this.#status === "I" && !expected.open && copy === "none";
  }

  #forwardOrYield(): void | Promise<void> {
    if (!this.#yields) return this.#forward();
    this.#yielding ??= Promise.withResolvers();
    this.#settle();
    return this.#yielding?.promise;
  }

  /** What waited for a turn was forwarded, or has none to wait for: the client's next messages may come. */
  #readOn(): void {
    this.#yielding?.resolve();
    this.#yielding = undefined;
  }

  #endTurn(): void {
    this.#turn = "ending";
    this.#finishTurn().then(
      (release) => this.#turnEnded(release),
      (error: unknown) => {
        this.#turnEnded(true);
        this.#peer?.fail(error);
      },
    );
  }

  /** Whether the turn can go to another client. */
  async #finishTurn(): Promise<boolean> {
    // PostgreSQL has answered everything that it was sent before a query of the gateway's own is answered.
    if (this.#outgoing.uncertain) await this.#hub.barrier();
    this.#outgoing.uncertain = false;
    // In this order: in a failed transaction nothing but its end is run. What comes before the row is dropped below.
    if (this.#closing && this.#status !== "I") await this.#hub.backend.query("ROLLBACK; SELECT 1");
    this.#status = "I";
    if (this.#deallocated) await this.#hub.deallocated(this.statements);
    this.#deallocated = false;
    if (this.#outgoing.reset && !this.#closing) await this.#hub.reset(this);
    this.#outgoing.reset = false;
    const changes = this.#outgoing.channelChanges.take();
    if (changes.length > 0) await this.#hub.listened(this, changes);
    return this.#closing !== undefined || (await this.#hub.released(this));
  }

  #turnEnded(release: boolean): void {
    this.#outgoing.endTransaction();
    this.#turn = "none";
    this.#readOn();
    if (this.#closing) {
      this.#hub.backend.receiver = undefined;
      this.#closing.resolve();
      return;
    }
    // With more messages at hand the client is not idle: a cancel is for them.
    if (!this.#inbox.complete) this.#peer?.ready("I");
    if (this.#hub.turns.waiting === 0 && this.#inbox.complete) {
      this.#turn = "held";
      this.#forward();
      return;
    }
    this.#hub.backend.receiver = undefined;
    if (release) this.#hub.turns.release(this);
    this.flush();
  }

  // --- forwarding ---

  #forward(writer: Writer = new Writer()): void | Promise<void> {
    const { frames } = this.#inbox;
    let at = 0;
    try {
      while (at < frames.length && this.#outgoing.copy !== "possible" && !this.#ending) {
        const frame = frames[at] as Frame;
        if (this.#outgoing.mustWait(frame)) break;
        at++;
        this.#outgoing.forward(frame, writer);
        if (at === frames.length && frame.code === frontendCodes.Flush && this.#status === "I") {
          this.#ending = this.#outgoing.endDescription(writer);
        }
      }
    } catch (error) {
      // What came before it is sent all the same: its answers are counted on.
      at = frames.length;
      this.#peer?.fail(error);
    }
    this.#inbox.taken(at);
    return this.#hub.backend.send(writer.take());
  }

  // --- the backend's side ---

  receive(frame: Frame): void {
    if (this.#outgoing.expected.swallowing) {
      this.#swallow(frame);
      return;
    }
    switch (frame.code) {
      case backendCodes.ParseComplete:
        if (!this.#outgoing.expected.complete("parse")) return;
        break;
      case backendCodes.CloseComplete:
        if (!this.#outgoing.expected.complete("close")) return;
        break;
      case backendCodes.BindComplete:
        this.#outgoing.expected.complete("bind");
        break;
      case backendCodes.RowDescription:
      case backendCodes.NoData:
        this.#outgoing.expected.complete("describe");
        break;
      case backendCodes.CommandComplete:
        this.#tag(frame);
        this.#outgoing.expected.complete("execute");
        break;
      case backendCodes.EmptyQueryResponse:
      case backendCodes.PortalSuspended:
        // The text only spoke of one.
        if (this.#outgoing.copyByExecute) this.#outgoing.copy = "none";
        this.#outgoing.expected.complete("execute");
        break;
      case backendCodes.ErrorResponse:
        if (this.#outgoing.copy === "receiving" || this.#outgoing.copyByExecute) this.#outgoing.copy = "none";
        this.#outgoing.channelChanges.failed();
        // Its pipeline was ended for it, so that the backend skips nothing any more: here it is skipped.
        if (this.#outgoing.expected.failed()) this.#refused = true;
        if (this.#outgoing.misplaced === undefined) break;
        this.#loseSynchronization(frame, this.#outgoing.misplaced);
        return;
      case backendCodes.CopyInResponse:
        this.#outgoing.copy = "receiving";
        break;
      case backendCodes.ParameterStatus:
        // Only what the client does not know yet: changing turns sets values back and forth.
        this.#tell(frame);
        return;
      case backendCodes.ReadyForQuery:
        this.#ready(frame);
        return;
    }
    this.#pass(frame.bytes);
  }

  /** Answers to the gateway's own messages. */
  #swallow(frame: Frame): void {
    switch (frame.code) {
      case backendCodes.ParseComplete:
        this.#outgoing.expected.complete("parse");
        return;
      case backendCodes.CloseComplete:
        this.#outgoing.expected.complete("close");
        return;
      case backendCodes.ErrorResponse:
        this.#outgoing.reset ||= this.#outgoing.expected.postponing;
        this.#outgoing.expected.failed();
        return;
      case backendCodes.ParameterStatus:
        this.#tell(frame);
        return;
      case backendCodes.ReadyForQuery:
        this.#ready(frame);
    }
  }

  received(): void | Promise<void> {
    this.#sendRun();
    if (this.#answered) this.#settled?.();
    if (this.#turn === "held") {
      if (this.#closing && !this.#quiet) this.#bringToEnd();
      if (this.#refused && this.#quiet) this.#refuse(undefined);
      // A COPY has begun, or turned out not to: what waited can go on.
      if (this.#inbox.complete && this.#outgoing.copy !== "possible" && !this.#yields) {
        this.#forward();
        this.#readOn();
      }
      this.#settle();
    }
    const pressure = this.#pressure;
    this.#pressure = undefined;
    // A client that is gone takes nothing any more: what it does not read must not stop the backend.
    if (pressure && !this.#closing) return Promise.race([pressure, this.#gone.promise]);
  }

  lost(error: PgError): void {
    this.#readOn();
    this.#settled?.();
    this.#closing?.resolve();
    this.#peer?.fail(error);
  }

  /** Whether the client listens to a channel, the turn at hand included. */
  listens(channel: string): boolean {
    return this.channels.after(this.#outgoing.channelChanges.ran).has(channel);
  }

  /** A notification of a channel that the client listens to. */
  notified(channel: string, payload: string, processId: number): void {
    const writer = new Writer();
    writeNotificationResponse(writer, processId, channel, payload);
    this.#sendRun();
    this.#peer?.send(writer.take());
  }

  /** A message that has no place in a COPY: PostgreSQL's error, with the place in the data, and the end. */
  #loseSynchronization(frame: Frame, code: number): void {
    const message = decodeBackend(frame.code, frame.body);
    const where = message.type === "ErrorResponse" ? message.fields.where : undefined;
    const type = `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
    const writer = new Writer();
    writeErrorResponse(writer, {
      severity: "ERROR",
      code: sqlstate.protocolViolation,
      message: `unexpected message type ${type} during COPY from stdin`,
      ...(where !== undefined && { where }),
    });
    this.#sendRun();
    this.#peer?.send(writer.take());
    this.#peer?.fail(
      fatal(sqlstate.protocolViolation, "terminating connection because protocol synchronization was lost"),
    );
  }

  #tag(frame: Frame): void {
    if (this.#outgoing.copyByExecute) this.#outgoing.copy = "none";
    const [first, second] = frame.body;
    // SELECT, INSERT, UPDATE: by far the most, and without traces.
    if (
      (first === 0x53 && second === 0x45 && frame.body[2] === 0x4c) ||
      first === 0x49 ||
      (first === 0x55 && second === 0x50)
    )
      return;
    const tag = tagText(frame.body);
    traceTag(this.traces, tag);
    this.#outgoing.channelChanges.completed(tag);
    if (tag.startsWith("DEALLOCATE") || tag === "DISCARD ALL") this.#deallocated = true;
  }

  #tell(frame: Frame): void {
    const [name = "", value = ""] = tagText(frame.body).split("\0");
    if (this.#outgoing.expected.postponing) this.#changed.add(name);
    else if (this.#told.get(name) !== value) {
      this.#told.set(name, value);
      this.#pass(frame.bytes);
    }
  }

  #ready(frame: Frame): void {
    const shown = this.#outgoing.expected.ready();
    if (this.#outgoing.expected.outstanding === 0) this.#ending = false;
    if (this.#outgoing.expected.outstanding === 0) this.#outgoing.copy = "none";
    this.#status = String.fromCharCode(frame.body[0] ?? 0x49) as TransactionStatus;
    if (this.#status === "I") this.#outgoing.endTransaction();
    if (!shown) return;
    for (const name of this.#changed) this.corrected(name, this.#hub.backend.parameters.get(name) ?? "");
    this.#changed.clear();
    this.#pass(frame.bytes);
    if (this.#quiet && this.#status !== "I") this.#peer?.ready(this.#status);
  }

  #pass(bytes: Uint8Array): void {
    if (this.#closing || this.#run.add(bytes)) return;
    this.#sendRun();
    this.#run.add(bytes);
  }

  #sendRun(): void {
    const frames = this.#run.take();
    if (frames) this.#pressure = this.#peer?.send(frames) ?? this.#pressure;
  }

  // --- refusals ---

  /** Answers the client's message with an error, without the backend; then passes over everything up to Sync. */
  #refuse(error: PgError | undefined): void {
    const writer = new Writer();
    if (error) writeErrorResponse(writer, error.fields);
    const answered = (!this.#refused && this.#inbox.skipQuery()) || this.#inbox.skipToSync();
    this.#refused = !answered;
    if (answered) writer.raw(constantFrames.readyForQueryIdle);
    if (writer.length > 0) this.#peer?.send(writer.take());
    if (answered) this.#peer?.ready("I");
    if (error) this.flush();
  }

  /** Tells the client of a setting that turned out different from what its startup was answered. */
  corrected(name: string, value: string): void {
    if (this.#told.get(name) === value) return;
    this.#told.set(name, value);
    // Before its relay begins, a client is told everything at once.
    if (!this.#peer) return;
    const writer = new Writer();
    writeParameterStatus(writer, name, value);
    this.#sendRun();
    this.#peer.send(writer.take());
  }
}

const decoder = new TextDecoder();

function tagText(body: Uint8Array): string {
  return decoder.decode(body.subarray(0, -1));
}
