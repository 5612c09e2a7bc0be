/**
 * Records the answers: PGlite's, a real server's where the connection ends, and those of everybody who may answer
 * otherwise. Needs an installed PostgreSQL server. `npx node test/conformance/record.ts [topic]…`
 */
import { mkdirSync } from "node:fs";
import { Answers } from "./answers.ts";
import { type SessionVariant, whyDifferent } from "./differences.ts";
import { startOracle } from "./oracle-server.ts";
import { PgliteTarget } from "./pglite-target.ts";
import { PostgresTarget } from "./postgres-target.ts";
import { RelayUpstream } from "./relay-upstream.ts";
import { SessionTarget } from "./session-target.ts";
import { StatementUpstream } from "./statement-upstream.ts";
import type { Target } from "./target.ts";
import type { Transcript } from "./transcript.ts";
import { topics } from "./transcripts/all.ts";

const server = await startOracle();
if (typeof server === "string") throw new Error(server);
const postgres = new PostgresTarget(server);
const pglite = await PgliteTarget.start();
const sessions: Readonly<Record<SessionVariant, SessionTarget>> = {
  relay: new SessionTarget(await RelayUpstream.start()),
  statement: new SessionTarget(await StatementUpstream.start()),
  settings: new SessionTarget(await StatementUpstream.start("settings")),
};
/** What is new in the startup of 18 is recorded from a session, and to be read against the documentation. */
function oracleOf({ bare, fatal, without }: Transcript, older: boolean): Target {
  if (bare && older) return sessions.statement;
  return bare || fatal || without?.pglite !== undefined ? postgres : pglite;
}

mkdirSync(new URL("answers", import.meta.url), { recursive: true });
const wanted = process.argv.slice(2);
try {
  for (const [topic, transcripts] of Object.entries(topics)) {
    if (wanted.length > 0 && !wanted.includes(topic)) continue;
    const answers = new Answers(topic);
    for (const transcript of transcripts) {
      const older = transcript.differs?.older !== undefined && server.version < 18;
      answers.set(transcript.name, await oracleOf(transcript, older).play(transcript));
      if (older) {
        answers.set(transcript.name, await postgres.play(transcript), "older");
      }
      for (const variant of ["relay", "statement", "settings"] as const) {
        if (whyDifferent(topic, transcript, variant) === undefined) continue;
        answers.set(transcript.name, await sessions[variant].play(transcript), variant);
      }
    }
    answers.save();
  }
} finally {
  await pglite.close();
  await postgres.close();
  await sessions.relay.close();
  await sessions.statement.close();
  await sessions.settings.close();
}
