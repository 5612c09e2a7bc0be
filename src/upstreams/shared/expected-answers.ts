/**
 * Which answers of the backend belong to which messages: the gateway's own insertions are to be swallowed, some of the
 * client's have consequences, and the turn is over when nothing more is to come. PostgreSQL answers in order; after an
 * error in the extended protocol it passes over everything up to Sync, Query and FunctionCall too.
 */

/** An extended message that was sent. */
interface Expected {
  readonly kind: ExtendedKind;
  /** The gateway's own: its answer is not to be shown. */
  readonly inserted: boolean;
  readonly done: (() => void) | undefined;
  readonly dropped: (() => void) | undefined;
}

export type ExtendedKind = "parse" | "bind" | "describe" | "execute" | "close";

export interface ExpectedOptions {
  /** The gateway's own message. */
  readonly inserted?: boolean;
  /** Called when the answer came. */
  readonly done?: () => void;
  /** Called when an error came instead, or the message was passed over. */
  readonly dropped?: () => void;
}

/**
 * What the client is not to see of a segment. `all`: it is the gateway's own. `sync`: so is the Sync at its end, and the
 * client's is still to come. `ready`: the client gets the ReadyForQuery of the segment behind it, which is the gateway's
 * own and shows nothing else (`answers`).
 */
export type Hidden = "nothing" | "all" | "sync" | "ready" | "answers";

/** Messages up to the one that is answered with ReadyForQuery. */
interface Segment {
  readonly answers: Expected[];
  /** Undefined while it is open: the message that ends it was not sent yet. */
  end: "sync" | "query" | undefined;
  hidden: Hidden;
}

export class ExpectedAnswers {
  readonly #segments: Segment[] = [openSegment()];
  /** An error came, and the Sync that ends the skipping was not sent yet. */
  #skipping = false;
  /** Extended messages were sent since the last segment ended. */
  #touched = false;
  #ended = 0;

  /** ReadyForQuery messages still to come. */
  get outstanding(): number {
    return this.#segments.length - 1;
  }

  /** The number of the segment at hand. */
  get sequence(): number {
    return this.#ended;
  }

  /** The backend passes over what is sent now, up to Sync. */
  get skipping(): boolean {
    return this.#skipping;
  }

  /** Extended messages were sent, or skipped, and no Sync behind them. */
  get open(): boolean {
    return this.#skipping || this.#touched;
  }

  /** Nothing is running, or half sent: only the transaction's state says whether the turn is over. */
  get quiet(): boolean {
    return this.outstanding === 0 && !this.open;
  }

  /** Everything that was sent is answered, up to an open pipeline's end. */
  get settled(): boolean {
    return this.outstanding === 0 && this.#last.answers.length === 0;
  }

  /** What comes now answers the gateway's own messages. */
  get swallowing(): boolean {
    return this.#first.hidden === "all" || this.#first.hidden === "answers";
  }

  /** What is reported with ReadyForQuery is not final yet: a query of the gateway's own may take it back. */
  get postponing(): boolean {
    return this.#first.hidden === "ready" || this.#first.hidden === "answers";
  }

  /** An extended message was sent. */
  add(kind: ExtendedKind, { inserted = false, done, dropped }: ExpectedOptions = {}): void {
    if (this.#skipping) {
      dropped?.();
      return;
    }
    this.#touched = true;
    this.#last.answers.push({ kind, inserted, done, dropped });
  }

  /** Sync, or a Query or FunctionCall, was sent. */
  endSegment(end: "sync" | "query", hidden: Hidden = "nothing"): void {
    if (this.#skipping && end === "query") return;
    this.#skipping = false;
    this.#touched = false;
    this.#ended++;
    this.#last.end = end;
    this.#last.hidden = hidden;
    this.#segments.push(openSegment());
  }

  /** An answer came that ends a message of one of these kinds; whether the client may see it. */
  complete(kind: ExtendedKind): boolean {
    const { answers } = this.#first;
    if (answers[0]?.kind !== kind) return true;
    const expected = answers.shift() as Expected;
    expected.done?.();
    return !expected.inserted;
  }

  /** Nothing but Parse, Describe and Close was sent since the last segment ended. */
  get onlyDescribes(): boolean {
    return !this.#skipping && !this.#last.answers.some(({ kind }) => kind === "bind" || kind === "execute");
  }

  /** An error came; whether the Sync that ends its skipping is the gateway's, and the client's is still to come. */
  failed(): boolean {
    // All extended messages before it were answered: it is the Query's own, and ReadyForQuery follows.
    if (this.#first.answers.length === 0) return false;
    while (this.#segments.length > 1 && this.#first.end !== "sync") drop(this.#segments.shift() as Segment);
    drop(this.#first);
    this.#skipping = this.#first.end === undefined;
    return this.#first.hidden === "sync";
  }

  /** A ReadyForQuery came; whether the client may see it. */
  ready(): boolean {
    // An extra one: a Sync that was sent in the middle of a COPY that had failed already.
    if (this.outstanding === 0) {
      drop(this.#first);
      this.#skipping = false;
      this.#touched = false;
      return true;
    }
    const segment = this.#segments.shift() as Segment;
    drop(segment);
    return segment.hidden === "nothing" || segment.hidden === "answers";
  }

  get #first(): Segment {
    return this.#segments[0] as Segment;
  }

  get #last(): Segment {
    return this.#segments.at(-1) as Segment;
  }
}

function openSegment(): Segment {
  return { answers: [], end: undefined, hidden: "nothing" };
}

function drop({ answers }: Segment): void {
  for (const { dropped } of answers.splice(0)) dropped?.();
}
