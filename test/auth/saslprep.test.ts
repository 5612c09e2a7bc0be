import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { preparePassword, saslprep } from "../../src/auth/saslprep.ts";
import { saslprepTables, tableHas } from "../../src/auth/saslprep-tables.ts";

describe("saslprep", () => {
  // RFC 4013 section 3.
  test.each([
    ["SOFT HYPHEN is mapped to nothing", "I\u00adX", "IX"],
    ["no transformation", "user", "user"],
    ["case is preserved", "USER", "USER"],
    ["the output is NFKC: feminine ordinal", "\u00aa", "a"],
    ["the output is NFKC: roman numeral nine", "\u2168", "IX"],
  ])("RFC 4013: %s", (_, input, output) => {
    expect(saslprep(input)).toBe(output);
  });

  test("RFC 4013's prohibited character: a control is let through where all is ASCII, as in PostgreSQL", () => {
    expect(saslprep("\u0007")).toBe("\u0007");
    expect(saslprep("\u0007\u00e9")).toBeUndefined();
  });

  test("RFC 4013: a bidirectional string that ends in a digit is refused", () => {
    expect(saslprep("\u06271")).toBeUndefined();
    expect(saslprep("\u0627\u0628")).toBe("\u0627\u0628");
    expect(saslprep("\u06271\u0628")).toBe("\u06271\u0628");
  });

  test.each([0xa0, 0x1680, 0x2000, 0x2005, 0x200a, 0x200b, 0x202f, 0x205f, 0x3000])(
    "U+%x becomes a space",
    (codePoint) => {
      expect(saslprep(`a${String.fromCodePoint(codePoint)}b`)).toBe("a b");
    },
  );

  test.each([0xad, 0x34f, 0x1806, 0x180b, 0x200c, 0x200d, 0x2060, 0xfe00, 0xfe0f, 0xfeff])(
    "U+%x becomes nothing",
    (codePoint) => {
      expect(saslprep(`a${String.fromCodePoint(codePoint)}b`)).toBe("ab");
    },
  );

  test("nothing left is refused", () => {
    expect(saslprep("\u00ad\u200c")).toBeUndefined();
  });

  test.each([
    ["a control", "\u0085"],
    ["private use", "\ue000"],
    ["private use, plane 16", "\u{10fffd}"],
    ["a non-character", "\ufdd0"],
    ["a replacement character", "\ufffd"],
    ["an ideographic description", "\u2ff0"],
    ["a direction mark", "\u200e"],
    ["a tag", "\u{e0041}"],
    ["unassigned in Unicode 3.2: capital sharp s", "\u1e9e"],
    ["unassigned in Unicode 3.2: an emoji", "\u{1f600}"],
    ["half of a surrogate pair", "\ud83d"],
  ])("%s is refused", (_, text) => {
    expect(saslprep(`é${text}`)).toBeUndefined();
  });

  test("left-to-right and right-to-left do not mix", () => {
    expect(saslprep("\u05d0a\u05d1")).toBeUndefined();
    expect(saslprep("1\u05d0")).toBeUndefined();
    expect(saslprep("\u05d0 \u05d1")).toBe("\u05d0 \u05d1");
  });

  test("characters are judged before normalization, as in PostgreSQL", () => {
    // U+0340 is prohibited, its normal form U+0300 is not; U+2135 is left-to-right, its normal form U+05D0 is not.
    expect(saslprep("a\u0340")).toBeUndefined();
    expect(saslprep("a\u0300")).toBe("à");
    expect(saslprep("a\u2135")).toBe("a\u05d0");
  });
});

describe("the tables", () => {
  test("have the ranges of RFC 3454", () => {
    const { refused, rightToLeft, leftToRight } = saslprepTables();
    expect(rightToLeft.length / 2).toBe(34);
    expect(leftToRight.length / 2).toBe(360);
    const size = (table: Uint32Array) => {
      let sum = 0;
      for (let index = 0; index < table.length; index += 2) {
        sum += (table[index + 1] as number) - (table[index] as number) + 1;
      }
      return sum;
    };
    expect([size(refused), size(rightToLeft), size(leftToRight)]).toEqual([1019122, 1044, 229973]);
    expect(leftToRight.at(-1)).toBe(0x10fffd);
    expect(refused.at(-1)).toBe(0x10ffff);
  });

  test("are sorted and disjoint", () => {
    for (const table of Object.values(saslprepTables())) {
      for (let index = 1; index < table.length; index++) {
        expect(table[index]).toBeGreaterThanOrEqual((table[index - 1] as number) + (index % 2 === 0 ? 2 : 0));
      }
    }
  });

  test.each([
    ["refused", 0x0221, true],
    ["refused", 0x0220, false],
    ["refused", 0x0222, false],
    ["refused", 0x1f, true],
    ["refused", 0x20, false],
    ["refused", 0x7e, false],
    ["refused", 0x7f, true],
    ["rightToLeft", 0x05be, true],
    ["rightToLeft", 0x05bf, false],
    ["rightToLeft", 0xfefc, true],
    ["leftToRight", 0x40, false],
    ["leftToRight", 0x41, true],
    ["leftToRight", 0x1d7c9, true],
    ["leftToRight", 0x1d7ca, false],
  ] as const)("%s holds U+%x: %s", (name, codePoint, held) => {
    expect(tableHas(saslprepTables()[name], codePoint)).toBe(held);
  });
});

describe("preparePassword", () => {
  test("falls back to the raw text", () => {
    expect(preparePassword("é\u{1f600}\u00ad")).toEqual(new TextEncoder().encode("é\u{1f600}\u00ad"));
  });

  test("takes bytes that are not UTF-8 as they are", () => {
    expect(preparePassword(Uint8Array.of(0x61, 0xe9, 0x62))).toEqual(Uint8Array.of(0x61, 0xe9, 0x62));
  });

  test("takes UTF-8 bytes as text, a byte order mark included", () => {
    expect(preparePassword(new TextEncoder().encode("\ufeffI\u00adX"))).toEqual(
      new TextEncoder().encode("IX"),
    );
  });

  test("of text and of its bytes are the same, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        expect(preparePassword(new TextEncoder().encode(text)).join()).toBe(preparePassword(text).join());
      }),
      { seed: 4013, numRuns: 500 },
    );
  });
});

test("saslprep is stable: a normal form that is not refused is its own", () => {
  const character = fc.oneof(
    fc.integer({ min: 0x20, max: 0x3400 }).map((codePoint) => String.fromCodePoint(codePoint)),
    fc.constantFrom(
      "\u00ad",
      "\u00a0",
      "\u200b",
      "\u2168",
      "\u0627",
      "\u05d0",
      "\u2135",
      "\ufb01",
      "\uff21",
      "é",
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  );
  fc.assert(
    fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
      const text = characters.join("");
      const once = saslprep(text);
      expect(saslprep(text)).toBe(once);
      if (once === undefined) return;
      const twice = saslprep(once);
      if (twice !== undefined) expect(twice).toBe(once);
    }),
    { seed: 3454, numRuns: 5000 },
  );
});
