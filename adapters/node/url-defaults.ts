// What a connection URL may leave out, from where psql takes it.
import { userInfo } from "node:os";
import type { UrlDefaults } from "../../src/client/mod.ts";

/** PGUSER or the system's user, PGPASSWORD. */
export function urlDefaults(environment: NodeJS.ProcessEnv = process.env): UrlDefaults {
  return { user: environment.PGUSER || systemUser(), password: environment.PGPASSWORD };
}

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in some containers.
    return undefined;
  }
}
