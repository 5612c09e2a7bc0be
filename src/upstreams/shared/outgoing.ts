/**
 * A client's messages on their way to the shared backend: what has to be put before or in place of them, which answers
 * are to come, and whether a COPY may begin.
 */
import type { TransactionStatus } from "../../session/upstream.ts";
import type { Frame } from "../../wire/framer.ts";
import { constantFrames, decodeFrontend, encodeFrontend, frontendCodes } from "../../wire/mod.ts";
import type { Writer } from "../../wire/writer.ts";
import { ChannelChanges } from "./channels.ts";
import { askedEncoding, refusingText } from "./encoding.ts";
import { ExpectedAnswers } from "./expected-answers.ts";
import { resetsSettings, writeStartupAgain } from "./startup-settings.ts";
import { type ClientStatements, parsedStatement } from "./statements.ts";

/** COPY FROM STDIN may follow: the messages behind it must wait until the backend says whether it does. */
const mayCopyIn = /\bcopy\b[\s\S]*\bstdin\b/i;
/** SQL that can name any prepared statement of the session. */
const namesStatements = /\b(execute|deallocate|discard|pg_prepared_statements)\b/i;

export interface OutgoingHost {
  /** Looks at SQL that is about to run. */
  noteText(text: string): void;
  /** SQL that sets the startup packet's settings again (see `startupAgain`). */
  readonly startupAgain: string | undefined;
}

export class Outgoing {
  readonly statements: ClientStatements;
  /** What LISTEN and UNLISTEN do in this turn. */
  readonly channelChanges: ChannelChanges = new ChannelChanges();
  expected: ExpectedAnswers = new ExpectedAnswers();
  /** Whether a COPY FROM STDIN is going on, or may be starting. */
  copy: "none" | "possible" | "receiving" = "none";
  /** The COPY at hand came by Execute, not by Query. */
  copyByExecute = false;
  /** Syncs were sent in the middle of a COPY: whether they are answered depends on when it failed. */
  uncertain = false;
  /** The type of a message that came in the middle of a COPY, where it has no place. */
  misplaced: number | undefined;
  /** Settings may have been reset, and those of the startup packet were not set again. */
  reset = false;
  /** A description is being ended by a Sync of the gateway's own. */
  #describing = false;
  readonly #host: OutgoingHost;
  readonly #portalTexts: Map<string, string> = new Map();

  constructor(host: OutgoingHost, statements: ClientStatements) {
    this.#host = host;
    this.statements = statements;
  }

  /** Everything that was sent is answered, or waits for more: a COPY for its data. */
  get answered(): boolean {
    return this.expected.settled || this.copy === "receiving";
  }

  /** Portals end with their transaction. */
  endTransaction(): void {
    this.#portalTexts.clear();
    this.channelChanges.idle();
  }

  /** A statement ran: if its text only spoke of a COPY, none is to come. */
  executed(): void {
    if (this.copyByExecute) this.copy = "none";
  }

  /** An error came; see `ExpectedAnswers.failed`. */
  failed(): boolean {
    if (this.copy === "receiving" || this.copyByExecute) this.copy = "none";
    this.channelChanges.failed();
    return this.expected.failed();
  }

  /** ReadyForQuery came; whether the client may see it. */
  ready(status: TransactionStatus): boolean {
    const shown = this.expected.ready();
    if (this.expected.outstanding === 0) {
      this.#describing = false;
      this.copy = "none";
    }
    if (status === "I") this.endTransaction();
    return shown;
  }

  /** A message that cannot be sent before what was sent is answered. */
  mustWait(frame: Frame): boolean {
    return this.copy === "possible" || this.#describing || this.#namesUnsettled(frame);
  }

  /**
   * The message names a statement that an earlier pipeline of the client replaces: an error in that would leave another
   * client's statement there, so that its answer must come first.
   */
  #namesUnsettled(frame: Frame): boolean {
    if (!this.statements.unsettled) return false;
    const message = this.#decode(frame);
    const unsettled = (name: string): boolean => this.statements.isUnsettled(name, this.expected.sequence);
    switch (message?.type) {
      case "Query":
        return namesStatements.test(message.query);
      case "Parse":
        return unsettled(message.statement) || namesStatements.test(message.query);
      case "Bind":
        return unsettled(message.statement);
      case "Describe":
      case "Close":
        return message.kind === "S" && unsettled(message.name);
      default:
        return false;
    }
  }

  /** Writes a message for the backend. */
  forward(frame: Frame, writer: Writer): void {
    if (this.copy === "receiving") {
      this.#forwardCopy(frame, writer);
      return;
    }
    switch (frame.code) {
      case frontendCodes.Query:
        this.#forwardQuery(frame, writer);
        return;
      case frontendCodes.Parse:
      case frontendCodes.Bind:
      case frontendCodes.Describe:
      case frontendCodes.Execute:
      case frontendCodes.Close:
        this.#beforeExtended(frame, writer);
        if (frame.code === frontendCodes.Parse && this.#refuseEncoding(frame, writer)) return;
        break;
      case frontendCodes.Sync:
        writer.raw(frame.bytes);
        this.#endSegment("sync", writer);
        return;
      case frontendCodes.FunctionCall:
        this.expected.endSegment("query");
        break;
    }
    writer.raw(frame.bytes);
    // The answer to an Execute that may start a COPY is needed before the messages behind it can be understood.
    if (this.copy === "possible" && this.copyByExecute) writer.raw(constantFrames.flush);
  }

  /**
   * asyncpg prepares with Flush, and sends Sync with the statement's first use: a description alone must not keep the
   * turn. It is ended with a Sync of the gateway's own; what comes behind must wait for the answer.
   * Only outside a transaction, and where the pipeline does no more than describe.
   */
  endDescription(writer: Writer): void {
    if (this.copy !== "none" || !this.expected.open || !this.expected.onlyDescribes) return;
    writer.raw(constantFrames.sync);
    this.expected.endSegment("sync", "sync");
    this.#describing = true;
  }

  /** Ends a COPY and a pipeline that the client left open. Where a COPY may only be starting, its answer comes first. */
  abandon(writer: Writer): void {
    if (this.copy === "possible") return;
    if (this.copy === "receiving") {
      this.copy = "none";
      encodeFrontend(writer, { type: "CopyFail", message: "the client closed the connection" });
    }
    if (!this.expected.open) return;
    // Sync alone would commit what the pipeline did so far. PostgreSQL rolls it back, and so does an error before it.
    encodeFrontend(writer, { type: "Execute", portal: "of a client that is gone", maxRows: 0 });
    this.expected.add("execute");
    writer.raw(constantFrames.sync);
    this.expected.endSegment("sync");
  }

  /** Puts a Parse that will fail at Execute in place of one that would set another client_encoding. */
  #refuseEncoding(frame: Frame, writer: Writer): boolean {
    const message = this.#decode(frame);
    const encoding = message?.type === "Parse" ? askedEncoding(message.query) : undefined;
    if (message?.type !== "Parse" || encoding === undefined) return false;
    encodeFrontend(writer, { ...message, query: refusingText(encoding) });
    return true;
  }

  #forwardQuery(frame: Frame, writer: Writer): void {
    const message = this.#decode(frame);
    const text = message?.type === "Query" ? message.query : "";
    if (!this.expected.open && namesStatements.test(text)) {
      for (const name of this.statements.names) this.#summonAlone(name, writer);
    }
    this.#note(text);
    this.statements.closed("");
    if (mayCopyIn.test(text)) {
      this.copy = "possible";
      this.copyByExecute = false;
    }
    const encoding = askedEncoding(text);
    if (encoding === undefined) writer.raw(frame.bytes);
    else encodeFrontend(writer, { type: "Query", query: refusingText(encoding) });
    this.#endSegment("query", writer);
  }

  /**
   * What is answered with ReadyForQuery was written. Behind a RESET the startup packet's settings are set again before
   * that; but not where a COPY may begin, or an error pass over the query: there it is done later.
   */
  #endSegment(end: "sync" | "query", writer: Writer): void {
    const { startupAgain } = this.#host;
    const certain = this.copy === "none" && (end === "sync" || !this.expected.open);
    if (!this.reset || !certain || startupAgain === undefined) {
      this.expected.endSegment(end);
      return;
    }
    this.reset = false;
    this.expected.endSegment(end, "ready");
    writeStartupAgain(writer, startupAgain);
    this.expected.endSegment("sync", "answers");
  }

  #beforeExtended(frame: Frame, writer: Writer): void {
    const message = this.#decode(frame);
    // A malformed message is answered with an error like any other; its kind does not matter.
    if (!message) this.expected.add("execute");
    const summon = (name: string): boolean => this.#summon(name, writer);
    switch (message?.type) {
      case "Parse": {
        const { statement: name, query, parameterTypes } = message;
        const parsed = parsedStatement(name, query, parameterTypes);
        this.statements.checkLimits(parsed);
        if (name !== "") summon(name);
        if (namesStatements.test(query)) for (const each of this.statements.names) summon(each);
        this.statements.parsing(parsed);
        this.expected.add("parse", {
          done: () => this.statements.parsed(parsed),
          dropped: () => this.statements.notParsed(name),
        });
        return;
      }
      case "Bind":
        summon(message.statement);
        this.expected.add("bind");
        this.#portalTexts.set(message.portal, this.statements.textOf(message.statement));
        return;
      case "Describe":
        if (message.kind === "S") summon(message.name);
        this.expected.add("describe");
        return;
      case "Close":
        if (message.kind === "P") this.expected.add("close");
        else {
          const { name } = message;
          summon(name);
          this.expected.add("close", { done: () => this.statements.closed(name) });
        }
        return;
      case "Execute": {
        const text = this.#portalTexts.get(message.portal) ?? "";
        this.expected.add("execute");
        this.#note(text);
        // What is passed over starts none, whatever its portal was before.
        if (this.expected.skipping || !mayCopyIn.test(text)) return;
        this.copy = "possible";
        this.copyByExecute = true;
      }
    }
  }

  #summon(name: string, writer: Writer): boolean {
    let inserted = false;
    this.statements.summon(name, writer, this.expected.sequence, (kind, outcome) => {
      inserted = true;
      this.expected.add(kind, { inserted, ...outcome });
    });
    return inserted;
  }

  /** In a pipeline of its own: one that cannot be brought back must not keep others from it. */
  #summonAlone(name: string, writer: Writer): void {
    if (!this.#summon(name, writer)) return;
    writer.raw(constantFrames.sync);
    this.expected.endSegment("sync", "all");
  }

  /** A message in the middle of COPY FROM STDIN; PostgreSQL ignores Flush and Sync there. */
  #forwardCopy(frame: Frame, writer: Writer): void {
    const { CopyData, CopyDone, CopyFail, Flush, Sync } = frontendCodes;
    if (frame.code !== CopyDone && frame.code !== CopyFail) {
      if (frame.code === CopyData || frame.code === Flush || frame.code === Sync) {
        writer.raw(frame.bytes);
        this.uncertain ||= frame.code === Sync;
        return;
      }
      // PostgreSQL ends such a connection, and a shared session must not end: it gets to know of the failure only.
      this.misplaced ??= frame.code;
      encodeFrontend(writer, { type: "CopyFail", message: "" });
    } else writer.raw(frame.bytes);
    // A Query may hold another COPY behind this one.
    this.copy = this.copyByExecute ? "none" : "possible";
  }

  #note(text: string): void {
    this.#host.noteText(text);
    this.reset ||= this.#host.startupAgain !== undefined && resetsSettings(text);
    this.channelChanges.plan(text);
  }

  /** The message, or undefined if it is malformed: the backend has the right error for it. */
  #decode(frame: Frame): ReturnType<typeof decodeFrontend> | undefined {
    try {
      return decodeFrontend(frame.code, frame.body);
    } catch {
      return undefined;
    }
  }
}
