/**
 * Messages of a client that wait for its turn, or for the rest of their pipeline: PostgreSQL answers a pipeline at Sync
 * or Flush, so until then it needs no turn, and keeps nobody waiting.
 */
import type { Frame } from "../../wire/framer.ts";
import { constantFrames, frontendCodes } from "../../wire/mod.ts";

const {
  Query,
  FunctionCall,
  Parse,
  Bind,
  Describe,
  Execute,
  Close,
  Flush,
  Sync,
  CopyData,
  CopyDone,
  CopyFail,
} = frontendCodes;

/** Messages that are not answered before Sync or Flush, and how many bytes of them are gathered for it. */
const gathered: ReadonlySet<number> = new Set([Parse, Bind, Describe, Execute, Close]);
const maxGathered = 256 * 1024;

export class Inbox {
  /** It can go to the backend: it holds a message that is answered at once. */
  complete = false;
  /** What was answered with an error goes on to Sync, which was not there yet: everything up to it is passed over. */
  refused = false;
  #frames: Frame[] = [];
  #bytes = 0;

  get frames(): readonly Frame[] {
    return this.#frames;
  }

  push(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    if (!gathered.has(frame.code) || this.#bytes > maxGathered) this.complete = true;
  }

  clear(): void {
    this.taken(this.#frames.length);
  }

  /** The first messages went to the backend. */
  taken(count: number): void {
    this.#frames = this.#frames.slice(count);
    this.#bytes = 0;
    this.complete = this.#frames.length > 0;
  }

  /** COPY messages between turns are left over from a COPY that failed; Flush has nothing to flush. */
  dropStray(): void {
    const stray = ({ code, bytes }: Frame): boolean =>
      code === CopyData ||
      code === CopyDone ||
      code === CopyFail ||
      // One with a body is malformed, which PostgreSQL does not let pass.
      (code === Flush && bytes.length === constantFrames.flush.length);
    const first = this.#frames.findIndex((frame) => !stray(frame));
    if (first !== 0) this.#frames = first < 0 ? [] : this.#frames.slice(first);
    if (this.#frames.length === 0) this.complete = false;
  }

  /** Takes out what is answered with an error: a Query, or everything up to Sync. Whether ReadyForQuery is due now. */
  refuse(): boolean {
    const code = this.#frames[0]?.code;
    const alone = !this.refused && (code === Query || code === FunctionCall);
    const end = alone ? 0 : this.#frames.findIndex((frame) => frame.code === Sync);
    this.#frames = end < 0 ? [] : this.#frames.slice(end + 1);
    this.complete = this.#frames.some((frame) => !gathered.has(frame.code));
    this.refused = end < 0;
    return end >= 0;
  }

  /** Parse and Sync, and nothing else. */
  get onlyParses(): boolean {
    return (
      this.#frames[0]?.code === Parse &&
      this.#frames.at(-1)?.code === Sync &&
      this.#frames.every(({ code }) => code === Parse || code === Sync)
    );
  }
}
