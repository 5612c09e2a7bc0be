/** The gateway on workerd, by each of its ways in. */
import { afterAll, beforeAll, describe } from "vitest";
import { transcriptSuite } from "./transports/transcripts.ts";
import type { ServedGateway } from "./transports/transport.ts";
import { startWorkerdGateway, workerdTransports } from "./transports/workerd-gateway.ts";

let gateway: ServedGateway;
beforeAll(async () => {
  gateway = await startWorkerdGateway();
});
afterAll(() => gateway.close());

describe("transcripts", () => transcriptSuite(() => gateway, workerdTransports));
