/** The gateway on Deno, by each of its ways in. */
import { afterAll, beforeAll } from "vitest";
import { driverSuites } from "../drivers/suite.ts";
import { startDenoGateway } from "./transports/deno-gateway.ts";
import { listenerTransports } from "./transports/listeners.ts";
import { transportSuites } from "./transports/suite.ts";
import type { ServedGateway } from "./transports/transport.ts";

let gateway: ServedGateway;
beforeAll(async () => {
  gateway = await startDenoGateway();
});
afterAll(() => gateway.close());

transportSuites(() => gateway, listenerTransports);
// At the end: see ServedGateway.
driverSuites(() => gateway.asking());
