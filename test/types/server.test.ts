/** Values as a real PostgreSQL server writes them, where one is installed: an older version than PGlite is, perhaps. */
import { afterAll, beforeAll, describe } from "vitest";
import { startOracle } from "../conformance/oracle-server.ts";
import { Postgres } from "./postgres.ts";
import { settings } from "./suite-settings.ts";
import { randomValues } from "./suite-values.ts";

const server = await startOracle();
if (typeof server === "string") console.log(`types against a PostgreSQL server: not run, ${server}`);

describe.skipIf(typeof server === "string")(
  typeof server === "string" ? server : `PostgreSQL ${server.version}`,
  () => {
    let postgres: Postgres;
    beforeAll(async () => {
      if (typeof server !== "string") postgres = await Postgres.connect(server.port);
    });
    afterAll(async () => {
      await postgres?.close();
      if (typeof server !== "string") await server.stop();
    });
    const target = (): Postgres => postgres;
    describe("random values", () => randomValues(target, 100));
    describe("settings", () => settings(target));
  },
);
