/** Neon's serverless driver and what builds on it, against any gateway. */
import { beforeAll, describe } from "vitest";
import { drizzleSuite } from "./drizzle.ts";
import { kyselySuite } from "./kysely.ts";
import { pointDriversTo } from "./neon.ts";
import { neonHttpSuite } from "./neon-http.ts";
import { neonWebSocketSuite } from "./neon-websocket.ts";
import { prismaSuite } from "./prisma.ts";

/** `http`: gives the gateway's HTTP side, which lets `appUser` in; asked for when the tests run. */
export function driverSuites(http: () => Promise<string>): void {
  describe("drivers", () => {
    beforeAll(async () => pointDriversTo(await http()));
    describe("neon over HTTP", neonHttpSuite);
    describe("neon over WebSockets", neonWebSocketSuite);
    describe("drizzle", drizzleSuite);
    describe("kysely", kyselySuite);
    describe("prisma", prismaSuite);
  });
}
