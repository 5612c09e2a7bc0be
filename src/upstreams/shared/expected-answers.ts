/**
 * Which answers of the backend belong to which messages: the gateway's own insertions are to be swallowed, and some of
 * the client's have consequences. PostgreSQL answers in order; after an error it passes over everything up to Sync.
 */
interface Expected {
  /** The gateway's own, not to be shown. */
  readonly inserted: boolean;
  readonly then: (() => void) | undefined;
  readonly dropped: (() => void) | undefined;
  /** Number of the ReadyForQuery that ends the message's segment. */
  readonly segment: number;
}

export class ExpectedAnswers {
  readonly #queue: Expected[] = [];
  /** Segments (up to Sync, Query or FunctionCall) sent, and answered with ReadyForQuery. */
  #sent = 0;
  #answered = 0;
  readonly #swallowed: Set<number> = new Set();

  /** ReadyForQuery messages still to come. */
  get outstanding(): number {
    return this.#sent - this.#answered;
  }

  /** A Parse or Close was sent; without `then` it is the gateway's own. `dropped`: an error came instead of its answer. */
  add(then?: () => void, dropped?: () => void): void {
    this.#queue.push({ inserted: then === undefined, then, dropped, segment: this.#sent });
  }

  /** A message was sent that is answered with ReadyForQuery. `swallow`: it was the gateway's. */
  endSegment(swallow = false): void {
    if (swallow) this.#swallowed.add(this.#sent);
    this.#sent++;
  }

  /** A ParseComplete or CloseComplete came; whether the client may see it. */
  complete(): boolean {
    const expected = this.#queue.shift();
    expected?.then?.();
    return !expected?.inserted;
  }

  /** What comes now answers the gateway's own messages. */
  get swallowing(): boolean {
    return this.#swallowed.has(this.#answered);
  }

  /** An error came: the rest of its segment is passed over. */
  failed(): void {
    this.#dropSegment();
  }

  /** A ReadyForQuery came; whether the client may see it. */
  ready(): boolean {
    // An extra one: a Sync that was sent in the middle of a COPY that had failed already.
    if (this.#answered === this.#sent) return true;
    this.#dropSegment();
    return !this.#swallowed.delete(this.#answered++);
  }

  #dropSegment(): void {
    const at = this.#queue.findIndex(({ segment }) => segment > this.#answered);
    if (at === 0) return;
    for (const { dropped } of this.#queue.splice(0, at < 0 ? this.#queue.length : at)) dropped?.();
  }
}
