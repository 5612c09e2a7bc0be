/** What the tests of both kinds of sessions have in common: each transcript, arriving in both ways, and its answer. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Answers } from "./answers.ts";
import { namedDifferences, type SessionVariant, whyDifferent } from "./differences.ts";
import { type Arrival, SessionTarget, type TestUpstream } from "./session-target.ts";
import type { Transcript } from "./transcript.ts";
import { topics } from "./transcripts/all.ts";

const arrivals: readonly Arrival[] = ["at once", "byte by byte"];

export function testSessions(
  variant: SessionVariant,
  start: () => Promise<TestUpstream>,
  wanted: readonly string[] = Object.keys(topics),
): void {
  let target: SessionTarget;
  beforeAll(async () => {
    target = new SessionTarget(await start());
  });
  afterAll(() => target.close());

  for (const topic of wanted) {
    const transcripts = topics[topic] ?? [];
    const played = transcripts.filter((transcript) => {
      const reason = transcript.without?.[variant];
      if (reason !== undefined)
        console.log(`not played (${variant}): ${topic}: ${transcript.name}: ${reason}`);
      return reason === undefined;
    });
    if (played.length === 0) continue;
    const answers = new Answers(topic).load();
    describe(topic, () => {
      for (const transcript of played) {
        const why = whyDifferent(topic, transcript, variant);
        test(why === undefined ? transcript.name : `${transcript.name} (${why})`, async () => {
          const current = answers.get(transcript.name);
          const expected = why === undefined ? current : answers.get(transcript.name, variant);
          for (const arrival of transcript.together ? arrivals.slice(0, 1) : arrivals) {
            target.arrival = arrival;
            expect(await target.play(transcript), arrival).toEqual(expected);
          }
          if (why !== undefined) expect(expected, "it does not differ any more").not.toEqual(current);
        });
      }
    });
  }

  test("each difference is one of a transcript", () => {
    const missing = namedDifferences().filter(([topic, name]) => !known(topic, name));
    expect(missing).toEqual([]);
  });
}

const known = (topic: string, name: string): Transcript | undefined =>
  topics[topic]?.find((transcript) => transcript.name === name);
