/**
 * Every transcript over an upstream. Its answer is PostgreSQL's; or it differs exactly as it is recorded to, for a reason
 * that is named. A difference that has gone fails as well as a new one.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Upstream } from "../../../src/session/mod.ts";
import { loadRecorded } from "../../lines/recorded.ts";
import { Answers } from "../answers.ts";
import type { SessionTarget } from "../session-target.ts";
import { topics } from "../transcripts/all.ts";
import { differenceOf, fileOf, played } from "./recorded.ts";
import { reasonOf, startTarget, type TestedUpstream } from "./tested-upstream.ts";

export function testTranscripts(tested: TestedUpstream): void {
  const { name: upstream, variants, differences } = tested;
  const recorded = loadRecorded(fileOf(upstream));
  let target: SessionTarget & { upstream: Upstream };
  beforeAll(async () => {
    target = await startTarget(tested);
  });
  afterAll(() => target?.close());

  const titles = new Set<string>();
  const reasons = new Set<string>();
  const used = new Set<string>();
  const unnamed: string[] = [];
  let alike = 0;
  for (const [topic, transcripts] of Object.entries(topics)) {
    const answers = new Answers(topic).load();
    const playable = transcripts.filter(({ name, without }) => {
      const left = without?.[variants[0] ?? "statement"];
      if (left !== undefined) console.log(`not played (${upstream}): ${topic}: ${name}: ${left}`);
      return left === undefined;
    });
    if (playable.length === 0) continue;
    describe(topic, () => {
      for (const transcript of playable) {
        const { name } = transcript;
        const title = `${topic}: ${name}`;
        titles.add(title);
        const expected = recorded.get(title) ?? [];
        const why = expected.length > 0 ? reasonOf(tested, topic, transcript, expected) : undefined;
        if (why !== undefined) reasons.add(why);
        if (expected.length > 0 && why === undefined) unnamed.push(title);
        if (expected.length === 0) alike++;
        test(expected.length === 0 ? name : `${name} (${why})`, async () => {
          const answer = await played(target, transcript);
          expect(differenceOf(answer, answers, name, tested, used)).toEqual(expected);
        });
      }
    });
  }

  test("each difference has a reason, and each reason is that of a difference", () => {
    expect(unnamed).toEqual([]);
    expect([...recorded.keys()].filter((title) => !titles.has(title))).toEqual([]);
    expect(
      differences.flatMap(({ of = {} }) =>
        Object.entries(of).flatMap(([topic, names]) =>
          names.map((name) => `${topic}: ${name}`).filter((title) => !recorded.has(title)),
        ),
      ),
    ).toEqual([]);
    expect(differences.map(({ because }) => because).filter((because) => !reasons.has(because))).toEqual([]);
    expect([...used].sort()).toEqual((tested.everywhere ?? []).map(({ because }) => because).sort());
    console.log(
      `${upstream}: ${alike} transcripts as PostgreSQL, ${recorded.size} otherwise, all of them named`,
    );
  });

  test("what sessions had was given back", async () => {
    await expect.poll(() => target.upstream.connections?.taken ?? 0).toBe(0);
  });
}
