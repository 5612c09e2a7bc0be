/** What a server decides for its sessions, or for one of them. */
import type { AuthSource, Login } from "../auth/source.ts";
import type { PgError } from "../wire/error.ts";
import type { CancelRegistry } from "./cancel.ts";
import type { SessionLimits } from "./limits.ts";
import type { NotificationBroker } from "./notifications.ts";
import type { Upstream } from "./upstream.ts";

export interface SessionOptions {
  readonly auth: AuthSource;
  /** The upstream of the database that the client named; undefined is FATAL 3D000. */
  readonly upstream: (login: Login) => Upstream | undefined | Promise<Upstream | undefined>;
  readonly cancels?: CancelRegistry | undefined;
  /** LISTEN and NOTIFY for the clients of upstreams that have none; without it those are 0A000. */
  readonly notifications?: NotificationBroker | undefined;
  /** `suspend` will be called: some upstreams take notes for that. Default: false. */
  readonly suspendable?: boolean | undefined;
  readonly limits?: Partial<SessionLimits> | undefined;
  /** Gets each message in the format of libpq's PQtrace; passwords are not in it. `session` counts the sessions. */
  readonly trace?: ((line: string, session: number) => void) | undefined;
  /** Answers the StartupMessage with this error: a server that is full. CancelRequests are still served. */
  readonly refuse?: PgError | undefined;
  /** Sees every error before it is sent, to log it or to replace it. */
  readonly onError?: ((error: PgError, cause: unknown) => PgError | undefined) | undefined;
}
