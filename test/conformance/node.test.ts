/** The gateway on Node, by each of its ways in. */
import { afterAll, beforeAll, describe } from "vitest";
import { nodeTransports, startNodeGateway } from "./transports/node-gateway.ts";
import { transcriptSuite } from "./transports/transcripts.ts";
import type { ServedGateway } from "./transports/transport.ts";

let gateway: ServedGateway;
beforeAll(async () => {
  gateway = await startNodeGateway();
});
afterAll(() => gateway.close());

describe("transcripts", () => transcriptSuite(() => gateway, nodeTransports));
