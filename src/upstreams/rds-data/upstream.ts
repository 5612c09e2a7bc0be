/**
 * AWS's RDS Data API as an upstream: Aurora PostgreSQL over HTTPS, each statement a signed request, transactions by an
 * id. Statements go as they were written but for their parameters.
 */
import type { ClientContext, Upstream } from "../../session/mod.ts";
import type { Parser } from "../../sql/mod.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { DataApi, type DataApiOptions } from "./client.ts";
import type { StatementTypes } from "./description.ts";
import { RdsDataSession } from "./session.ts";
import { askVersion, type Version } from "./version.ts";

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

/** For how many milliseconds a cluster's version is taken to be what it was. */
const maxVersionAge = 600_000;

/** Serves a cluster. It is asked for nothing but its version before the first statement. */
export function rdsDataUpstream(options: RdsDataOptions): Upstream {
  const database: RdsDataDatabase = { api: new DataApi(options), parser: options.parser, known: new Map() };
  let version: Promise<Version> | undefined;
  let since = 0;

  function versionOf(): Promise<Version> {
    if (version && Date.now() - since < maxVersionAge) return version;
    // Not the first client's to give up: others wait for it.
    const asked = askVersion(database.api, new AbortController().signal);
    version = asked;
    since = Date.now();
    asked.catch(() => {
      if (version === asked) version = undefined;
    });
    return asked;
  }

  return {
    async connect(client: ClientContext) {
      try {
        return new RdsDataSession(database, client, await versionOf());
      } catch (error) {
        const { code, message, ...fields } = PgError.from(error).fields;
        throw fatal(code, message, fields);
      }
    },
  };
}
