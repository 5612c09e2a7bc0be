/** The client half against a real PostgreSQL server, over TCP. */
import { describe, test } from "vitest";
import { openSocket } from "../../adapters/node/socket-stream.ts";
import { type PostgresServer, startPostgres } from "../conformance/postgres-server.ts";
import { clientSuite } from "./suite.ts";

const server: PostgresServer | string = await startPostgres();

if (typeof server === "string") {
  test(`not run: ${server}`, () => console.log(`client against PostgreSQL: not run, ${server}`));
} else {
  describe(`PostgreSQL ${server.version}`, () => {
    clientSuite(async () => ({
      open: () =>
        openSocket({
          host: "127.0.0.1",
          port: server.port,
          rootCertificate: undefined,
          certificate: undefined,
          key: undefined,
        }),
      close: () => server.stop(),
    }));
  });
}
