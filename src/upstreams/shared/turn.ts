/**
 * A client's turns: from its first message until ReadyForQuery outside a transaction. It takes one, sends what the client
 * has sent, gives it up when others wait, and leaves nothing behind where the client has gone.
 */
import { fatal, PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import { constantFrames, frontendCodes } from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { Writer } from "../../wire/writer.ts";
import type { TurnReceiver } from "./backend.ts";
import { ExpectedAnswers } from "./expected-answers.ts";
import type { SharedHub } from "./hub.ts";
import type { SharedSession } from "./session.ts";

/** Milliseconds after which a statement of a client that is gone is cancelled again. */
const cancelInterval = 50;

export class Turn implements TurnReceiver {
  /** `ending`: the client has what it asked for, and the gateway has still to do its part. */
  state: "none" | "waiting" | "held" | "ending" = "none";
  /** Grows with each message that the client sends and each answer. */
  steps = 0;
  readonly #hub: SharedHub;
  readonly #client: SharedSession;
  /** Set while messages wait for the client's next turn. */
  #yielding: PromiseWithResolvers<void> | undefined;
  /** Set while someone waits for all answers. */
  #answering: PromiseWithResolvers<void> | undefined;
  /** Set when the client has left; settles when its turn is over. */
  #leaving: PromiseWithResolvers<void> | undefined;

  constructor(hub: SharedHub, client: SharedSession) {
    this.#hub = hub;
    this.#client = client;
  }

  // --- it begins ---

  take(): void | Promise<void> {
    this.state = "waiting";
    const granted = this.#hub.turns.acquire(this.#client);
    if (granted) return this.#enter(granted);
    const shortcut = this.#hub.shortcut(this.#client);
    return shortcut === undefined ? this.#enter(undefined) : this.#begin(shortcut);
  }

  async #enter(granted: void | Promise<void>): Promise<void> {
    const client = this.#client;
    const { holder } = this.#hub.turns;
    const steps = holder?.turn.steps;
    let shortcut: string | undefined;
    try {
      if (granted) await granted;
      shortcut = this.#hub.shortcut(client);
      if (shortcut === undefined && !(await this.#hub.enter(client)))
        return this.#enter(this.#hub.turns.acquire(client));
    } catch (error) {
      this.state = "none";
      this.#readOn();
      const late = error instanceof PgError && error.code === sqlstate.lockNotAvailable;
      if (late && holder === this.#hub.turns.holder && holder?.turn.steps === steps) holder?.turn.expire();
      if (this.#leaving) return this.#leaving.resolve();
      this.#hub.turns.release(client);
      if (error instanceof PgError && error.severity === "FATAL") return client.peer?.fail(error);
      return client.refuse(PgError.from(error));
    }
    if (this.#leaving) {
      this.state = "none";
      return this.#leaving.resolve();
    }
    return this.#begin(shortcut ?? "");
  }

  /** `first`: SQL of the gateway's own that is sent before the client's messages. */
  #begin(first: string): void | Promise<void> {
    this.state = "held";
    this.#client.outgoing.expected = new ExpectedAnswers();
    this.#hub.backend.receiver = this;
    this.#hub.owner = this.#client;
    const writer = new Writer();
    if (first !== "") {
      this.#hub.backend.encodeQuery(writer, first);
      this.#client.outgoing.expected.endSegment("query", "all");
    }
    const pressure = this.#forward(writer);
    this.#readOn();
    return pressure;
  }

  // --- it goes on ---

  /** The client has sent more; a promise is back-pressure. */
  goOn(): void | Promise<void> {
    if (this.state === "held" && !this.#yields) return this.#forward();
    const next = this.#next();
    if (this.state === "held") this.#settle();
    return next;
  }

  /** Settles when what waits now was forwarded, or has no turn to wait for. */
  #next(): Promise<void> {
    this.#yielding ??= Promise.withResolvers();
    return this.#yielding.promise;
  }

  #forward(writer: Writer = new Writer()): void | Promise<void> {
    const { inbox, outgoing, incoming } = this.#client;
    const { frames } = inbox;
    let at = 0;
    try {
      for (; at < frames.length; at++) {
        const frame = frames[at] as Frame;
        if (outgoing.mustWait(frame)) break;
        outgoing.forward(frame, writer);
      }
      const asked = at === frames.length && frames.at(-1)?.code === frontendCodes.Flush;
      if (asked && incoming.status === "I") outgoing.endDescription(writer);
    } catch (error) {
      // What came before it is sent all the same: its answers are counted on.
      at = frames.length;
      this.#client.peer?.fail(error);
    }
    inbox.taken(at);
    return this.#hub.backend.send(writer.take());
  }

  /** Others wait: what comes now is for the client's next turn. One that never stops sending would keep them out. */
  get #yields(): boolean {
    const { expected, copy } = this.#client.outgoing;
    const { status } = this.#client.incoming;
    return this.#hub.turns.waiting > 0 && status === "I" && !expected.open && copy === "none";
  }

  /** The client's next messages may come. */
  #readOn(): void {
    this.#yielding?.resolve();
    this.#yielding = undefined;
  }

  receive(frame: Frame): void {
    this.#client.incoming.receive(frame);
  }

  received(): void | Promise<void> {
    this.steps++;
    const { inbox, outgoing, incoming } = this.#client;
    const pressure = incoming.flush();
    if (outgoing.answered) this.#answering?.resolve();
    if (this.state !== "held") return pressure;
    const { quiet } = outgoing.expected;
    if (this.#leaving && !quiet) this.#bringToEnd();
    if (inbox.refused && quiet) this.#client.refuse(undefined);
    // A COPY has begun, or turned out not to: what waited can go on.
    if (inbox.complete && outgoing.copy !== "possible" && !this.#yields) {
      this.#forward();
      this.#readOn();
    }
    if (this.#client.waiting) this.#client.peer?.waiting();
    this.#settle();
    return pressure;
  }

  /** Settles when everything that was sent is answered. */
  async answered(): Promise<void> {
    const { outgoing } = this.#client;
    while (this.state === "waiting" || this.state === "ending") await this.#next();
    if (this.state !== "held" || outgoing.answered) return;
    if (outgoing.copy === "none") this.#hub.backend.send(constantFrames.flush.slice());
    this.#answering = Promise.withResolvers();
    await this.#answering.promise;
  }

  cancel(): void {
    const error = new PgError(sqlstate.queryCanceled, "canceling statement due to user request");
    const { backend, turns } = this.#hub;
    if (this.state === "waiting") turns.refuse(this.#client, error);
    else if (this.state === "held" && backend.receiver === this) backend.cancel();
  }

  // --- it ends ---

  /** After ReadyForQuery: keeps the turn in a transaction, else ends it. */
  #settle(): void {
    const { inbox, outgoing, incoming } = this.#client;
    if (!outgoing.expected.quiet || (inbox.complete && !this.#yields)) return;
    if (incoming.status === "I" || this.#leaving) this.#end();
  }

  #end(): void {
    this.state = "ending";
    this.#finish().then(
      (release) => this.#ended(release),
      (error: unknown) => {
        this.#ended(true);
        this.#client.peer?.fail(error);
      },
    );
  }

  /** Does what can only be done now. Whether the turn can go to another client. */
  async #finish(): Promise<boolean> {
    const { outgoing, incoming, statements } = this.#client;
    // PostgreSQL has answered everything that it was sent before a query of the gateway's own is answered.
    if (outgoing.uncertain) await this.#hub.barrier();
    outgoing.uncertain = false;
    // In this order: in a failed transaction nothing but its end is run. What comes before the row is dropped below.
    if (this.#leaving && incoming.status !== "I") await this.#hub.backend.query("ROLLBACK; SELECT 1");
    incoming.status = "I";
    if (incoming.deallocated) await this.#hub.deallocated(statements);
    incoming.deallocated = false;
    if (outgoing.reset && !this.#leaving) await this.#hub.reset(this.#client);
    outgoing.reset = false;
    const changes = outgoing.channelChanges.take();
    if (changes.length > 0) await this.#hub.listened(this.#client, changes);
    return this.#leaving !== undefined || (await this.#hub.released(this.#client));
  }

  #ended(release: boolean): void {
    const { inbox, outgoing, peer } = this.#client;
    outgoing.endTransaction();
    this.state = "none";
    this.#readOn();
    if (this.#leaving) {
      this.#hub.backend.receiver = undefined;
      this.#leaving.resolve();
      return;
    }
    // With more messages at hand the client is not idle: a cancel is for them.
    if (!inbox.complete) peer?.ready("I");
    if (this.#hub.turns.waiting === 0 && inbox.complete) {
      this.state = "held";
      this.#forward();
      return;
    }
    this.#hub.backend.receiver = undefined;
    if (release) this.#hub.turns.release(this.#client);
    this.#client.flush();
  }

  /**
   * Another client has waited for as long as one may, and this one has done nothing all the while. If it has left a
   * pipeline without its Sync, it is not coming back; a transaction or a COPY is open because it said so.
   */
  expire(): void {
    const { outgoing, incoming, peer } = this.#client;
    const { expected, copy } = outgoing;
    if (this.state !== "held" || incoming.status !== "I" || copy !== "none") return;
    if (!expected.open || !expected.settled) return;
    peer?.fail(
      fatal(
        sqlstate.idleInTransactionSessionTimeout,
        "terminating connection due to idle-in-transaction timeout",
        { detail: "Other clients waited for the Sync of a pipeline, and it did not come." },
      ),
    );
  }

  // --- without its client ---

  /** The client is gone; settles when its turn is over, or is none any more. */
  async leave(): Promise<void> {
    this.#leaving = Promise.withResolvers();
    this.#readOn();
    const { backend, turns } = this.#hub;
    if (backend.lost || this.state === "none") return;
    const gone = new PgError(sqlstate.connectionFailure, "the client closed the connection");
    // If it has just been granted, the change of turns must first come to its end.
    if (this.state === "waiting" && turns.refuse(this.#client, gone)) return;
    if (this.state === "held") this.#abandon();
    await this.#leaving.promise;
  }

  /** Stops what the client left running, so that the backend comes to a ReadyForQuery. */
  #abandon(): void {
    if (this.#client.outgoing.expected.quiet) this.#end();
    else {
      this.#cancelAll();
      this.#bringToEnd();
    }
  }

  /** Cancels one statement after the other. A cancel that comes between two is lost, as PostgreSQL's are. */
  #cancelAll(): void {
    const { backend } = this.#hub;
    if (this.state !== "held" || this.#client.outgoing.expected.quiet || backend.lost) return;
    backend.cancel();
    setTimeout(() => this.#cancelAll(), cancelInterval);
  }

  #bringToEnd(): void {
    const writer = new Writer();
    this.#client.outgoing.abandon(writer);
    this.#hub.backend.send(writer.take());
  }

  /** The backend is gone: nobody waits for anything any more. */
  lost(): void {
    this.#readOn();
    this.#answering?.resolve();
    this.#leaving?.resolve();
  }
}
