/**
 * What an upstream answers otherwise than PostgreSQL: the lines of the difference; or `as [variant]`, where it answers as a
 * session does over any upstream of that kind (see ../differences.ts).
 */
import { lineDifference } from "../../lines/line-difference.ts";
import type { Answers } from "../answers.ts";
import type { Target } from "../target.ts";
import type { Transcript } from "../transcript.ts";
import type { TestedUpstream } from "./tested-upstream.ts";

/** One file for each upstream; titles are `topic: transcript`. Written by record.ts. */
export const fileOf = (upstream: string): URL => new URL(`answers/${upstream}.txt`, import.meta.url);

/** The answer, or what it did not come to. */
export async function played(target: Target, transcript: Transcript): Promise<readonly string[]> {
  try {
    return await target.play(transcript);
  } catch (error) {
    const [what = ""] = (error instanceof Error ? error.message : String(error)).split("; received");
    return [what];
  }
}

/**
 * How an answer differs from PostgreSQL's, less what differs everywhere; nothing: it does not. `used` gets the reasons of
 * what had to be rewritten.
 */
export function differenceOf(
  answer: readonly string[],
  answers: Pick<Answers, "get">,
  name: string,
  { variants, everywhere = [] }: Pick<TestedUpstream, "variants" | "everywhere">,
  used: Set<string> = new Set(),
): readonly string[] {
  const rewritten = (lines: readonly string[]): string[] =>
    everywhere.reduce<string[]>(
      (lines, { because, rewrite }) => {
        const next = rewrite(lines);
        if (!same(next, lines)) used.add(because);
        return next;
      },
      [...lines],
    );
  const right = rewritten(answers.get(name) ?? []);
  if (same(answer, right)) return [];
  const variant = variants.find((variant) => {
    const other = answers.get(name, variant);
    return other !== undefined && same(answer, rewritten(other));
  });
  return variant ? [`as [${variant}]`] : lineDifference(right, answer);
}

const same = (answer: readonly string[], other: readonly string[]): boolean =>
  answer.join("\n") === other.join("\n");
