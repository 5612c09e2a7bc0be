/** The gateway on workerd, by each of its ways in. */
import { afterAll, beforeAll } from "vitest";
import { driverSuites } from "../drivers/suite.ts";
import { transportSuites } from "./transports/suite.ts";
import type { ServedGateway } from "./transports/transport.ts";
import { startWorkerdGateway, workerdTransports } from "./transports/workerd-gateway.ts";

let gateway: ServedGateway;
beforeAll(async () => {
  gateway = await startWorkerdGateway();
});
afterAll(() => gateway.close());

transportSuites(() => gateway, workerdTransports);
// At the end: see ServedGateway.
driverSuites(() => gateway.asking());
