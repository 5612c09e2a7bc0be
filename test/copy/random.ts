/** Data of COPY to try: values, options, and bytes that are nearly right. */
import fc from "fast-check";

/** Characters that mean something somewhere. */
const characters = fc.constantFrom(
  ..."aN.\\nrtbx01378\"'|,;\t\n\r\v\b\f ~é✓😀é".split(/(?:)/u),
  "\\N",
  "\\.",
  "NULL",
  "DEF",
);

export const value: fc.Arbitrary<string> = fc
  .array(characters, { maxLength: 6 })
  .map((parts) => parts.join(""));

export const cell: fc.Arbitrary<string | null> = fc.option(value, { freq: 4 });

const oneOf = (name: string, ...values: string[]): fc.Arbitrary<string | undefined> =>
  fc.option(fc.constantFrom(...values.map((text) => `${name} ${text}`)), { nil: undefined, freq: 2 });

const list = (...options: fc.Arbitrary<string | undefined>[]): fc.Arbitrary<string> =>
  fc.tuple(...options).map((all) => all.filter((option) => option !== undefined).join(", "));

const delimiters = ["'|'", "';'", "','", "E'\\t'", "'N'", "' '", "E'\\x0b'"] as const;
const nulls = ["''", "'NULL'", "'\\N'", "'x'", "'\\\\N'"] as const;

const text = list(oneOf("delimiter", ...delimiters), oneOf("null", ...nulls), oneOf("header", "true"));
const csv = list(
  fc.constant("format csv"),
  oneOf("delimiter", ...delimiters),
  oneOf("null", ...nulls),
  oneOf("header", "true"),
  oneOf("quote", "''''", "'~'", "'b'"),
  oneOf("escape", "'\\'", "'''' ", "'~'", "'x'"),
);

/** Options of both directions, in parentheses. Some are refused. */
export const options: fc.Arbitrary<string> = fc.oneof(text, csv).map((all) => (all === "" ? "" : `(${all})`));

const forced = (name: string): fc.Arbitrary<string | undefined> => oneOf(name, "(a)", "(b, c)", "*");

export const optionsFrom: fc.Arbitrary<string> = fc
  .tuple(options, oneOf("default", "'DEF'", "'\\D'"), forced("force_not_null"), forced("force_null"))
  .map(([all, marker, notNull, isNull]) => {
    const csvOnly = all.includes("csv") ? [notNull, isNull] : [];
    return joined(all, marker, ...csvOnly);
  });

export const optionsTo: fc.Arbitrary<string> = fc
  .tuple(options, forced("force_quote"))
  .map(([all, quoted]) => joined(all, all.includes("csv") ? quoted : undefined));

function joined(all: string, ...more: (string | undefined)[]): string {
  const parts = [all.slice(1, -1), ...more].filter(Boolean);
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}

const bytes = fc.constantFrom(
  ...'aaab1N\\\\\\\\".x037\t\t\t,,,,"""\'~|;\n\n\n\r '
    .split("")
    .map((character) => [character.charCodeAt(0)]),
  [0x0d, 0x0a],
  [0x5c, 0x2e, 0x0a],
  [0x5c, 0x4e],
  [0xc3, 0xa9],
  [0xe2, 0x9c, 0x93],
  [0x41, 0x09, 0x42, 0x09, 0x43, 0x0a],
  [0x41, 0x2c, 0x42, 0x2c, 0x43, 0x0a],
);
// PostgreSQL looks some bytes ahead of a line's end: where these are wrong it tells them at the line before.
const wrong = fc
  .constantFrom([0xff], [0x00], [0xc3], [0xe2, 0x9c])
  .map((sequence) => [0x61, 0x61, ...sequence]);

/** Anything that a client might send for a table of three columns, right and wrong. */
export const stream: fc.Arbitrary<Uint8Array> = fc
  .array(fc.oneof({ weight: 60, arbitrary: bytes }, { weight: 1, arbitrary: wrong }), { maxLength: 30 })
  .map((parts) => new Uint8Array(parts.flat()));
