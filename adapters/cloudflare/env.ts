// What a Worker is configured by: variables, secrets and bindings (wrangler.toml says how to set them).

/** The variables are those of every runtime; the bindings are Cloudflare's own. */
export interface Env {
  readonly EDGEWIRE_DATABASES?: string;
  readonly EDGEWIRE_USERS?: string;
  readonly EDGEWIRE_AUTH?: string;
  readonly [name: string]: unknown;
}
