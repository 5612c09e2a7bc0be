/**
 * AWS's RDS Data API as an upstream: Aurora PostgreSQL over HTTPS, each statement a signed request, transactions by an
 * id. Statements go as they were written but for their parameters.
 */
import type { ClientContext, Upstream } from "../../session/mod.ts";
import type { Parser } from "../../sql/mod.ts";
import { DataApi, type DataApiOptions } from "./client.ts";
import type { StatementTypes } from "./description.ts";
import { RdsDataSession } from "./session.ts";

export interface RdsDataOptions extends DataApiOptions {
  /** PostgreSQL's parser (adapters: loadParser). */
  readonly parser: Parser;
}

/** What the sessions of one upstream share. */
export interface RdsDataDatabase {
  readonly api: DataApi;
  readonly parser: Parser;
  /** Types of statements by text, types and search_path; emptied when the schema changes through this gateway. */
  readonly known: Map<string, StatementTypes>;
}

/** Serves a cluster. Nothing is asked of it before the first statement. */
export function rdsDataUpstream(options: RdsDataOptions): Upstream {
  const database: RdsDataDatabase = { api: new DataApi(options), parser: options.parser, known: new Map() };
  return { connect: (client: ClientContext) => new RdsDataSession(database, client) };
}
