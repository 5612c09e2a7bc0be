/** The client half against a real PostgreSQL server, over TCP. */
import { describe } from "vitest";
import { openSocket } from "../../adapters/node/socket-stream.ts";
import { parseUrl } from "../../src/client/mod.ts";
import { startOracle } from "../conformance/oracle-server.ts";
import { clientSuite } from "./suite.ts";

const server = await startOracle();
if (typeof server === "string") console.log(`the client against PostgreSQL: not run, ${server}`);

describe.skipIf(typeof server === "string")(
  typeof server === "string" ? server : `PostgreSQL ${server.version}`,
  () => {
    clientSuite(async () => {
      if (typeof server === "string") throw new Error(server);
      const { options, ...address } = parseUrl(`postgres://postgres@127.0.0.1:${server.port}`);
      return { open: () => openSocket(address, options.connectTimeout), close: () => server.stop() };
    });
  },
);
