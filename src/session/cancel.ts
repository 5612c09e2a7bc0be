/**
 * CancelRequest (PostgreSQL documentation, 53.2.8 Canceling Requests in Progress): it comes on a connection of its own
 * and names a session by process id and secret key. The registry is an interface, since on isolates the session may
 * live elsewhere; this one serves a single process.
 */
import { equalBytes } from "../auth/constant-time.ts";

/** What a session leaves in the registry. */
export interface CancelTarget {
  /** Asks the running statement to stop; nothing happens when none is running. */
  cancel(): void;
}

export interface CancelKey {
  readonly processId: number;
  readonly secretKey: Uint8Array;
  /** Takes the session out of the registry. */
  release(): void;
}

export interface CancelRegistry {
  /** Gives a new session its key: `keyLength` bytes, 4 in protocol 3.0, up to 256 in 3.2. */
  register(target: CancelTarget, keyLength: number): CancelKey;
  /** Serves a CancelRequest. A wrong key is ignored, as PostgreSQL does: the answer must not tell which part is wrong. */
  cancel(processId: number, secretKey: Uint8Array): void | Promise<void>;
}

/** A registry for the sessions of one process. */
export function memoryCancelRegistry(): CancelRegistry & { readonly size: number } {
  const sessions = new Map<number, { target: CancelTarget; secretKey: Uint8Array }>();
  let last = Math.floor(Math.random() * 0x10000);
  return {
    get size(): number {
      return sessions.size;
    },
    register(target, keyLength) {
      // Positive and within 31 bits: several clients print it as a signed number.
      do last = (last % 0x7ffffffe) + 1;
      while (sessions.has(last));
      const processId = last;
      const secretKey = crypto.getRandomValues(new Uint8Array(keyLength));
      sessions.set(processId, { target, secretKey });
      return { processId, secretKey, release: () => sessions.delete(processId) };
    },
    cancel(processId, secretKey) {
      const session = sessions.get(processId);
      if (session && equalBytes(session.secretKey, secretKey)) session.target.cancel();
    },
  };
}
