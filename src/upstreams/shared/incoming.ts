/**
 * The backend's answers on their way to a client: those to the gateway's own messages are taken out, and what they tell
 * of the client's session is noted. Messages that lie side by side leave in one write, uncopied.
 */
import type { RelayPeer, TransactionStatus } from "../../session/upstream.ts";
import { fatal } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import {
  backendCodes,
  decodeBackend,
  writeErrorResponse,
  writeNotificationResponse,
  writeParameterStatus,
} from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { Writer } from "../../wire/writer.ts";
import { FrameRun } from "../frame-run.ts";
import type { SharedBackend } from "./backend.ts";
import type { Inbox } from "./inbox.ts";
import type { Outgoing } from "./outgoing.ts";
import { type Traces, traceTag } from "./state.ts";

/** What the answers are about. */
export interface IncomingHost {
  readonly backend: SharedBackend;
  readonly outgoing: Outgoing;
  readonly inbox: Inbox;
  /** Of the turn at hand. */
  readonly traces: Traces;
  /** Undefined: the client's relay has not begun. */
  readonly peer: RelayPeer | undefined;
}

export class Incoming {
  /** As the last ReadyForQuery gave it. */
  status: TransactionStatus = "I";
  /** DEALLOCATE or DISCARD ALL ran in this turn. */
  deallocated = false;
  /** What the client was told of the reported settings. */
  readonly told: Map<string, string>;
  readonly #host: IncomingHost;
  /** Settings that changed, for the client to be told of with its ReadyForQuery. */
  readonly #changed: Set<string> = new Set();
  readonly #run: FrameRun = new FrameRun();
  #pressure: void | Promise<void> = undefined;
  #left = false;
  /** Settles when the client leaves. */
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();

  /** `settings`: those of the startup packet; `defaults`: what the backend reports without them. */
  constructor(
    host: IncomingHost,
    settings: ReadonlyMap<string, string>,
    defaults: ReadonlyMap<string, string>,
  ) {
    this.#host = host;
    this.told = new Map(defaults);
    for (const [name, value] of settings) {
      for (const told of this.told.keys()) {
        // DateStyle comes back completed; what the backend makes of the rest is told after the first turn began.
        if (told.toLowerCase() === name.toLowerCase() && told !== "DateStyle") this.told.set(told, value);
      }
    }
  }

  /** One message of the backend. */
  receive(frame: Frame): void {
    const { outgoing } = this.#host;
    const { expected } = outgoing;
    if (expected.swallowing) {
      this.#swallow(frame);
      return;
    }
    switch (frame.code) {
      case backendCodes.ParseComplete:
        if (!expected.complete("parse")) return;
        break;
      case backendCodes.CloseComplete:
        if (!expected.complete("close")) return;
        break;
      case backendCodes.BindComplete:
        expected.complete("bind");
        break;
      case backendCodes.RowDescription:
      case backendCodes.NoData:
        expected.complete("describe");
        break;
      case backendCodes.CommandComplete:
        this.#tag(frame);
        expected.complete("execute");
        break;
      case backendCodes.EmptyQueryResponse:
      case backendCodes.PortalSuspended:
        outgoing.executed();
        expected.complete("execute");
        break;
      case backendCodes.ErrorResponse:
        // Its pipeline was ended for it, so that the backend skips nothing any more: here it is skipped.
        if (outgoing.failed()) this.#host.inbox.refused = true;
        if (outgoing.misplaced === undefined) break;
        this.#loseSynchronization(frame, outgoing.misplaced);
        return;
      case backendCodes.CopyInResponse:
        outgoing.copy = "receiving";
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
    const { outgoing } = this.#host;
    switch (frame.code) {
      case backendCodes.ParseComplete:
        outgoing.expected.complete("parse");
        return;
      case backendCodes.CloseComplete:
        outgoing.expected.complete("close");
        return;
      case backendCodes.ErrorResponse:
        outgoing.reset ||= outgoing.expected.postponing;
        outgoing.expected.failed();
        return;
      case backendCodes.ParameterStatus:
        this.#tell(frame);
        return;
      case backendCodes.ReadyForQuery:
        this.#ready(frame);
    }
  }

  #tag(frame: Frame): void {
    const { outgoing, traces } = this.#host;
    outgoing.executed();
    const [first, second, third] = frame.body;
    // SELECT, INSERT, UPDATE: by far the most, and without traces.
    if (
      (first === 0x53 && second === 0x45 && third === 0x4c) ||
      first === 0x49 ||
      (first === 0x55 && second === 0x50)
    )
      return;
    const tag = text(frame.body);
    traceTag(traces, tag);
    outgoing.channelChanges.completed(tag);
    if (tag.startsWith("DEALLOCATE") || tag === "DISCARD ALL") this.deallocated = true;
  }

  #tell(frame: Frame): void {
    const [name = "", value = ""] = text(frame.body).split("\0");
    if (this.#host.outgoing.expected.postponing) this.#changed.add(name);
    else if (this.told.get(name) !== value) {
      this.told.set(name, value);
      this.#pass(frame.bytes);
    }
  }

  #ready(frame: Frame): void {
    const { outgoing, backend } = this.#host;
    this.status = String.fromCharCode(frame.body[0] ?? 0x49) as TransactionStatus;
    if (!outgoing.ready(this.status)) return;
    for (const name of this.#changed) this.corrected(name, backend.parameters.get(name) ?? "");
    this.#changed.clear();
    this.#pass(frame.bytes);
    if (outgoing.expected.quiet && this.status !== "I") this.#host.peer?.ready(this.status);
  }

  #pass(bytes: Uint8Array): void {
    if (this.#left || this.#run.add(bytes)) return;
    this.#sendRun();
    this.#run.add(bytes);
  }

  #sendRun(): void {
    const frames = this.#run.take();
    if (frames) this.#pressure = this.#host.peer?.send(frames) ?? this.#pressure;
  }

  /** A message of the gateway's own, behind those of the backend that came before it. */
  send(writer: Writer): void {
    this.#sendRun();
    this.#host.peer?.send(writer.take());
  }

  /** Sends what has come; what the client does not read holds the backend back. */
  flush(): void | Promise<void> {
    this.#sendRun();
    const pressure = this.#pressure;
    this.#pressure = undefined;
    if (pressure && !this.#left) return Promise.race([pressure, this.#gone.promise]);
  }

  /** The client is gone: it gets nothing any more, and holds nothing back. */
  leave(): void {
    this.#left = true;
    this.#gone.resolve();
  }

  /** The backend has the client's settings: what it reports is what the client is to be told. */
  introduced(): void {
    for (const [name, value] of this.#host.backend.parameters) this.told.set(name, value);
  }

  /** Tells the client of a setting that turned out different from what its startup was answered. */
  corrected(name: string, value: string): void {
    if (this.told.get(name) === value) return;
    this.told.set(name, value);
    // Before its relay begins, a client is told everything at once.
    if (!this.#host.peer) return;
    const writer = new Writer();
    writeParameterStatus(writer, name, value);
    this.send(writer);
  }

  /** A notification of a channel that the client listens to. */
  notified(channel: string, payload: string, processId: number): void {
    const writer = new Writer();
    writeNotificationResponse(writer, processId, channel, payload);
    this.send(writer);
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
    this.send(writer);
    this.#host.peer?.fail(
      fatal(sqlstate.protocolViolation, "terminating connection because protocol synchronization was lost"),
    );
  }
}

const decoder = new TextDecoder();

/** A command tag; or a setting's name and value, with a NUL between them. */
function text(body: Uint8Array): string {
  return decoder.decode(body.subarray(0, -1));
}
