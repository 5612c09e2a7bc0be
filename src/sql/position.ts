/** Positions of errors count characters (code points) of a text, from 1; JavaScript's strings are of UTF-16. */

/** The position that an ErrorResponse gives for an index into the text. */
export function characterPosition(sql: string, index: number): number {
  let position = 1;
  for (let at = 0; at < index; at++) {
    // The second half of a surrogate pair belongs to the character already counted.
    if ((sql.charCodeAt(at) & 0xfc00) !== 0xdc00) position++;
  }
  return position;
}

/** The other way round: the index of a position. Undefined: the text is shorter. */
export function characterIndex(sql: string, position: number): number | undefined {
  let index = 0;
  for (let at = 1; at < position; at++) {
    const code = sql.codePointAt(index);
    if (code === undefined) return undefined;
    index += code < 0x10000 ? 1 : 2;
  }
  return index;
}
