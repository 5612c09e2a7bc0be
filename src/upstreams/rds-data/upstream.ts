/**
 * AWS's RDS Data API as an upstream: Aurora PostgreSQL over HTTPS, each statement a signed request, transactions by an
 * id. Statements go as they were written but for their parameters.
 */
import type { ClientContext, Upstream } from "../../session/mod.ts";
import type { Parser } from "../../sql/mod.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { KnownTypes } from "../known-types.ts";
import { askCatalogTypes } from "./catalog-types.ts";
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
  /** Those that it has of its own. */
  readonly types: KnownTypes;
}

/** For how many milliseconds a cluster's version is taken to be what it was. */
const maxVersionAge = 600_000;

/** Serves a cluster. It is asked for nothing but its version before the first statement. */
export function rdsDataUpstream(options: RdsDataOptions): Upstream {
  const api = new DataApi(options);
  // Not one client's to give up: others wait for it.
  const types = new KnownTypes((typeOids) => askCatalogTypes(api, typeOids, new AbortController().signal));
  const database: RdsDataDatabase = { api, parser: options.parser, known: new Map(), types };
  let asked: { readonly version: Version; readonly since: number } | undefined;

  /** No client waits for another one's request: on some runtimes it ends with the client that it is made for. */
  async function versionNow(signal: AbortSignal): Promise<Version> {
    if (asked && Date.now() - asked.since < maxVersionAge) return asked.version;
    const version = await askVersion(api, signal);
    asked = { version, since: Date.now() };
    return version;
  }

  return {
    async connect(client: ClientContext) {
      try {
        return new RdsDataSession(database, client, await versionNow(client.signal));
      } catch (error) {
        const { code, message, ...fields } = PgError.from(error).fields;
        throw fatal(code, message, fields);
      }
    },
  };
}
