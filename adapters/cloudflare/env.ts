// What a Worker is configured by: variables, secrets and bindings (wrangler.toml says how to set them).

/**
 * The variables are those of every runtime (src/gateway/variables.ts); the bindings are Cloudflare's own. Any other
 * binding may be named by a database's URL.
 */
export interface Env {
  /** `name=url` pairs, separated by white space. */
  readonly EDGEWIRE_DATABASES?: string;
  /** `name:verifier` pairs: a secret. */
  readonly EDGEWIRE_USERS?: string;
  readonly EDGEWIRE_AUTH?: string;
  /** Serves each WebSocket in an object of its own, which may sleep while its client is idle. */
  readonly EDGEWIRE_SESSIONS?: DurableObjectNamespace;
  readonly [name: string]: unknown;
}
