/** The names of a statement's columns, from its plan: that tells them without running it. */

/**
 * Names of the columns of `WITH edgewire AS (…) SELECT * FROM edgewire`, from what EXPLAIN (VERBOSE, FORMAT JSON) prints of
 * it: the columns of the CTE. Undefined where it is not JSON.
 */
export function readNames(plan: string, sql: string): string[] | undefined {
  let output: unknown;
  try {
    [
      {
        Plan: { Output: output },
      },
    ] = JSON.parse(plan);
  } catch {
    return undefined;
  }
  // A result without columns has no output.
  const names = ((output ?? []) as string[]).map(columnName);
  const distinct = new Set<string>();
  return names.map((name) => {
    const original = /^(.*)_\d+$/s.exec(name)?.[1];
    // The number is EXPLAIN's, unless the text has it.
    if (original !== undefined && distinct.has(original) && !sql.includes(name)) return original;
    distinct.add(name);
    return name;
  });
}

/** `edgewire.id`, `"User Name"` */
function columnName(expression: string): string {
  const name = expression.startsWith("edgewire.") ? expression.slice("edgewire.".length) : expression;
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
