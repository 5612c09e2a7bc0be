/**
 * Records in what upstreams answer otherwise than PostgreSQL: `npx node test/conformance/upstreams/record.ts [upstream]…`.
 * Prints what has no reason yet.
 */
import { type Recorded, saveRecorded } from "../../lines/recorded.ts";
import { Answers } from "../answers.ts";
import { topics } from "../transcripts/all.ts";
import { tested } from "./all.ts";
import { differenceOf, fileOf, played } from "./recorded.ts";
import { reasonOf, startTarget } from "./tested-upstream.ts";

const wanted = process.argv.slice(2);
for (const upstream of tested) {
  if (wanted.length > 0 && !wanted.includes(upstream.name)) continue;
  const target = await startTarget(upstream);
  const recorded: Recorded = new Map();
  let count = 0;
  for (const [topic, transcripts] of Object.entries(topics)) {
    const answers = new Answers(topic).load();
    for (const transcript of transcripts) {
      const { name, without } = transcript;
      if (without?.[upstream.variants[0] ?? "statement"] !== undefined) continue;
      count++;
      const difference = differenceOf(await played(target, transcript), answers, name, upstream);
      if (difference.length === 0) continue;
      recorded.set(`${topic}: ${name}`, difference);
      if (reasonOf(upstream, topic, transcript, difference) === undefined)
        console.log(`no reason: ${topic}: ${name}`);
    }
  }
  saveRecorded(fileOf(upstream.name), recorded);
  console.log(`${upstream.name}: ${count - recorded.size} as PostgreSQL, ${recorded.size} otherwise`);
  await target.close();
}
