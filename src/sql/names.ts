// Names of SQL objects (PostgreSQL documentation, section 4.1.1 "Identifiers and Key Words", and appendix C
// "SQL Key Words" for which words are not names unless quoted).

/** NAMEDATALEN - 1: the bytes a name may have; the scanner cuts longer ones, with a NOTICE that is not given here. */
const maximumBytes = 63;

/** Only A to Z are folded: in UTF-8 PostgreSQL leaves every other letter as it is. */
export function foldCase(word: string): string {
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The name cut to 63 bytes of UTF-8 at a character's border. */
export function truncateName(name: string): string {
  if (name.length * 3 <= maximumBytes) return name;
  let bytes = 0;
  let at = 0;
  for (const character of name) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > maximumBytes) return name.slice(0, at);
    at += character.length;
  }
  return name;
}

/** Fully reserved: neither a name nor a bare value, unless quoted. */
export const reservedWords: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
  current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
  leading limit localtime localtimestamp not null offset on only or order placing primary references returning
  select session_user some symmetric system_user table then to trailing true union unique user using variadic when
  where window with`.split(/\s+/),
);

/** Reserved, but may name a function or a type: a value in SET, not the name of a table, cursor or savepoint. */
export const functionNameWords: ReadonlySet<string> = new Set(
  `authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left like
  natural notnull outer overlaps right similar tablesample verbose`.split(/\s+/),
);

/** Whether the grammar takes the (folded) word as a ColId: the name of a cursor, savepoint, statement, channel ... */
export function isName(word: string): boolean {
  return !reservedWords.has(word) && !functionNameWords.has(word);
}
