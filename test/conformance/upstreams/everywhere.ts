/** Differences that APIs have in common, each as what it makes of PostgreSQL's answer. */
import type { Everywhere } from "./tested-upstream.ts";

export function eachLine(rewrite: (line: string) => string | undefined): Everywhere["rewrite"] {
  return (answer) => answer.map(rewrite).filter((line) => line !== undefined);
}

/** Columns without their tables' OIDs, their numbers in them, and their modifiers. */
export const noOrigins = (because: string): Everywhere => ({
  because,
  rewrite: eachLine((line) => {
    if (!line.startsWith("RowDescription")) return line;
    return line.replace(/ \d+ \d+ (\d+ \d+) -?\d+ ([01])(?= "|$)/g, " 0 0 $1 -1 $2");
  }),
});

/** Warnings of classes 25 and 01 about transactions are the session's own. */
const ownWarning = / C "25/;

export const noNotices = (because: string): Everywhere => ({
  because,
  rewrite: eachLine((line) =>
    line.startsWith("NoticeResponse") && !ownWarning.test(line) ? undefined : line,
  ),
});

/** Without context, internal query, and the names of objects; what is wrong with a Bind is the session's own error. */
export const fewErrorFields = (because: string): Everywhere => ({
  because,
  rewrite: eachLine((line) => {
    if (!line.startsWith("ErrorResponse")) return line;
    // A field's text may have quotes of its own: it ends where the next field begins, or the message.
    if (/ W "unnamed portal parameter \$\d+"/.test(line)) return line;
    return line.replace(
      / ([Wpqstcdn]) "((?:(?! [A-Za-z] "| \\x00$).)*)"(?= [A-Za-z] "| \\x00$)/g,
      // Where COPY is the gateway's own, so is its context, which comes last.
      (_, field: string, text: string) => {
        const copy = field === "W" ? /(?:^|\\n)(COPY \S+, line .*)$/.exec(text)?.[1] : undefined;
        return copy === undefined ? "" : ` W "${copy}"`;
      },
    );
  }),
});

/** The error of a statement is all of its answer. */
export const nothingBeforeErrors = (because: string): Everywhere => ({
  because,
  rewrite(answer) {
    const kept: string[] = [];
    for (const line of answer) {
      if (line.startsWith("ErrorResponse")) {
        while (/^(RowDescription|DataRow) /.test(kept.at(-1) ?? "")) kept.pop();
      }
      kept.push(line);
    }
    return kept;
  },
});
