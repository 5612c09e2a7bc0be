/** What is different between two answers, as lines: `- ` only in the first, `+ ` only in the second, `= n` so many alike. Nothing: there is none. */
export function lineDifference(first: readonly string[], second: readonly string[]): string[] {
  const common = commonLengths(first, second);
  const lines: string[] = [];
  let alike = 0;
  const passAlike = (): void => {
    if (alike > 0) lines.push(`= ${alike}`);
    alike = 0;
  };
  let [at, other] = [0, 0];
  while (at < first.length || other < second.length) {
    const here = common[at]?.[other] ?? 0;
    if (at < first.length && first[at] === second[other]) {
      alike++;
      at++;
      other++;
    } else if (at < first.length && (other === second.length || (common[at + 1]?.[other] ?? 0) === here)) {
      passAlike();
      lines.push(`- ${first[at++]}`);
    } else {
      passAlike();
      lines.push(`+ ${second[other++]}`);
    }
  }
  if (lines.length > 0) passAlike();
  return lines;
}

/** The length of the longest common subsequence of what begins at each pair of places. */
function commonLengths(first: readonly string[], second: readonly string[]): number[][] {
  const lengths = Array.from({ length: first.length + 1 }, () =>
    new Array<number>(second.length + 1).fill(0),
  );
  for (let at = first.length - 1; at >= 0; at--) {
    const [row = [], next = []] = [lengths[at], lengths[at + 1]];
    for (let other = second.length - 1; other >= 0; other--) {
      row[other] =
        first[at] === second[other]
          ? (next[other + 1] ?? 0) + 1
          : Math.max(next[other] ?? 0, row[other + 1] ?? 0);
    }
  }
  return lengths;
}
