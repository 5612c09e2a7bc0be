/**
 * One client of a shared backend: its messages are gathered in its inbox until they can go to the backend, in the client's
 * turn (turn.ts), and what can be answered without a turn is answered here.
 */
import type { ClientContext, Relay, RelayPeer, RelaySession } from "../../session/upstream.ts";
import type { PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import { constantFrames, writeErrorResponse } from "../../wire/mod.ts";
import { Writer } from "../../wire/writer.ts";
import type { SharedBackend } from "./backend.ts";
import { ListenerChannels } from "./channels.ts";
import type { SharedHub } from "./hub.ts";
import { Inbox } from "./inbox.ts";
import { Incoming, type IncomingHost } from "./incoming.ts";
import { Outgoing } from "./outgoing.ts";
import { parseLater } from "./parse-later.ts";
import { startupAgain } from "./startup-settings.ts";
import { emptyState, noTraces, type SessionState, type Traces, traceText } from "./state.ts";
import { ClientStatements } from "./statements.ts";
import { Turn } from "./turn.ts";

export class SharedSession implements RelaySession, Relay, IncomingHost {
  readonly client: ClientContext;
  readonly backend: SharedBackend;
  readonly state: SessionState;
  readonly statements: ClientStatements;
  readonly channels: ListenerChannels = new ListenerChannels();
  readonly inbox: Inbox = new Inbox();
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  readonly turn: Turn;
  /** What the turn at hand may have left behind. */
  traces: Traces = noTraces();
  /** Undefined: the relay has not begun. */
  peer: RelayPeer | undefined;
  readonly #hub: SharedHub;
  #closed: Promise<void> | undefined;

  /** `settings`: those of the startup packet. */
  constructor(hub: SharedHub, client: ClientContext, settings: ReadonlyMap<string, string>) {
    this.#hub = hub;
    this.client = client;
    this.backend = hub.backend;
    this.state = emptyState(settings);
    this.statements = new ClientStatements(hub.backend.resident, hub.limits);
    const noteText = (text: string): void => {
      hub.noteText(text);
      traceText(this.traces, text);
    };
    this.outgoing = new Outgoing({ noteText, startupAgain: startupAgain(settings) }, this.statements);
    this.incoming = new Incoming(this, settings, hub.defaults);
    this.turn = new Turn(hub, this);
  }

  get parameters(): Iterable<readonly [string, string]> {
    return this.incoming.told;
  }

  relay(peer: RelayPeer): Relay {
    this.peer = peer;
    return this;
  }

  send(frame: Frame): void {
    this.inbox.push(frame);
    this.turn.steps++;
  }

  flush(): void | Promise<void> {
    if (!this.inbox.complete) return;
    if (this.turn.state !== "none") return this.turn.goOn();
    if (this.inbox.refused) this.refuse(undefined);
    this.inbox.dropStray();
    if (!this.inbox.complete) return;
    const { holder } = this.#hub.turns;
    if (holder === undefined || holder === this || !this.inbox.onlyParses) return this.turn.take();
    this.#parseLater();
  }

  #parseLater(): void {
    const answers = new Writer();
    const end = parseLater(this.inbox.frames, this.statements, answers);
    this.inbox.clear();
    this.peer?.send(answers.take());
    if (end) this.peer?.fail(end);
    else this.peer?.ready("I");
  }

  /** Answers the client's message with an error, without the backend; then passes over everything up to Sync. */
  refuse(error: PgError | undefined): void {
    const writer = new Writer();
    if (error) writeErrorResponse(writer, error.fields);
    const answered = this.inbox.refuse();
    if (answered) writer.raw(constantFrames.readyForQueryIdle);
    if (writer.length > 0) this.peer?.send(writer.take());
    if (answered) this.peer?.ready("I");
    if (error) this.flush();
  }

  async settle(): Promise<void> {
    this.inbox.complete = true;
    await this.flush();
    await this.turn.answered();
  }

  get waiting(): boolean {
    return this.outgoing.copy === "receiving" && !this.inbox.complete;
  }

  cancel(): void {
    this.turn.cancel();
  }

  /** Whether the client listens to a channel, the turn at hand included. */
  listens(channel: string): boolean {
    return this.channels.after(this.outgoing.channelChanges.ran).has(channel);
  }

  /** The client is gone: what it left open is rolled back before anyone else has a turn. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.incoming.leave();
    this.inbox.clear();
    await this.turn.leave();
    await this.#hub.leave(this);
  }

  /** The backend is gone. */
  lost(error: PgError): void {
    this.turn.lost();
    this.peer?.fail(error);
  }
}
