/** What COPY needs of a session over an API that has no COPY of its own. */
import type { StatementSession } from "../../session/mod.ts";

/**
 * The session's own methods, as the gateway calls them. `query` runs the statements that a COPY is made of: SELECT of the
 * relation or of the client's query, and INSERT.
 *
 * With `begin`, `commit` and `rollback` a COPY FROM of any size is one transaction, its own or the client's; `savepoint`
 * lets an error name its line. Without them it is one INSERT, and what does not fit into that is refused.
 */
export interface CopySession
  extends Pick<StatementSession, "query" | "describe" | "begin" | "commit" | "rollback" | "savepoint"> {
  /** The client has a transaction open: the COPY is part of it, and the methods above run in it. */
  readonly inTransaction: boolean;
  /** Bytes of JSON that the parameters of a statement may have, of one request. Default 2 MiB. */
  readonly batchBytes?: number;
}
