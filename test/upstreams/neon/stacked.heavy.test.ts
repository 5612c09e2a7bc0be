// Neon's driver, and drizzle, kysely and Prisma on top of it, to a gateway whose own upstream is the double of Neon.
import { afterAll, beforeAll, describe } from "vitest";
import { type HttpListener, listenHttp } from "../../../adapters/node/http.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { createGateway, type Gateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import { appUser } from "../../drivers/neon.ts";
import { driverSuites } from "../../drivers/suite.ts";
import { type NeonDouble, startDouble } from "./double.ts";

describe("through two gateways", () => {
  let double: NeonDouble;
  let gateway: Gateway;
  const started = start();
  beforeAll(() => started.then(() => {}));
  afterAll(async () => {
    await (await started).close(500);
    await gateway.close();
    await double.close();
  });

  async function start(): Promise<HttpListener> {
    double = await startDouble();
    const users = new Map([[appUser.name, await scramVerifier(appUser.password)]]);
    const upstream = double.upstream();
    gateway = createGateway({ databases: new Map([["postgres", "neon:"]]), users }, { neon: () => upstream });
    return listenHttp(createApp({ gateway }), { webSockets: { session: gateway.session } });
  }

  driverSuites(async () => `http://127.0.0.1:${(await started).port}`);
});
