/**
 * Records the answers: PGlite's, a real server's where the connection ends, and those of everybody who is named as
 * answering otherwise. Needs an installed PostgreSQL server. `node test/conformance/record.ts [topic]…`
 */
import { mkdirSync } from "node:fs";
import { Answers } from "./answers.ts";
import { PgliteTarget } from "./pglite-target.ts";
import { startPostgres } from "./postgres-server.ts";
import { PostgresTarget } from "./postgres-target.ts";
import { topics } from "./transcripts/all.ts";

const server = await startPostgres();
if (typeof server === "string") throw new Error(server);
const postgres = new PostgresTarget(server);
const pglite = await PgliteTarget.start();
mkdirSync(new URL("answers", import.meta.url), { recursive: true });
const wanted = process.argv.slice(2);
try {
  for (const [topic, transcripts] of Object.entries(topics)) {
    if (wanted.length > 0 && !wanted.includes(topic)) continue;
    const answers = new Answers(topic);
    for (const transcript of transcripts) {
      const oracle = transcript.fatal || transcript.without?.pglite !== undefined ? postgres : pglite;
      answers.set(transcript.name, await oracle.play(transcript));
      if (transcript.differs?.older !== undefined && server.version < 18) {
        answers.set(transcript.name, await postgres.play(transcript), "older");
      }
    }
    answers.save();
  }
} finally {
  await pglite.close();
  await postgres.close();
}
