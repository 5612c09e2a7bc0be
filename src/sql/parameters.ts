// Parameter references `$1` in a statement's text (PostgreSQL documentation, section 4.2.2 "Positional Parameters").

import { tokenize } from "./lexer.ts";

/** The highest parameter number in the text: as many values a Bind must bring, when the types tell nothing more. */
export function countParameters(sql: string): number {
  if (!sql.includes("$")) return 0;
  let highest = 0;
  for (const { type, value } of tokenize(sql)) {
    if (type === "parameter") highest = Math.max(highest, Number(value));
  }
  return highest;
}
