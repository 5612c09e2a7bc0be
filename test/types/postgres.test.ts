/** Every conversion is held to PostgreSQL's own typinput, typoutput, typreceive and typsend: one PGlite for all suites. */
import { citext } from "@electric-sql/pglite/contrib/citext";
import { hstore } from "@electric-sql/pglite/contrib/hstore";
import { ltree } from "@electric-sql/pglite/contrib/ltree";
import { vector } from "@electric-sql/pglite-pgvector";
import { afterAll, beforeAll, describe } from "vitest";
import { Postgres } from "./postgres.ts";
import { knownValues } from "./suite-known.ts";
import { malformedValues } from "./suite-malformed.ts";
import { registeredTypes } from "./suite-registered.ts";
import { settings } from "./suite-settings.ts";
import { randomValues } from "./suite-values.ts";

let postgres: Postgres;
beforeAll(async () => {
  postgres = await Postgres.start({ citext, hstore, ltree, vector });
});
afterAll(() => postgres.close());

const target = (): Postgres => postgres;

describe("known values", () => knownValues(target));
describe("random values", () => randomValues(target));
describe("settings", () => settings(target));
describe("registered types", () => registeredTypes(target));
describe("malformed values", () => malformedValues(target));
