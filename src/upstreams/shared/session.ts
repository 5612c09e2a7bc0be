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
import { classify } from "../../sql/classify.ts";
import { splitStatements } from "../../sql/split.ts";
import { fatal, PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import {
  backendCodes,
  constantFrames,
  decodeBackend,
  decodeFrontend,
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
import { type ChannelChange, type Listener, ListenerChannels } from "./channels.ts";
import { askedEncoding, refusingText } from "./encoding.ts";
import { ExpectedAnswers, type ExtendedKind } from "./expected-answers.ts";
import type { SharedHub } from "./hub.ts";
import { emptyState, noTraces, type SessionState, type Traces, traceTag, traceText } from "./state.ts";
import { ClientStatements, parsedStatement } from "./statements.ts";

/** COPY FROM STDIN may follow: the messages behind it must wait until the backend says whether it does. */
const mayCopyIn = /\bcopy\b[\s\S]*\bstdin\b/i;
/** SQL that can name any prepared statement of the session. */
const namesStatements = /\b(execute|deallocate|discard|pg_prepared_statements)\b/i;
const mayListen = /\b(un)?listen\b|\bdiscard\b/i;

/** Messages that PostgreSQL does not answer before Sync or Flush, and how many bytes of them are gathered for it. */
const gathers: ReadonlySet<number> = new Set([
  frontendCodes.Parse,
  frontendCodes.Bind,
  frontendCodes.Describe,
  frontendCodes.Execute,
  frontendCodes.Close,
]);
const maxGathered = 256 * 1024;

/** Milliseconds after which a statement of a client that is gone is cancelled again. */
const cancelInterval = 50;

type CopyState = "none" | "possible" | "receiving";

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
  #inbox: Frame[] = [];
  /** Bytes in the inbox. */
  #gathered = 0;
  /** The inbox can go to the backend: it ends with a message that is answered at once. */
  #complete = false;
  #turn: "none" | "waiting" | "held" | "ending" = "none";
  #expected: ExpectedAnswers = new ExpectedAnswers();
  #status: TransactionStatus = "I";
  #copy: CopyState = "none";
  /** The COPY at hand came by Execute, not by Query. */
  #copyByExecute = false;
  /** Syncs were sent in the middle of a COPY: whether they are answered depends on when it failed. */
  #uncertain = false;
  /** The type of a message that came in the middle of a COPY, where it has no place. */
  #misplaced: number | undefined;
  /** DEALLOCATE or DISCARD ALL ran in this turn. */
  #deallocated = false;
  /** LISTEN and UNLISTEN that were sent, and those of this turn that ran. */
  #plannedChanges: ChannelChange[] = [];
  #channelChanges: ChannelChange[] = [];
  readonly #portalTexts: Map<string, string> = new Map();
  readonly #statementTexts: Map<string, string> = new Map();
  readonly #run: FrameRun = new FrameRun();
  #pressure: void | Promise<void> = undefined;
  /** A description is being ended by a Sync of the gateway's own. */
  #ending = false;
  /** The client gets errors for its messages up to Sync: its turn was refused. */
  #refused = false;
  #settled: (() => void) | undefined;
  #closing: PromiseWithResolvers<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(hub: SharedHub, client: ClientContext, settings: ReadonlyMap<string, string>) {
    this.#hub = hub;
    this.client = client;
    this.state = emptyState(settings);
    this.statements = new ClientStatements(hub.resident);
    this.#told = new Map(hub.backend.parameters);
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
    this.#gathered += frame.bytes.length;
    if (!gathers.has(frame.code) || this.#gathered > maxGathered) this.#complete = true;
  }

  flush(): void | Promise<void> {
    // PostgreSQL answers a pipeline at Sync or Flush; until then it needs no turn, and keeps nobody waiting.
    if (!this.#complete) return;
    if (this.#turn === "held") return this.#forward();
    if (this.#turn !== "none") return;
    if (this.#refused) this.#refuse(undefined);
    this.#dropStray();
    if (this.#inbox.length > 0) return this.#parsesOnly() ? this.#parseLater() : this.#takeTurn();
    this.#complete = false;
  }

  async settle(): Promise<void> {
    this.#complete = true;
    await this.flush();
    if (this.#turn !== "held" || this.#answered) return;
    if (this.#copy === "none") this.#hub.backend.send(constantFrames.flush.slice());
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
    this.#inbox = [];
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
    if (this.#copy === "possible") return;
    const writer = new Writer();
    if (this.#copy === "receiving") {
      this.#copy = "none";
      encodeFrontend(writer, { type: "CopyFail", message: "the client closed the connection" });
    }
    if (this.#expected.open) {
      // Sync alone would commit what the pipeline did so far. PostgreSQL rolls it back, and so does an error before it.
      encodeFrontend(writer, { type: "Execute", portal: "of a client that is gone", maxRows: 0 });
      this.#expected.add("execute");
      writer.raw(constantFrames.sync);
      this.#expected.endSegment("sync");
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
    this.#expected = new ExpectedAnswers();
    this.#hub.backend.receiver = this;
    this.#hub.owner = this;
    const writer = new Writer();
    if (first !== "") {
      encodeFrontend(writer, { type: "Query", query: first });
      this.#expected.endSegment("query", "all");
    }
    return this.#forward(writer);
  }

  /** Everything that was sent is answered, or waits for more: a COPY for its data. */
  get #answered(): boolean {
    return this.#expected.settled || this.#copy === "receiving";
  }

  /** Nothing is running, or half sent: only the transaction's state says whether the turn is over. */
  get #quiet(): boolean {
    return this.#expected.outstanding === 0 && !this.#expected.open;
  }

  /** After ReadyForQuery: keeps the turn in a transaction, else ends it. */
  #settle(): void {
    if (!this.#quiet || this.#complete) return;
    if (this.#status === "I" || this.#closing) this.#endTurn();
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
    if (this.#uncertain) await this.#hub.barrier();
    this.#uncertain = false;
    // In this order: in a failed transaction nothing but its end is run. What comes before the row is dropped below.
    if (this.#closing && this.#status !== "I") await this.#hub.backend.query("ROLLBACK; SELECT 1");
    this.#status = "I";
    if (this.#deallocated) await this.#hub.deallocated(this.statements);
    this.#deallocated = false;
    const changes = this.#channelChanges;
    this.#channelChanges = [];
    this.#plannedChanges = [];
    if (changes.length > 0) await this.#hub.listened(this, changes);
    return this.#closing !== undefined || (await this.#hub.released(this));
  }

  #turnEnded(release: boolean): void {
    this.#portalTexts.clear();
    this.#turn = "none";
    if (this.#closing) {
      this.#hub.backend.receiver = undefined;
      this.#closing.resolve();
      return;
    }
    this.#peer?.ready("I");
    if (this.#hub.turns.waiting === 0 && this.#complete) {
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
    const inbox = this.#inbox;
    let at = 0;
    while (at < inbox.length && this.#copy !== "possible" && !this.#ending) {
      const frame = inbox[at++] as Frame;
      this.#forwardOne(frame, writer);
      if (at === inbox.length && frame.code === frontendCodes.Flush) this.#endDescription(writer);
    }
    this.#inbox = at === inbox.length ? [] : inbox.slice(at);
    this.#gathered = 0;
    this.#complete = this.#inbox.length > 0;
    return this.#hub.backend.send(writer.take());
  }

  /**
   * asyncpg prepares with Flush, and sends Sync with the statement's first use: a description alone must not keep the
   * turn. It is ended with a Sync of the gateway's own; what comes behind waits for the answer.
   */
  #endDescription(writer: Writer): void {
    if (this.#status !== "I" || this.#copy !== "none" || this.#expected.outstanding > 0) return;
    if (!this.#expected.open || !this.#expected.onlyDescribes) return;
    writer.raw(constantFrames.sync);
    this.#expected.endSegment("sync", "ready");
    this.#ending = true;
  }

  #forwardOne(frame: Frame, writer: Writer): void {
    if (this.#copy === "receiving") {
      this.#forwardCopy(frame, writer);
      return;
    }
    switch (frame.code) {
      case frontendCodes.Query: {
        const text = this.#beforeQuery(frame, writer);
        const encoding = askedEncoding(text);
        if (encoding === undefined) break;
        encodeFrontend(writer, { type: "Query", query: refusingText(encoding) });
        return;
      }
      case frontendCodes.Parse:
      case frontendCodes.Bind:
      case frontendCodes.Describe:
      case frontendCodes.Execute:
      case frontendCodes.Close:
        this.#beforeExtended(frame, writer);
        if (frame.code === frontendCodes.Parse && this.#refuseEncoding(frame, writer)) return;
        break;
      case frontendCodes.Sync:
        this.#expected.endSegment("sync");
        break;
      case frontendCodes.FunctionCall:
        this.#expected.endSegment("query");
        break;
    }
    writer.raw(frame.bytes);
    // The answer to an Execute that may start a COPY is needed before the messages behind it can be understood.
    if (this.#copy === "possible" && this.#copyByExecute) writer.raw(constantFrames.flush);
  }

  /** Puts a Parse that will fail at Execute in place of one that would set another client_encoding. */
  #refuseEncoding(frame: Frame, writer: Writer): boolean {
    const message = this.#decode(frame);
    const encoding = message?.type === "Parse" ? askedEncoding(message.query) : undefined;
    if (message?.type !== "Parse" || encoding === undefined) return false;
    encodeFrontend(writer, { ...message, query: refusingText(encoding) });
    return true;
  }

  /** Gives the query's text. */
  #beforeQuery(frame: Frame, writer: Writer): string {
    const message = this.#decode(frame);
    const text = message?.type === "Query" ? message.query : "";
    if (!this.#expected.open && namesStatements.test(text)) {
      let inserted = false;
      this.statements.summonAll(writer, (kind) => {
        inserted = true;
        this.#expected.add(kind, { inserted });
      });
      if (inserted) {
        writer.raw(constantFrames.sync);
        this.#expected.endSegment("sync", "all");
      }
    }
    this.#noteText(text);
    this.statements.closed("");
    this.#expected.endSegment("query");
    if (mayCopyIn.test(text)) {
      this.#copy = "possible";
      this.#copyByExecute = false;
    }
    return text;
  }

  #beforeExtended(frame: Frame, writer: Writer): void {
    const message = this.#decode(frame);
    // A malformed message is answered with an error like any other; its kind does not matter.
    if (!message) this.#expected.add("execute");
    const inserted = (kind: ExtendedKind): void => this.#expected.add(kind, { inserted: true });
    switch (message?.type) {
      case "Parse": {
        const { statement: name, query, parameterTypes } = message;
        if (name !== "") {
          this.#hub.checkStatements(this.statements);
          this.statements.summon(name, writer, inserted);
        }
        if (namesStatements.test(query)) this.statements.summonAll(writer, inserted);
        this.#statementTexts.set(name, query);
        const parsed = parsedStatement(name, query, parameterTypes);
        this.statements.parsing(name);
        this.#expected.add("parse", {
          done: () => this.statements.parsed(parsed),
          dropped: () => this.statements.notParsed(name),
        });
        return;
      }
      case "Bind":
        this.statements.summon(message.statement, writer, inserted);
        this.#expected.add("bind");
        this.#portalTexts.set(message.portal, this.#statementTexts.get(message.statement) ?? "");
        return;
      case "Describe":
        if (message.kind === "S") this.statements.summon(message.name, writer, inserted);
        this.#expected.add("describe");
        return;
      case "Close":
        if (message.kind === "P") this.#expected.add("close");
        else {
          const { name } = message;
          this.#statementTexts.delete(name);
          this.statements.summon(name, writer, inserted);
          this.#expected.add("close", { done: () => this.statements.closed(name) });
        }
        return;
      case "Execute": {
        const text = this.#portalTexts.get(message.portal) ?? "";
        this.#expected.add("execute");
        this.#noteText(text);
        if (!mayCopyIn.test(text)) return;
        this.#copy = "possible";
        this.#copyByExecute = true;
      }
    }
  }

  /** A message in the middle of COPY FROM STDIN; PostgreSQL ignores Flush and Sync there. */
  #forwardCopy(frame: Frame, writer: Writer): void {
    const { CopyData, CopyDone, CopyFail, Flush, Sync } = frontendCodes;
    if (frame.code !== CopyDone && frame.code !== CopyFail) {
      if (frame.code === CopyData || frame.code === Flush || frame.code === Sync) {
        writer.raw(frame.bytes);
        this.#uncertain ||= frame.code === Sync;
        return;
      }
      // PostgreSQL ends such a connection, and a shared session must not end: it gets to know of the failure only.
      this.#misplaced ??= frame.code;
      encodeFrontend(writer, { type: "CopyFail", message: "" });
    } else writer.raw(frame.bytes);
    // A Query may hold another COPY behind this one.
    this.#copy = this.#copyByExecute ? "none" : "possible";
  }

  /** The message, or undefined if it is malformed: the backend has the right error for it. */
  #decode(frame: Frame): ReturnType<typeof decodeFrontend> | undefined {
    try {
      return decodeFrontend(frame.code, frame.body);
    } catch {
      return undefined;
    }
  }

  #noteText(text: string): void {
    this.#hub.noteText(text);
    traceText(this.traces, text);
    if (!mayListen.test(text)) return;
    try {
      for (const statement of splitStatements(text)) {
        const kind = classify(statement.text);
        if (kind.type === "listen" || kind.type === "unlisten") this.#plannedChanges.push(kind);
        if (kind.type === "discard" && kind.what === "all") {
          this.#plannedChanges.push({ type: "unlisten", channel: undefined });
        }
      }
    } catch {
      // A syntax error: nothing of it will run.
    }
  }

  // --- the backend's side ---

  receive(frame: Frame): void {
    if (this.#expected.swallowing) {
      this.#swallow(frame);
      return;
    }
    switch (frame.code) {
      case backendCodes.ParseComplete:
        if (!this.#expected.complete("parse")) return;
        break;
      case backendCodes.CloseComplete:
        if (!this.#expected.complete("close")) return;
        break;
      case backendCodes.BindComplete:
        this.#expected.complete("bind");
        break;
      case backendCodes.RowDescription:
      case backendCodes.NoData:
        this.#expected.complete("describe");
        break;
      case backendCodes.CommandComplete:
        this.#tag(frame);
        this.#expected.complete("execute");
        break;
      case backendCodes.EmptyQueryResponse:
      case backendCodes.PortalSuspended:
        this.#expected.complete("execute");
        break;
      case backendCodes.ErrorResponse:
        if (this.#copy === "receiving" || this.#copyByExecute) this.#copy = "none";
        // Its pipeline was ended for it, so that the backend skips nothing any more: here it is skipped.
        if (this.#expected.failed()) this.#refused = true;
        if (this.#misplaced === undefined) break;
        this.#loseSynchronization(frame, this.#misplaced);
        return;
      case backendCodes.CopyInResponse:
        this.#copy = "receiving";
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
        this.#expected.complete("parse");
        return;
      case backendCodes.CloseComplete:
        this.#expected.complete("close");
        return;
      case backendCodes.ErrorResponse:
        this.#expected.failed();
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
      if (this.#complete && this.#copy !== "possible") this.#forward();
      this.#settle();
    }
    const pressure = this.#pressure;
    this.#pressure = undefined;
    return pressure;
  }

  lost(error: PgError): void {
    this.#settled?.();
    this.#closing?.resolve();
    this.#peer?.fail(error);
  }

  /** Whether the client listens to a channel, the turn at hand included. */
  listens(channel: string): boolean {
    return this.channels.after(this.#channelChanges).has(channel);
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
    if (this.#copyByExecute) this.#copy = "none";
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
    if (tag === "LISTEN") this.#changed("listen");
    else if (tag === "UNLISTEN" || tag === "DISCARD ALL") this.#changed("unlisten");
    if (tag.startsWith("DEALLOCATE") || tag === "DISCARD ALL") this.#deallocated = true;
  }

  #tell(frame: Frame): void {
    const [name = "", value = ""] = tagText(frame.body).split("\0");
    if (this.#told.get(name) === value) return;
    this.#told.set(name, value);
    this.#pass(frame.bytes);
  }

  #ready(frame: Frame): void {
    this.#ending = false;
    const shown = this.#expected.ready();
    if (this.#expected.outstanding === 0) this.#copy = "none";
    this.#status = String.fromCharCode(frame.body[0] ?? 0x49) as TransactionStatus;
    if (this.#status === "I") this.#portalTexts.clear();
    if (!shown) return;
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

  // --- statements without a turn ---

  /**
   * Parse and Sync, while another client has its turn. pgbench prepares its clients' statements one by one in a single
   * thread, while another of its clients is in a transaction: if it had to wait, it would wait for itself.
   */
  #parsesOnly(): boolean {
    const { holder } = this.#hub.turns;
    if (holder === undefined || holder === this || this.#refused) return false;
    const [first] = this.#inbox;
    return (
      first?.code === frontendCodes.Parse &&
      this.#inbox.at(-1)?.code === frontendCodes.Sync &&
      this.#inbox.every(({ code }) => code === frontendCodes.Parse || code === frontendCodes.Sync)
    );
  }

  /** Takes statements without the backend, which gets them before their first use: only then it finds their errors. */
  #parseLater(): void {
    const writer = new Writer();
    let failed = false;
    for (const frame of this.#inbox) {
      if (frame.code === frontendCodes.Sync) {
        failed = false;
        writer.raw(constantFrames.readyForQueryIdle);
      } else if (!failed) failed = !this.#adopt(frame, writer);
    }
    this.#inbox = [];
    this.#gathered = 0;
    this.#complete = false;
    this.#peer?.send(writer.take());
    this.#peer?.ready("I");
  }

  #adopt(frame: Frame, writer: Writer): boolean {
    try {
      const message = decodeFrontend(frame.code, frame.body);
      if (message.type !== "Parse") return true;
      const { statement: name, query, parameterTypes } = message;
      if (name !== "" && this.statements.has(name)) {
        throw new PgError(sqlstate.duplicatePreparedStatement, `prepared statement "${name}" already exists`);
      }
      if (splitStatements(query).length > 1) {
        throw new PgError(sqlstate.syntaxError, "cannot insert multiple commands into a prepared statement");
      }
      this.#hub.checkStatements(this.statements);
      this.#statementTexts.set(name, query);
      this.statements.adopt(parsedStatement(name, query, parameterTypes));
      writer.raw(constantFrames.parseComplete);
      return true;
    } catch (error) {
      writeErrorResponse(writer, PgError.from(error).fields);
      return false;
    }
  }

  // --- refusals ---

  /** COPY messages between turns are left over from a COPY that failed; Flush has nothing to flush. */
  #dropStray(): void {
    const stray = ({ code, bytes }: Frame): boolean =>
      code === frontendCodes.CopyData ||
      code === frontendCodes.CopyDone ||
      code === frontendCodes.CopyFail ||
      // One with a body is malformed, which PostgreSQL does not let pass.
      (code === frontendCodes.Flush && bytes.length === constantFrames.flush.length);
    const first = this.#inbox.findIndex((frame) => !stray(frame));
    if (first !== 0) this.#inbox = first < 0 ? [] : this.#inbox.slice(first);
  }

  /** Answers the client's message with an error, without the backend; then passes over everything up to Sync. */
  #refuse(error: PgError | undefined): void {
    const writer = new Writer();
    if (error) writeErrorResponse(writer, error.fields);
    const inbox = this.#inbox;
    const first = inbox[0];
    let answered = false;
    if (!this.#refused && first && isOwnSegment(first.code)) {
      inbox.shift();
      answered = true;
    } else {
      this.#refused = true;
      const sync = inbox.findIndex(({ code }) => code === frontendCodes.Sync);
      answered = sync >= 0;
      inbox.splice(0, answered ? sync + 1 : inbox.length);
    }
    this.#complete = inbox.some(({ code }) => !gathers.has(code));
    if (answered) {
      this.#refused = false;
      writer.raw(constantFrames.readyForQueryIdle);
    }
    if (writer.length > 0) this.#peer?.send(writer.take());
    if (answered) this.#peer?.ready("I");
    if (error) this.flush();
  }

  /** A LISTEN or UNLISTEN ran: the next one of those that were sent; what failed before it is passed over. */
  #changed(type: ChannelChange["type"]): void {
    const at = this.#plannedChanges.findIndex((change) => change.type === type);
    const change = this.#plannedChanges[at];
    if (!change) return;
    this.#plannedChanges.splice(0, at + 1);
    this.#channelChanges.push(change);
  }

  /** Tells the client of a setting that turned out different from what its startup was answered. */
  corrected(name: string, value: string): void {
    if (this.#told.get(name) === value) return;
    this.#told.set(name, value);
    // Before its relay begins, a client is told everything at once.
    if (!this.#peer) return;
    const writer = new Writer();
    writeParameterStatus(writer, name, value);
    this.#peer?.send(writer.take());
  }
}

function isOwnSegment(code: number): boolean {
  return code === frontendCodes.Query || code === frontendCodes.FunctionCall;
}

const decoder = new TextDecoder();

function tagText(body: Uint8Array): string {
  return decoder.decode(body.subarray(0, -1));
}
