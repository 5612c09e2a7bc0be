// pg and postgres.js through a gateway to the double.
import { afterAll, beforeAll, describe } from "vitest";
import { tcp } from "../../conformance/transports/sockets.ts";
import type { Transport } from "../../conformance/transports/transport.ts";
import { pgSuite } from "../../drivers/pg.ts";
import { postgresSuite } from "../../drivers/postgres.ts";
import { type NeonDouble, type Served, serve, startDouble } from "./double.ts";

let double: NeonDouble;
let served: Served;
beforeAll(async () => {
  double = await startDouble();
  served = await serve(double.upstream());
});
afterAll(async () => {
  await served?.close();
  await double?.close();
});

const transport = (): Transport => tcp("neon", served.port);
describe("pg", () => pgSuite(transport));
describe("postgres.js", () => postgresSuite(transport));
