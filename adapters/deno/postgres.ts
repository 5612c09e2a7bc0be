// `postgres://` as an upstream on Deno: a real server over a Deno.Conn, with TLS and a pool. What its URL leaves out comes
// from PGUSER and PGPASSWORD (--allow-env) and the system's user (--allow-sys=userInfo), as on Node.
import type { Upstream } from "../../src/session/mod.ts";
import { postgresOver } from "../node/postgres.ts";
import { openSocket } from "./socket-stream.ts";

/** Serves a PostgreSQL server, with the parameters that Node's has. @throws ConfigError that says what is wrong with the URL */
export function openPostgres(url: string): Upstream {
  return postgresOver(openSocket, url);
}
