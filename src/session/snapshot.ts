/**
 * A session that is suspended: everything that makes it up, as a value that JSON can hold. Its connection lives on, held
 * by the platform, and says nothing; a new Session takes it up from here when the client sends its next message.
 */
import { decodeBase64, encodeBase64 } from "../auth/base64.ts";
import type { Login } from "../auth/source.ts";
import { fatal, type PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { SessionKey } from "./cancel.ts";
import type { Client } from "./client.ts";
import type { ParametersSnapshot } from "./parameters.ts";
import type { PreparedSnapshot } from "./prepared.ts";
import type { Transport } from "./transport.ts";

const format = 1;

export interface SessionSnapshot {
  /** The shape of this value. */
  readonly format: number;
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

/** What an upstream's session gave, if it was asked. */
export interface UpstreamState {
  readonly upstream?: unknown;
}

/** The parts of a session. */
export interface SessionParts {
  readonly protocol: number;
  readonly client: Client;
  readonly key: SessionKey;
  readonly deadline: number | undefined;
  /** Undefined for a relay, which keeps its own, and settings too. */
  readonly prepared: readonly PreparedSnapshot[] | undefined;
  readonly state: UpstreamState;
}

export function snapshotOf({
  protocol,
  client,
  key,
  deadline,
  prepared,
  state,
}: SessionParts): SessionSnapshot {
  const { user, database, parameters } = client.login;
  return {
    format,
    protocol,
    user,
    database,
    parameters: [...parameters],
    processId: key.processId,
    secretKey: encodeBase64(key.secretKey),
    ...(deadline !== undefined && { deadline }),
    channels: [...(client.channels?.listening ?? [])],
    ...(prepared && { statements: { settings: client.settings.snapshot(), prepared } }),
    ...state,
  };
}

/** A snapshot that a newer or older gateway has made. */
export function refuseFormat(snapshot: SessionSnapshot): PgError | undefined {
  if (snapshot.format === format) return undefined;
  return fatal(sqlstate.connectionFailure, "the session was suspended by another version of the gateway");
}
