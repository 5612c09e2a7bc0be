/**
 * The phase of a session over a statement upstream: it takes the messages of the simple and the extended protocol,
 * gathers a pipeline until Sync or Flush, and answers errors (PostgreSQL documentation, 53.2.2 to 53.2.6). What a
 * message means is in simple.ts and extended.ts.
 */
import { fatal, PgError } from "../wire/error.ts";
import type { Frame } from "../wire/framer.ts";
import {
  decodeFrontend,
  type FrontendMessage,
  frontendCodes,
  writeErrorResponse,
  writeReadyForQuery,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { after, RunningCall } from "./call.ts";
import type { CopyInput } from "./copy.ts";
import { runPipeline } from "./extended.ts";
import type { PhaseHost } from "./host.ts";
import type { Phase } from "./phase.ts";
import type { ExtendedMessage } from "./pipeline.ts";
import { Portals, type PreparedSnapshot, PreparedStatements } from "./prepared.ts";
import { runSimple } from "./simple.ts";
import { Transaction } from "./transaction.ts";
import type { StatementSession } from "./upstream.ts";

/** What a run of statements works on. */
export interface StatementContext extends PhaseHost {
  readonly upstream: StatementSession;
  readonly transaction: Transaction;
  readonly prepared: PreparedStatements;
  readonly portals: Portals;
  /** Routes the client's messages to a COPY's input until it ends. */
  openCopy(input: CopyInput): void;
}

export class StatementPhase implements Phase {
  readonly #context: StatementContext;
  #pipeline: ExtendedMessage[] = [];
  /** Bytes of its messages. */
  #gathered = 0;
  /** After an error in the extended protocol, everything up to Sync is passed over. */
  #skipping = false;
  /** Messages of the extended protocol have come since the last ReadyForQuery. */
  #open = false;
  #call: RunningCall | undefined;
  #copy: CopyInput | undefined;
  /** A COPY was opened in this run: the Sync that started the run was read, and ignored, by the COPY. */
  #copied = false;
  #copyOpened: (() => void) | undefined;
  #work: Promise<void> | undefined;
  /** Set once the client is gone: nothing more is run for it. */
  #gone: PgError | undefined;

  constructor(upstream: StatementSession, host: PhaseHost, kept: readonly PreparedSnapshot[] = []) {
    this.#context = {
      ...host,
      upstream,
      transaction: new Transaction(upstream, host.client),
      prepared: new PreparedStatements(host.limits),
      portals: new Portals(host.limits),
      openCopy: (input) => {
        this.#copy = input;
        this.#copied = true;
        this.#copyOpened?.();
      },
    };
    this.#context.prepared.resume(kept);
  }

  prepared(): PreparedSnapshot[] {
    return this.#context.prepared.snapshot();
  }

  get idle(): boolean {
    const halfReceived = this.#pipeline.length > 0 || this.#context.transaction.implicit || this.#skipping;
    return this.#call === undefined && !halfReceived;
  }

  get resting(): boolean {
    return this.idle && !this.#open && this.#context.transaction.status === "I";
  }

  receive(frame: Frame): void | Promise<void> {
    if (this.#copy) return this.#receiveCopy(this.#copy, frame);
    if (copyCodes.has(frame.code)) return this.#strayCopy(frame);
    let message: FrontendMessage;
    try {
      message = decodeFrontend(frame.code, frame.body);
    } catch (error) {
      return this.#malformed(frame, error);
    }
    switch (message.type) {
      case "Parse":
      case "Bind":
      case "Describe":
      case "Close":
      case "Execute":
        if (this.#skipping) return;
        this.#open = true;
        this.#pipeline.push(message);
        this.#gathered += frame.body.length;
        if (this.#pipelineFull) return this.#start(() => this.#runPipeline(false));
        return;
      case "Flush":
        if (this.#skipping) return;
        return this.#start(() => this.#runPipeline(false));
      case "Sync":
        return this.#start(() => this.#runPipeline(true));
      case "Query": {
        if (this.#skipping) return;
        const { query } = message;
        return this.#start(() =>
          after(this.#runPipeline(false), () => {
            if (this.#skipping) return;
            return after(
              this.#run((call) => runSimple(this.#context, query, call)),
              () => this.#ready(),
            );
          }),
        );
      }
      case "FunctionCall":
        if (this.#skipping) return;
        return this.#start(async () => {
          await this.#runPipeline(false);
          if (this.#skipping) return;
          await this.#run(() => {
            throw new PgError(
              sqlstate.featureNotSupported,
              "the function call protocol is not supported by this database",
              { hint: "Call the function in a SELECT." },
            );
          });
          await this.#ready();
        });
      default:
        // Password messages are no use after authentication.
        throw new PgError(sqlstate.protocolViolation, `unexpected message type ${frame.code}`);
    }
  }

  settle(): void | Promise<void> {
    if (this.#pipeline.length > 0) return this.#start(() => this.#runPipeline(false));
  }

  cancel(reason: "user" | "timeout" = "user"): void {
    this.#call?.cancel(reason);
  }

  async close(): Promise<void> {
    const gone = new PgError(sqlstate.connectionFailure, "the client closed the connection");
    this.#gone = gone;
    this.#call?.abort(gone);
    this.#copy?.abandon(gone);
    // Its error was answered, or had nobody left to be told.
    await this.#work?.catch(() => {});
    const { portals, transaction, client } = this.#context;
    portals.clear();
    if (transaction.status !== "I" || transaction.implicit) {
      // The client is gone, but its work must not stay: no signal of the session may stop this call.
      await transaction.rollback(new RunningCall(client), false);
    }
  }

  get #pipelineFull(): boolean {
    const { pipeline, inputHighWater } = this.#context.limits;
    if (this.#pipeline.length < pipeline && this.#gathered <= inputHighWater) return false;
    // A Describe is not parted from the Execute behind it: the result itself may have to tell its columns.
    return this.#pipeline.at(-1)?.type !== "Describe" || this.#pipeline.at(-2)?.type === "Describe";
  }

  /** Runs work, and holds further messages back until it is done or has opened a COPY for them. */
  #start(work: () => void | Promise<void>): void | Promise<void> {
    const pending = work();
    if (!pending) return;
    const running = pending.finally(() => {
      this.#work = undefined;
    });
    this.#work = running;
    // While a COPY goes on nobody waits for the work, but a FATAL error of it must not be lost.
    running.catch((error: unknown) => this.#context.fail(error));
    return this.#copy ? undefined : this.#receptive(running);
  }

  #receptive(running: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#copyOpened = resolve;
      running.then(resolve, reject);
    });
  }

  #receiveCopy(copy: CopyInput, frame: Frame): void | Promise<void> {
    const pending = copy.receive(frame);
    if (!copy.ended) return pending;
    if (!copy.desynchronized) this.#copy = undefined;
    return this.#work && this.#receptive(this.#work);
  }

  /**
   * COPY data where no COPY is known: the pipeline before it may start one. If not, it is left over from a COPY that
   * failed, which the client could not know yet, and is dropped unread.
   */
  #strayCopy(frame: Frame): void | Promise<void> {
    if (this.#skipping || this.#pipeline.length === 0) return;
    return after(
      this.#start(() => this.#runPipeline(false)),
      () => this.receive(frame),
    );
  }

  /** A message whose body does not fit its type: an error of the run that it belongs to; framing is kept. */
  #malformed(frame: Frame, error: unknown): Promise<void> | void {
    const answered = frame.code === Query || frame.code === FunctionCall || frame.code === Sync;
    if (this.#skipping && frame.code !== Sync) return;
    return this.#start(async () => {
      await this.#runPipeline(false);
      if (this.#skipping && frame.code !== Sync) return;
      this.#skipping = false;
      await this.#run(() => {
        throw error;
      });
      if (answered) await this.#ready();
      else {
        this.#skipping = true;
        await this.#context.output.flush();
      }
    });
  }

  /** Runs what was gathered. With Sync, ends the implicit transaction and answers ReadyForQuery. */
  #runPipeline(sync: boolean): void | Promise<void> {
    this.#copied = false;
    if (this.#pipeline.length === 0) return this.#pipelineRan(sync);
    const messages = this.#pipeline;
    this.#pipeline = [];
    this.#gathered = 0;
    if (this.#skipping) return this.#pipelineRan(sync);
    const done = this.#run((call) => runPipeline(this.#context, messages, sync, call));
    return after(done, (succeeded) => {
      if (!succeeded) this.#skipping = true;
      return this.#pipelineRan(sync);
    });
  }

  #pipelineRan(sync: boolean): void | Promise<void> {
    const { transaction, output } = this.#context;
    if (!sync || this.#copied) return output.flush();
    if (!transaction.implicit) return this.#synced();
    return after(
      this.#run((call) => transaction.endImplicit(call, !this.#skipping)),
      () => this.#synced(),
    );
  }

  #synced(): void | Promise<void> {
    const { transaction, portals } = this.#context;
    this.#skipping = false;
    if (transaction.status === "I") portals.clear();
    return this.#ready();
  }

  /** Runs one thing under a cancellable call; an error is answered, and false returned. */
  #run(work: (call: RunningCall) => void | Promise<void>): boolean | Promise<boolean> {
    const call = new RunningCall(this.#context.client);
    this.#call = call;
    let pending: void | Promise<void>;
    try {
      if (this.#gone) throw this.#gone;
      pending = work(call);
    } catch (cause) {
      return this.#failed(cause);
    }
    if (!pending) return this.#finished(true);
    return pending.then(
      () => this.#finished(true),
      (cause: unknown) => this.#failed(cause),
    );
  }

  #finished(success: boolean): boolean {
    this.#call = undefined;
    this.#copy?.abandon(undefined);
    this.#copy = undefined;
    return success;
  }

  #failed(cause: unknown): boolean {
    const desynchronized = this.#copy?.desynchronized;
    this.#finished(false);
    const error = this.#context.error(cause);
    if (error.severity === "FATAL" || error.severity === "PANIC") throw error;
    const { output, transaction, portals } = this.#context;
    writeErrorResponse(output.writer, error.fields);
    transaction.fail();
    portals.fail(transaction.depth);
    if (!desynchronized) return false;
    throw fatal(
      sqlstate.protocolViolation,
      "terminating connection because protocol synchronization was lost",
    );
  }

  #ready(): void | Promise<void> {
    const { transaction, client, output } = this.#context;
    if (transaction.status === "I") client.deliver();
    client.settings.announce();
    // After a Query in the middle of a pipeline, whose transaction goes on.
    const status = transaction.implicit ? "T" : transaction.status;
    this.#open = false;
    writeReadyForQuery(output.writer, status);
    this.#context.ready(status, client.parameters);
    return output.flush();
  }
}

const { Query, FunctionCall, Sync, CopyData, CopyDone, CopyFail } = frontendCodes;
const copyCodes: ReadonlySet<number> = new Set([CopyData, CopyDone, CopyFail]);
