/**
 * The conformance transcripts over the neon upstream, before the double. The answers are PostgreSQL's; or, where the
 * session itself answers otherwise over any statement upstream, those recorded for it; or they differ for a reason here.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Connection, connect, openWebSocket, query } from "../../../src/client/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { Answers } from "../../conformance/answers.ts";
import { whyDifferent } from "../../conformance/differences.ts";
import { SessionTarget } from "../../conformance/session-target.ts";
import { resetStatements } from "../../conformance/target.ts";
import { topics } from "../../conformance/transcripts/all.ts";
import { type NeonDouble, startDouble, user } from "./double.ts";

interface Difference {
  readonly because: string;
  readonly of: Readonly<Record<string, readonly string[]>>;
}

const differences: readonly Difference[] = [
  {
    because: "text is UTF-8 over HTTP, and so it is through the tunnel",
    of: {
      startup: ["an unknown client_encoding"],
      settings: ["ParameterStatus of client_encoding", "values that are refused"],
    },
  },
  {
    because: "HTTP answers with an error alone, without the description and the rows before it",
    of: {
      "simple-query": ["an error after some rows"],
      settings: ["current_setting, and one that is missing"],
      errors: ["an error inside a function has a context", "errors at run time"],
    },
  },
  {
    because: "HTTP has no notices",
    of: {
      notices: [
        "a notice between rows",
        "notices of statements that skip what is there",
        "notices of a cascade have a detail",
        "names and payloads that are refused",
      ],
    },
  },
  {
    because: "rows come from the tunnel in batches, and notices before them",
    of: {
      notices: ["a notice of a portal that is run in steps"],
      errors: ["a lock that cannot be had"],
    },
  },
  {
    because: "the tunnel's portals are not the client's",
    of: {
      portals: ["pg_cursors lists cursors and portals", "a binary cursor answers binary to text requests"],
    },
  },
];

const reasons = new Map(
  differences.flatMap(({ because, of }) =>
    Object.entries(of).flatMap(([topic, names]) =>
      names.map((name) => [`${topic}: ${name}`, because] as const),
    ),
  ),
);

let double: NeonDouble;
let upstream: Upstream;
let admin: Connection;
let target: SessionTarget;
beforeAll(async () => {
  double = await startDouble();
  upstream = double.upstream();
  const { name, password } = user;
  admin = await connect(await openWebSocket(`ws://127.0.0.1:${double.port}/v2`), {
    user: name,
    password,
    database: "main",
  });
  target = new SessionTarget({
    name: "statement",
    upstream,
    async reset(setup = "") {
      for (const sql of [...resetStatements, setup]) await query(admin, sql);
    },
    async close() {
      await upstream.close?.();
      admin.close();
      await double.close();
    },
  });
});
afterAll(() => target?.close());

for (const [topic, transcripts] of Object.entries(topics)) {
  const played = transcripts.filter(({ name, without }) => {
    if (without?.statement) console.log(`not played: ${topic}: ${name}: ${without.statement}`);
    return without?.statement === undefined;
  });
  if (played.length === 0) continue;
  const answers = new Answers(topic).load();
  describe(topic, () => {
    for (const transcript of played) {
      const { name } = transcript;
      const because = reasons.get(`${topic}: ${name}`);
      reasons.delete(`${topic}: ${name}`);
      test(because === undefined ? name : `${name} (${because})`, async () => {
        const answer = await target.play(transcript);
        const right = [answers.get(name)];
        if (whyDifferent(topic, transcript, "statement") !== undefined) {
          right.push(answers.get(name, "statement"));
        }
        if (because !== undefined) expect(right, "it does not differ any more").not.toContainEqual(answer);
        else if (right.length === 1) expect(answer).toEqual(right[0]);
        else expect(right).toContainEqual(answer);
      });
    }
  });
}

test("each difference is one of a transcript", () => {
  expect([...reasons.keys()]).toEqual([]);
});

test("the tunnel's connections were given back", async () => {
  await expect.poll(() => upstream.connections?.taken).toBe(0);
});
