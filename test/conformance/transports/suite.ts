/** What every way into a gateway has to pass: the transcripts, and two drivers of the kind that applications use. */
import { beforeAll, describe } from "vitest";
import { pgSuite } from "../../drivers/pg.ts";
import { postgresSuite } from "../../drivers/postgres.ts";
import { transcriptSuite } from "./transcripts.ts";
import type { ServedGateway, Transport } from "./transport.ts";

/** `gateway` is asked for when the tests run; `names` are those of its transports. */
export function transportSuites(gateway: () => ServedGateway, names: readonly string[]): void {
  for (const name of names) {
    const transport = (): Transport => named(gateway(), name);
    describe(name, () => {
      beforeAll(() => transport().prepare?.());
      describe("transcripts", () => transcriptSuite(transport, () => gateway().admin));
      describe("pg", () => pgSuite(transport));
      describe("postgres", () => postgresSuite(transport));
    });
  }
}

function named({ transports }: ServedGateway, name: string): Transport {
  const transport = transports.find((transport) => transport.name === name);
  if (transport === undefined) throw new Error(`the gateway has no transport ${name}`);
  return transport;
}
