// What a Worker is configured by: variables, secrets and bindings (wrangler.toml says how to set them).
import type { ObjectBindings } from "./object-calls.ts";

/**
 * The variables are those of every runtime (src/gateway/variables.ts); the bindings are Cloudflare's own. Any other
 * binding may be named by a database's URL.
 */
export interface Env extends ObjectBindings {
  /** `name=url` pairs, separated by white space. */
  readonly EDGEWIRE_DATABASES?: string;
  /** `name:verifier` pairs: a secret. */
  readonly EDGEWIRE_USERS?: string;
  readonly EDGEWIRE_AUTH?: string;
  /** Whom AWS takes the Worker for, where a database is `rds-data://…`: secrets. */
  readonly AWS_ACCESS_KEY_ID?: string;
  readonly AWS_SECRET_ACCESS_KEY?: string;
  /** Of temporary credentials. */
  readonly AWS_SESSION_TOKEN?: string;
  /** For `supabase://project-ref`: a secret. */
  readonly SUPABASE_ACCESS_TOKEN?: string;
  readonly [name: string]: unknown;
}
