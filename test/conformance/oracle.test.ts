/**
 * The recorded answers are PostgreSQL's: PGlite gives them, and a real server where one is installed. The session is
 * held to them in session-*.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Answers } from "./answers.ts";
import { startOracle } from "./oracle-server.ts";
import { PgliteTarget } from "./pglite-target.ts";
import { PostgresTarget } from "./postgres-target.ts";
import { topics } from "./transcripts/all.ts";

const server = await startOracle();
if (typeof server === "string") console.log(`transcripts are not played to a real server: ${server}`);

describe("PGlite", () => {
  let pglite: PgliteTarget;
  beforeAll(async () => {
    pglite = await PgliteTarget.start();
  });
  afterAll(() => pglite.close());

  for (const [topic, all] of Object.entries(topics)) {
    // PGlite has no startup of its own: those are held to a real server, below.
    const transcripts = all.filter(({ bare }) => !bare);
    if (transcripts.length === 0) continue;
    describe(topic, () => {
      const answers = new Answers(topic).load();
      for (const transcript of transcripts) {
        const reason = transcript.fatal ? "it ends the connection" : transcript.without?.pglite;
        if (reason !== undefined) {
          console.log(`not played to PGlite: ${topic}: ${transcript.name}: ${reason}`);
          continue;
        }
        test(transcript.name, async () => {
          expect(await pglite.play(transcript)).toEqual(answers.get(transcript.name));
        });
      }
    });
  }
});

const name = typeof server === "string" ? server : `PostgreSQL ${server.version}`;
describe.skipIf(typeof server === "string")(name, () => {
  const postgres = typeof server === "string" ? undefined : new PostgresTarget(server);
  afterAll(() => postgres?.close());

  for (const [topic, transcripts] of Object.entries(topics)) {
    describe(topic, () => {
      const answers = new Answers(topic).load();
      for (const transcript of transcripts) {
        const why = transcript.differs?.older;
        test(why === undefined ? transcript.name : `${transcript.name} (${why})`, async () => {
          if (postgres === undefined) throw new Error("no server");
          const answer = await postgres.play(transcript);
          const current = answers.get(transcript.name);
          const older = answers.get(transcript.name, "older");
          if (why === undefined || postgres.version >= 18) expect(answer).toEqual(current);
          // Answers are recorded from 15: 16 and 17 may give either.
          else if (postgres.version === 15) expect(answer).toEqual(older);
          else expect([older, current]).toContainEqual(answer);
          if (why !== undefined) expect(older, "it does not differ any more").not.toEqual(current);
        });
      }
    });
  }
});
