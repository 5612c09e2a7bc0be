/**
 * The recorded answers, one file for each topic: `== name` and the lines, `== name [variant]` where somebody answers
 * otherwise. Written by record.ts, never by hand.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Variant } from "./transcript.ts";

const mark = "== ";

export class Answers {
  readonly #file: URL;
  readonly #sections = new Map<string, readonly string[]>();

  constructor(topic: string) {
    this.#file = new URL(`answers/${topic}.txt`, import.meta.url);
  }

  load(): this {
    let lines: string[] = [];
    for (const line of readFileSync(this.#file, "utf8").trimEnd().split("\n")) {
      if (line.startsWith(mark)) {
        lines = [];
        this.#sections.set(line.slice(mark.length), lines);
      } else {
        lines.push(line);
      }
    }
    return this;
  }

  get(name: string, variant?: Variant): readonly string[] | undefined {
    return this.#sections.get(title(name, variant));
  }

  set(name: string, lines: readonly string[], variant?: Variant): void {
    this.#sections.set(title(name, variant), lines);
  }

  save(): void {
    const sections = [...this.#sections].map(([name, lines]) => [mark + name, ...lines, ""].join("\n"));
    writeFileSync(this.#file, sections.join(""));
  }
}

const title = (name: string, variant: Variant | undefined): string =>
  variant === undefined ? name : `${name} [${variant}]`;
