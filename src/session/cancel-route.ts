/**
 * Cancel keys for a gateway whose sessions live in many places (isolates, objects, processes), where a CancelRequest may
 * arrive in any of them. A key of protocol 3.2 has room for the way to its session: a route, signed, so that nobody can
 * make the gateway call places by inventing keys. Protocol 3.0's 4 bytes have not: a directory that all share knows those.
 *
 *     version 1 | length of the route | route | 16 random bytes | HMAC-SHA-256 of the process id and all before
 */
import { equalBytes } from "../auth/constant-time.ts";
import { hmacSha256 } from "../auth/scram.ts";
import { type CancelKey, type CancelRegistry, randomBytes, type SessionKey, SessionTable } from "./cancel.ts";

const version = 1;
const randomLength = 16;
const signatureLength = 32;
/** A key may have 256 bytes (documentation of BackendKeyData). */
const maxRouteLength = 256 - 2 - randomLength - signatureLength;

/** A new key that tells where its session is. @throws RangeError for a route over 206 bytes */
export async function routedKey(
  secret: Uint8Array,
  processId: number,
  route: Uint8Array,
): Promise<Uint8Array> {
  if (route.length > maxRouteLength) throw new RangeError(`a route has ${maxRouteLength} bytes at the most`);
  const head = Uint8Array.of(version, route.length, ...route, ...randomBytes(randomLength));
  return Uint8Array.of(...head, ...(await signature(secret, processId, head)));
}

/** The route in a key; undefined for a key that was not made with this secret for this process id. */
export async function routeOf(
  secret: Uint8Array,
  { processId, secretKey }: SessionKey,
): Promise<Uint8Array | undefined> {
  const at = secretKey.length - signatureLength;
  const routeLength = secretKey[1] ?? 0;
  if (secretKey[0] !== version || at !== 2 + routeLength + randomLength) return undefined;
  const expected = await signature(secret, processId, secretKey.subarray(0, at));
  if (!equalBytes(expected, secretKey.subarray(at))) return undefined;
  return secretKey.slice(2, 2 + routeLength);
}

function signature(secret: Uint8Array, processId: number, head: Uint8Array): Promise<Uint8Array> {
  const signed = new Uint8Array(4 + head.length);
  new DataView(signed.buffer).setUint32(0, processId);
  signed.set(head, 4);
  return hmacSha256(secret, signed);
}

/** Where protocol 3.0's keys lead; one for all places. */
export interface KeyDirectory {
  add(key: SessionKey, route: Uint8Array): void | Promise<void>;
  /** The session has ended. */
  remove(key: SessionKey): void | Promise<void>;
  find(key: SessionKey): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

export interface RoutedCancelOptions {
  /** Tells the deployment's secret: the same everywhere, known to nobody else. */
  readonly secret: () => Uint8Array | Promise<Uint8Array>;
  /** Where the sessions of this registry are: up to 206 bytes that `forward` understands everywhere. */
  readonly route: Uint8Array;
  /** Takes a request to the registry at that route, to be served there by `serve`. */
  readonly forward: (route: Uint8Array, key: SessionKey) => void | Promise<void>;
  /** Without one, clients of protocol 3.0 can only cancel where their session is. */
  readonly directory?: KeyDirectory | undefined;
  /** Chooses the process id of a new session. Default: at random. */
  readonly newProcessId?: (() => number) | undefined;
}

export interface RoutedCancelRegistry extends CancelRegistry {
  /** Whether one of the sessions here has that key. */
  has(key: SessionKey): boolean;
  /** Serves a request that was forwarded to here; whether there is such a session. */
  serve(key: SessionKey): boolean;
}

/** The registry of one place among many. */
export function routedCancelRegistry(options: RoutedCancelOptions): RoutedCancelRegistry {
  const { secret, route, forward, directory, newProcessId } = options;
  const sessions = new SessionTable();
  const hasRoute = (secretKey: Uint8Array): boolean => secretKey.length > 4;

  async function newKey(maxKeyLength: number): Promise<SessionKey> {
    const processId = newProcessId?.() ?? sessions.newProcessId();
    if (maxKeyLength >= 256)
      return { processId, secretKey: await routedKey(await secret(), processId, route) };
    const key = { processId, secretKey: randomBytes(maxKeyLength) };
    await directory?.add(key, route);
    return key;
  }

  return {
    async register(target, maxKeyLength, kept): Promise<CancelKey> {
      const key = kept ?? (await newKey(maxKeyLength));
      const local = sessions.add(target, key.processId, key.secretKey);
      return {
        ...key,
        release(suspended) {
          local.release();
          if (suspended || hasRoute(key.secretKey)) return;
          // A key that stays behind leads to a place that does not know it any more.
          Promise.resolve(directory?.remove(key)).catch(() => {});
        },
      };
    },
    async cancel(processId, secretKey) {
      if (sessions.cancel(processId, secretKey)) return;
      const key = { processId, secretKey };
      const owner = hasRoute(secretKey) ? await routeOf(await secret(), key) : await directory?.find(key);
      // It leads to here: then the session is over.
      if (owner && !equalBytes(owner, route)) await forward(owner, key);
    },
    has: ({ processId, secretKey }) => sessions.has(processId, secretKey),
    serve: ({ processId, secretKey }) => sessions.cancel(processId, secretKey),
  };
}
