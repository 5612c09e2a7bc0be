/** Recorded lines by title, in one file: `== title`, and the lines. Written by programs, never by hand. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const mark = "== ";

export type Recorded = Map<string, readonly string[]>;

/** Nothing, where there is no file. */
export function loadRecorded(file: URL): Recorded {
  const recorded: Recorded = new Map();
  if (!existsSync(file)) return recorded;
  let lines: string[] = [];
  for (const line of readFileSync(file, "utf8").trimEnd().split("\n")) {
    if (line.startsWith(mark)) {
      lines = [];
      recorded.set(line.slice(mark.length), lines);
    } else if (line !== "") {
      lines.push(line);
    }
  }
  return recorded;
}

export function saveRecorded(file: URL, recorded: Recorded): void {
  mkdirSync(new URL(".", file), { recursive: true });
  const sections = [...recorded].map(([title, lines]) => `${[mark + title, ...lines].join("\n")}\n`);
  writeFileSync(file, sections.join(""));
}
