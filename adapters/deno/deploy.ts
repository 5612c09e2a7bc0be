/**
 * The entry for Deno Deploy, and for a Deno that serves HTTP alone: SQL over HTTP, WebSockets, health and metrics. There is
 * no TCP listener, so PostgreSQL clients come through `edgewire tunnel`, and no PGlite. It is configured by environment
 * variables: EDGEWIRE_DATABASES (`name=postgres://…`), EDGEWIRE_USERS (`name:verifier`) and the other settings of the
 * command line (`EDGEWIRE_STATEMENT_TIMEOUT` …).
 *
 * Elsewhere: `DENO_SERVE_ADDRESS=tcp:127.0.0.1:8080 deno run --allow-net --allow-env adapters/deno/deploy.ts`
 * (--allow-read for sslrootcert, sslcert and sslkey, and for the SQL parser, which data APIs such as `neon://` need).
 */
import { ConfigError, createGateway, type GatewayVariables, readVariables } from "../../src/gateway/mod.ts";
import { createApp } from "../../src/http/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { remoteOpeners } from "../node/remote-databases.ts";
import { clientAddress } from "./http.ts";
import { openPostgres } from "./postgres.ts";
import { upgrade } from "./websocket.ts";

/** What a server that the whole Internet reaches must be told before it lets anybody in. */
function check({ databases, users, auth }: GatewayVariables): void {
  if (databases.size === 0) {
    throw new ConfigError("no database is configured: set EDGEWIRE_DATABASES, for example app=postgres://…");
  }
  if (auth === "cert") {
    throw new ConfigError("there are no client certificates over HTTP: EDGEWIRE_AUTH cannot be cert");
  }
  if (users.size === 0 && auth !== "trust") {
    throw new ConfigError(
      "no user is configured: set EDGEWIRE_USERS, or EDGEWIRE_AUTH=trust to let everybody in",
    );
  }
}

const variables = readVariables(Deno.env.toObject());
check(variables);
const gateway = createGateway(variables, remoteOpeners(openPostgres));
const app = createApp({
  gateway,
  limits: variables.limits,
  ...variables.http,
  address: clientAddress,
  upgrade,
  onError(_, cause) {
    // An upstream's own failure is worth a line in the log; a client's mistake is not.
    if (!(cause instanceof PgError)) console.error("edgewire:", cause);
    return undefined;
  },
});

Deno.serve((request, info) => app.fetch(request, info));
