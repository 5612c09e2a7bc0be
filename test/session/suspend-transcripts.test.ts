/** The transcripts over a statement upstream, by a session that is suspended whenever it can be. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Answers } from "../conformance/answers.ts";
import { whyDifferent } from "../conformance/differences.ts";
import { StatementUpstream } from "../conformance/statement-upstream.ts";
import { topics } from "../conformance/transcripts/all.ts";
import { playPausing } from "./pausing-session.ts";

let target: StatementUpstream;
let pauses = 0;

beforeAll(async () => {
  target = await StatementUpstream.start("settings");
});

afterAll(async () => {
  await target.close();
  expect(pauses).toBeGreaterThan(100);
});

describe.each(["settings", "statements"])("%s", (topic) => {
  const answers = new Answers(topic).load();
  const variant = topic === "settings" ? "settings" : "statement";
  const transcripts = (topics[topic] ?? []).filter((transcript) => {
    const { fatal, bare, without, together } = transcript;
    if (fatal || bare || together || without?.statement !== undefined || without?.settings !== undefined)
      return false;
    // Those are played with the settings of PostgreSQL elsewhere.
    return topic === "settings" || whyDifferent(topic, transcript, variant) === undefined;
  });
  for (const transcript of transcripts) {
    test(transcript.name, async () => {
      await target.reset(transcript.setup);
      const why = whyDifferent(topic, transcript, variant);
      const played = await playPausing(target.upstream, transcript);
      expect(played.lines).toEqual(answers.get(transcript.name, why === undefined ? undefined : variant));
      pauses += played.pauses;
    });
  }
});
