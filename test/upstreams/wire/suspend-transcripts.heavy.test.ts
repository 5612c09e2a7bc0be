/** The transcripts over a PostgreSQL server, by a session that gets another server connection whenever it can be moved. */
import { afterAll, describe, expect, test } from "vitest";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { parseUrl } from "../../../src/client/mod.ts";
import { wireUpstream } from "../../../src/upstreams/mod.ts";
import { whyDifferent } from "../../conformance/differences.ts";
import { startOracle } from "../../conformance/oracle-server.ts";
import { PostgresTarget } from "../../conformance/postgres-target.ts";
import { topics } from "../../conformance/transcripts/all.ts";
import { playPausing } from "../../session/pausing-session.ts";

const server = await startOracle();
if (typeof server === "string") console.log(`transcripts of suspended sessions: not run, ${server}`);

/** Sessions do better than PostgreSQL here, or worse: what was parsed before the table changed is parsed anew. */
const different: ReadonlySet<string> = new Set([
  "a table altered under a prepared statement",
  "a table dropped under a prepared statement",
]);

describe.skipIf(typeof server === "string")("over PostgreSQL", () => {
  if (typeof server === "string") return;
  const plain = new PostgresTarget(server);
  const { options, ...address } = parseUrl(`postgres://postgres@127.0.0.1:${server.port}?sslmode=disable`);
  const upstream = wireUpstream({
    open: () => openSocket(address, options.connectTimeout),
    client: { user: "postgres", database: "postgres", sslMode: "disable" },
    idleTimeout: 0,
  });
  let pauses = 0;

  afterAll(async () => {
    await upstream.close?.();
    await plain.close();
    expect(pauses).toBeGreaterThan(100);
  });

  describe.each(["settings", "statements"])("%s", (topic) => {
    for (const transcript of topics[topic] ?? []) {
      const { fatal, bare, together, name } = transcript;
      if (fatal || bare || together || whyDifferent(topic, transcript, "relay") !== undefined) continue;
      test(name, async () => {
        const expected = await plain.play(transcript);
        await plain.reset(transcript.setup);
        const played = await playPausing(upstream, transcript);
        if (different.has(name)) expect(played.lines).not.toEqual(expected);
        else expect(played.lines).toEqual(expected);
        pauses += played.pauses;
      });
    }
  });
});
