// How many columns of a terminal a text takes, and how psql shows what has no shape of its own.

/** The lines of a text, tabs and control characters made visible as psql does. */
export function displayLines(text: string): string[] {
  return text.split("\n").map(displayLine);
}

function displayLine(text: string): string {
  if (!/[\p{Cc}]/u.test(text)) return text;
  let line = "";
  let column = 0;
  for (const character of text) {
    let shown = character;
    if (character === "\t") shown = " ".repeat(8 - (column % 8));
    else if (character === "\r") shown = "\\r";
    else if (/\p{Cc}/u.test(character)) shown = hexadecimal(character);
    line += shown;
    column += displayWidth(shown);
  }
  return line;
}

/** ASCII as \x07, the others as \u0085. */
function hexadecimal(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code.toString(16).toUpperCase();
  return code < 0x80 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}

/** Columns of one line. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += characterWidth(character);
  return columns;
}

/** East Asian wide characters and emoji take two columns, combining marks and format characters none. */
export function characterWidth(character: string): number {
  if (/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff00-\uff60\uffe0-\uffe6]/u;
