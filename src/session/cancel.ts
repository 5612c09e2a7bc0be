/**
 * CancelRequest (PostgreSQL documentation, 53.2.8 Canceling Requests in Progress): it comes on a connection of its own
 * and names a session by process id and secret key. The registry is an interface, since on isolates the session may
 * live elsewhere (see cancel-route.ts); this one serves a single process.
 */
import { equalBytes } from "../auth/constant-time.ts";

/** What a session leaves in the registry. */
export interface CancelTarget {
  /** Asks the running statement to stop; nothing happens when none is running. */
  cancel(): void;
}

/** What BackendKeyData tells a client. */
export interface SessionKey {
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

export interface CancelKey extends SessionKey {
  /** Takes the session out of the registry. `suspended`: it will come back, with the same key. */
  release(suspended?: boolean): void;
}

export interface CancelRegistry {
  /**
   * Gives a session its key, of `maxKeyLength` bytes at the most: 4 in protocol 3.0, 256 in 3.2. `kept` is the key of a
   * session that was suspended, which its client still has.
   */
  register(target: CancelTarget, maxKeyLength: number, kept?: SessionKey): CancelKey | Promise<CancelKey>;
  /** Serves a CancelRequest. A wrong key is ignored, as PostgreSQL does: the answer must not tell which part is wrong. */
  cancel(processId: number, secretKey: Uint8Array): void | Promise<void>;
}

/** The length of PostgreSQL's own keys in protocol 3.2. */
const longKey = 32;

export interface MemoryCancelRegistry extends CancelRegistry {
  /** Sessions. */
  readonly size: number;
  register(target: CancelTarget, maxKeyLength: number, kept?: SessionKey): CancelKey;
}

/** A registry for the sessions of one process. */
export function memoryCancelRegistry(): MemoryCancelRegistry {
  const sessions = new SessionTable();
  return {
    get size(): number {
      return sessions.size;
    },
    register(target, maxKeyLength, kept) {
      const processId = kept?.processId ?? sessions.newProcessId();
      const secretKey = kept?.secretKey ?? randomBytes(Math.min(maxKeyLength, longKey));
      return sessions.add(target, processId, secretKey);
    },
    cancel(processId, secretKey) {
      sessions.cancel(processId, secretKey);
    },
  };
}

/** The sessions of one process, by their process ids. */
export class SessionTable {
  readonly #sessions: Map<number, { readonly target: CancelTarget; readonly secretKey: Uint8Array }> =
    new Map();

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Positive and within 31 bits, as several clients print it as a signed number; random, so that those of other
   * processes of the same gateway are others.
   */
  newProcessId(): number {
    for (;;) {
      const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
      const processId = random >>> 1;
      if (processId > 0 && !this.#sessions.has(processId)) return processId;
    }
  }

  add(target: CancelTarget, processId: number, secretKey: Uint8Array): CancelKey {
    const session = { target, secretKey };
    this.#sessions.set(processId, session);
    const release = (): void => {
      if (this.#sessions.get(processId) === session) this.#sessions.delete(processId);
    };
    return { processId, secretKey, release };
  }

  /** Whether a session has that key. */
  has(processId: number, secretKey: Uint8Array): boolean {
    return this.#find(processId, secretKey) !== undefined;
  }

  /** Whether a session has that key; it was asked to stop then. */
  cancel(processId: number, secretKey: Uint8Array): boolean {
    const target = this.#find(processId, secretKey);
    target?.cancel();
    return target !== undefined;
  }

  #find(processId: number, secretKey: Uint8Array): CancelTarget | undefined {
    const session = this.#sessions.get(processId);
    return session && equalBytes(session.secretKey, secretKey) ? session.target : undefined;
  }
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}
