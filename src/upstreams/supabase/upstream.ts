/**
 * Supabase as an upstream, by nothing but an access token: PostgreSQL behind the Management API, or behind postgres-meta.
 * Each request has a session of its own; what is one request is one transaction.
 */
import type { ClientContext, Upstream } from "../../session/mod.ts";
import type { Parser } from "../../sql/mod.ts";
import { typeCatalogQuery } from "../../types/mod.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { Descriptions } from "../descriptions.ts";
import { KnownTypes } from "../known-types.ts";
import { SupabaseApi, type SupabaseApiOptions } from "./api.ts";
import { askDefaults, type Defaults } from "./defaults.ts";
import { rowsOf } from "./requests.ts";
import { SupabaseSession } from "./session.ts";
import { Types } from "./types.ts";

export interface SupabaseOptions extends SupabaseApiOptions {
  /** PostgreSQL's parser, asked for when the first client comes. */
  readonly parser: () => Promise<Parser>;
}

/** What the sessions of one upstream share. */
export interface SupabaseDatabase {
  readonly api: SupabaseApi;
  readonly parser: Parser;
  readonly descriptions: Descriptions;
  readonly columnTypes: Types;
  readonly types: KnownTypes;
}

/** For how many milliseconds the defaults are good. */
const maxAge = 300_000;

/** Serves a database. Its version and settings are asked for when the first client comes. */
export function supabaseUpstream(options: SupabaseOptions): Upstream {
  const api = new SupabaseApi(options);
  const known = new KnownTypes(async (typeOids) => {
    // Not one client's to give up: others wait for it.
    return rowsOf(api, typeCatalogQuery, [typeOids], new AbortController().signal);
  });
  const descriptions = new Descriptions(() => known.invalidate());
  const columnTypes = new Types();
  let asked: { readonly defaults: Defaults; readonly since: number } | undefined;

  /** No client waits for another one's request: on some runtimes it ends with the client that it is made for. */
  async function defaultsNow(signal: AbortSignal): Promise<Defaults> {
    if (asked && Date.now() - asked.since < maxAge) return asked.defaults;
    const defaults = await askDefaults(api, signal);
    asked = { defaults, since: Date.now() };
    return defaults;
  }

  return {
    async connect(client: ClientContext) {
      try {
        const parser = await options.parser();
        return new SupabaseSession(
          { api, parser, descriptions, columnTypes, types: known },
          client,
          await defaultsNow(client.signal),
        );
      } catch (error) {
        const { code, message, ...fields } = PgError.from(error).fields;
        throw fatal(code, message, fields);
      }
    },
    async ready() {
      await api.raw("SELECT 1", new AbortController().signal);
    },
  };
}
