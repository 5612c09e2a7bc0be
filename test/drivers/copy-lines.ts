/** What the tests of COPY send. A driver sends each piece that it is given by itself. */
export function linesOf(first: number, count: number): string {
  return Array.from({ length: count }, (_, n) => `${first + n}\tname ${first + n}\n`).join("");
}
