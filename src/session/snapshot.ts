/**
 * A session that is suspended: everything that makes it up, as a value that JSON can hold. Its connection lives on, held
 * by the platform, and says nothing; a new Session takes it up from here when the client sends its next message.
 */
import { decodeBase64, encodeBase64 } from "../auth/base64.ts";
import type { Login } from "../auth/source.ts";
import type { SessionKey } from "./cancel.ts";
import type { ParametersSnapshot } from "./parameters.ts";
import type { PreparedSnapshot } from "./prepared.ts";
import type { Transport } from "./transport.ts";

export interface SessionSnapshot {
  /** The shape of this value: a newer gateway must know one that it cannot read. */
  readonly format: 1;
  /** As in a StartupMessage: 196610 is 3.2. */
  readonly protocol: number;
  readonly user: string;
  readonly database: string;
  /** Of the startup packet. */
  readonly parameters: readonly (readonly [string, string])[];
  readonly processId: number;
  /** In base64. */
  readonly secretKey: string;
  /** When idle_session_timeout ends the session, in milliseconds of the clock. */
  readonly deadline?: number;
  /** Channels of the server's broker. */
  readonly channels: readonly string[];
  /** What the session itself keeps for a statement upstream. */
  readonly statements?: {
    readonly settings: ParametersSnapshot;
    readonly prepared: readonly PreparedSnapshot[];
  };
  /** What the upstream's session gave. */
  readonly upstream?: unknown;
}

/** The login of a suspended session; the connection is the one that it was made on. */
export function loginOf({ user, database, parameters }: SessionSnapshot, transport: Transport): Login {
  return {
    user,
    database,
    parameters: new Map(parameters),
    tls: transport.tls,
    ...(transport.address !== undefined && { address: transport.address }),
  };
}

export function keyOf({ processId, secretKey }: SessionSnapshot): SessionKey {
  return { processId, secretKey: decodeBase64(secretKey) ?? new Uint8Array(0) };
}

export function writeKey({ secretKey }: SessionKey): string {
  return encodeBase64(secretKey);
}
