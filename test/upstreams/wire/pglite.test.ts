/**
 * A gateway in front of a gateway: a session over the wire upstream, over a stream in memory to another session, over
 * PGlite. Whatever a client sees of PGlite directly, it sees this way too.
 */
import { afterAll, describe } from "vitest";
import { openPglite } from "../../../adapters/node/pglite.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { sharedUpstream, wireUpstream } from "../../../src/upstreams/mod.ts";
import { type TestServer, testServer } from "../../client/server.ts";
import { clientSuite } from "../../client/suite.ts";
import { refuseErrors } from "../../conformance/pglite-target.ts";
import { ended, login, openSession, type TestUpstream } from "../../conformance/session-target.ts";
import { testSessions } from "../../conformance/session-test.ts";
import { resetStatements } from "../../conformance/target.ts";
import { join, query } from "../../conformance/transcript.ts";
import { topics } from "../../conformance/transcripts/all.ts";

const embedded: Upstream = sharedUpstream(await openPglite(undefined));
const behind: TestServer = testServer({ upstream: embedded });
/** Few connections, so that they are used again. */
const wire: Upstream = wireUpstream({
  // Who has left has left: what the next client sees does not depend on how far PGlite has come with the last one.
  open: async () => {
    await behind.settled();
    return behind.open();
  },
  client: { user: "postgres", sslMode: "disable" },
  size: 4,
});

afterAll(async () => {
  await wire.close?.();
  await behind.closed();
  await embedded.close?.();
});

describe("clients", () => {
  clientSuite(async () => {
    const front = testServer({ upstream: wire });
    return { open: front.open, close: () => front.closed() };
  });
});

/** By a client of its own, through both gateways. */
async function reset(setup = ""): Promise<void> {
  const { client, session } = openSession(wire);
  await login(client);
  const statements = [...resetStatements, setup];
  await client.send(join(statements.map(query) as Uint8Array[]));
  for (const statement of statements) await client.until((frame) => frame.code === "Z", statement);
  refuseErrors(client.bytes);
  client.destroy();
  await ended(session);
}

describe("transcripts", () => {
  const tested: TestUpstream = { name: "relay", upstream: wire, reset, close: async () => {} };
  // The startup is the session's own matter. What is answered before a malformed message depends at the far end on whose
  // turn it is: postgres.test.ts plays those.
  const wanted = Object.keys(topics).filter((topic) => topic !== "startup" && topic !== "malformed");
  testSessions("relay", async () => tested, wanted);
});
