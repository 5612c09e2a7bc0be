/** An upstream that the transcripts are played over, and why it may answer otherwise than PostgreSQL. */
import { memoryNotificationBroker, type Upstream } from "../../../src/session/mod.ts";
import { type SessionVariant, whyDifferent } from "../differences.ts";
import { SessionTarget } from "../session-target.ts";
import { resetStatements } from "../target.ts";
import type { Transcript } from "../transcript.ts";

/** One class of differences: those of these transcripts, or those with a line like this. */
export interface Difference {
  readonly because: string;
  /** Topic, and the names of its transcripts. */
  readonly of?: Readonly<Record<string, readonly string[]>>;
  readonly sign?: RegExp;
}

/** Why a difference is as it is; undefined: nobody knows. */
export function reasonOf(
  { variants, differences }: TestedUpstream,
  topic: string,
  transcript: Transcript,
  recorded: readonly string[],
): string | undefined {
  const named = differences.find(({ of }) => of?.[topic]?.includes(transcript.name));
  const signed = differences.find(({ sign }) => sign && recorded.some((line) => sign.test(line)));
  const known = variants.map((variant) => whyDifferent(topic, transcript, variant));
  return (named ?? signed)?.because ?? known.find((reason) => reason !== undefined);
}

/** What is different wherever it occurs: PostgreSQL's answer as it is here. */
export interface Everywhere {
  readonly because: string;
  readonly rewrite: (answer: readonly string[]) => string[];
}

export interface TestedUpstream {
  readonly name: string;
  /** The kinds of sessions whose known differences hold here as well. */
  readonly variants: readonly SessionVariant[];
  readonly everywhere?: readonly Everywhere[];
  readonly differences: readonly Difference[];
  start(): Promise<Started>;
}

export interface Started {
  readonly upstream: Upstream;
  /** Runs a statement in the database, by another way than the upstream. */
  admin(sql: string): Promise<unknown>;
  close(): Promise<void>;
}

export async function startTarget(tested: TestedUpstream): Promise<SessionTarget & { upstream: Upstream }> {
  const { upstream, admin, close } = await tested.start();
  const target = new SessionTarget(
    {
      // What a transcript is `without` holds for every upstream that is not a server.
      name: tested.variants[0] ?? "statement",
      upstream,
      async reset(setup = "") {
        for (const sql of [...resetStatements, setup]) await admin(sql);
      },
      close,
    },
    // As a gateway has one.
    { notifications: memoryNotificationBroker() },
  );
  return Object.assign(target, { upstream });
}
