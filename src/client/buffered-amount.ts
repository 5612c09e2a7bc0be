/** Back-pressure over WebSockets: they say how much of what was sent has not left yet, and never when it has. */

/** Bytes that may be on their way before a sender has to wait, and what is left of them when it may go on. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;

/** Milliseconds between two looks: soon after a frame, and ever rarer at one who does not read. */
const firstLook = 1;
const lastLook = 250;

export interface Buffering {
  /** Absent: the platform does not tell. */
  readonly bufferedAmount?: number;
}

/** A sender has to wait. */
export function overfull({ bufferedAmount = 0 }: Buffering): boolean {
  return bufferedAmount > highWater;
}

/** Calls `drained` when little enough is left. Gives what stops the looking. */
export function watch(socket: Buffering, drained: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const look = (milliseconds: number): void => {
    timer = setTimeout(() => {
      if ((socket.bufferedAmount ?? 0) <= lowWater) drained();
      else look(Math.min(milliseconds * 2, lastLook));
    }, milliseconds);
  };
  look(firstLook);
  return () => clearTimeout(timer);
}
