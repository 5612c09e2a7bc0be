/**
 * The COPY sub-protocol (PostgreSQL documentation, 53.2.6 COPY Operations). Data passes through in the client's chunks;
 * the upstream decodes it.
 */
import { PgError } from "../wire/error.ts";
import type { Frame } from "../wire/framer.ts";
import { constantFrames, decodeFrontend, encodeBackend, frontendCodes, writeCopyData } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { RunningCall } from "./call.ts";
import type { Output } from "./output.ts";
import type { CopyBothResult, CopyInResult, CopyOutResult } from "./upstream.ts";

/** Bytes of CopyData that may wait for the upstream before the client is held back. */
const highWater = 256 * 1024;

/** The client's side of COPY FROM STDIN: CopyData in, chunks out. */
export class CopyInput implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  /** Nobody reads any more. */
  #dropping = false;
  #failure: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();

  /** A message came that has no place in a COPY: the connection cannot go on. */
  desynchronized = false;

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes a message while the copy is going on. A promise: the upstream is slower than the client. */
  receive(frame: Frame): void | Promise<void> {
    switch (frame.code) {
      case frontendCodes.CopyData:
        if (this.#dropping) return;
        this.#chunks.push(frame.body);
        this.#size += frame.body.length;
        this.#wakeReader?.();
        if (this.#size > highWater) {
          return new Promise((resolve) => {
            this.#wakeWriter = resolve;
          });
        }
        return;
      case frontendCodes.CopyDone:
        return this.#end(undefined);
      case frontendCodes.CopyFail: {
        return this.#end(copyFailure(frame));
      }
      case frontendCodes.Flush:
      case frontendCodes.Sync:
        // Clients of the extended protocol send Sync before the answer to Execute has told them that this is a COPY.
        return;
      default:
        return this.unexpected(frame.code);
    }
  }

  /** Anything else ends the copy with an error. */
  unexpected(code: number): void {
    this.desynchronized = true;
    const type = `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
    this.#end(
      new PgError(sqlstate.protocolViolation, `unexpected message type ${type} during COPY from stdin`),
    );
  }

  /** The statement failed or was cancelled: data that still comes is dropped. */
  abandon(error: unknown): void {
    this.#end(error);
    this.#drop();
  }

  /** The upstream has read enough: drops the rest, up to CopyDone. Rejects if the copy ends otherwise. */
  async drain(): Promise<void> {
    this.#drop();
    await this.#finished.promise;
    if (this.#failure) throw this.#failure;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      // What came before a CopyFail is given before it.
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#size -= chunk.length;
        if (this.#size <= highWater) this.#wakeWriter?.();
        yield chunk;
      } else if (this.#failure) throw this.#failure;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
    }
  }

  #drop(): void {
    this.#dropping = true;
    this.#chunks = [];
    this.#size = 0;
    this.#wakeWriter?.();
  }

  #end(failure: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#finished.resolve();
    this.#wakeReader?.();
  }
}

/** The error that CopyFail makes of the COPY, or that of a CopyFail which cannot be read. */
function copyFailure(frame: Frame): unknown {
  try {
    const message = decodeFrontend(frame.code, frame.body);
    const reason = message.type === "CopyFail" ? message.message : "";
    return new PgError(sqlstate.queryCanceled, `COPY from stdin failed: ${reason}`);
  } catch (error) {
    return error;
  }
}

/** Runs any of the COPY results and gives its command tag. `open` routes the client's messages to the input. */
export function sendCopy(
  result: CopyInResult | CopyOutResult | CopyBothResult,
  output: Output,
  open: (input: CopyInput) => void,
  call: RunningCall,
): Promise<string> {
  if (result.type === "copyOut") return copyOut(result, output, call);
  if (result.type === "copyIn") return copyIn(result, output, call, open);
  return copyBoth(result, output, call, open);
}

/** Runs COPY FROM STDIN and gives the command tag. */
async function copyIn(
  result: CopyInResult,
  output: Output,
  call: RunningCall,
  open: (input: CopyInput) => void,
): Promise<string> {
  encodeBackend(output.writer, {
    type: "CopyInResponse",
    format: result.format,
    columnFormats: [...result.columnFormats],
  });
  const input = new CopyInput();
  open(input);
  await flushed(output, call);
  try {
    const tag = await call.race(Promise.resolve(result.receive(input)));
    await call.race(input.drain());
    return tag;
  } catch (error) {
    input.abandon(error);
    throw error;
  }
}

/** Runs COPY TO STDOUT and gives the command tag. A failure midway is an ErrorResponse, as PostgreSQL's is. */
async function copyOut(result: CopyOutResult, output: Output, call: RunningCall): Promise<string> {
  encodeBackend(output.writer, {
    type: "CopyOutResponse",
    format: result.format,
    columnFormats: [...result.columnFormats],
  });
  const count = await sendCopyData(result.data, output, call);
  output.writer.raw(constantFrames.copyDone);
  return result.tag ?? `COPY ${count}`;
}

/** Runs a copy in both directions, and gives the command tag. */
async function copyBoth(
  result: CopyBothResult,
  output: Output,
  call: RunningCall,
  open: (input: CopyInput) => void,
): Promise<string> {
  encodeBackend(output.writer, {
    type: "CopyBothResponse",
    format: result.format,
    columnFormats: [...result.columnFormats],
  });
  const input = new CopyInput();
  open(input);
  await flushed(output, call);
  try {
    await sendCopyData(result.run(input), output, call);
    output.writer.raw(constantFrames.copyDone);
    await flushed(output, call);
    await call.race(input.drain());
    return result.tag ?? "COPY 0";
  } catch (error) {
    input.abandon(error);
    throw error;
  }
}

async function sendCopyData(data: CopyOutResult["data"], output: Output, call: RunningCall): Promise<number> {
  let count = 0;
  if (!(Symbol.asyncIterator in data)) {
    for (const chunk of data) {
      writeCopyData(output.writer, chunk);
      count++;
      if (output.full) await flushed(output, call);
    }
    return count;
  }
  const chunks = data[Symbol.asyncIterator]();
  const late = new LateFlush(output);
  try {
    for (;;) {
      late.arm();
      const next = await call.race(chunks.next());
      if (next.done) return count;
      writeCopyData(output.writer, next.value);
      count++;
      if (late.full) await call.race(late.full);
      if (output.full) await flushed(output, call);
    }
  } catch (error) {
    chunks.return?.().catch(() => {});
    throw error;
  } finally {
    late.disarm();
  }
}

/** Sends what was written when the next chunk is not there at once: a write for each chunk would be too many. */
class LateFlush {
  readonly #output: Output;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Set while the transport is full. */
  full: Promise<void> | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  arm(): void {
    this.#timer ??= setTimeout(() => this.#flush(), 0);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = undefined;
    const full = this.#output.flush();
    if (!full) return;
    const drained = (): void => {
      this.full = undefined;
    };
    this.full = full.then(drained, drained);
  }
}

async function flushed(output: Output, call: RunningCall): Promise<void> {
  const full = output.flush();
  if (full) await call.race(full);
  call.check();
}
