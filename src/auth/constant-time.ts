// Comparison of secrets without telling, by the time it takes, where they differ.

/**
 * Whether two byte strings are equal, in a time that depends on their lengths only.
 *
 * Lengths are not hidden: every secret compared with this is a digest, whose length is known to all.
 */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) {
    difference |= (left[index] as number) ^ (right[index] as number);
  }
  return difference === 0;
}
