/** The capability table: what each upstream has, in the words of its adapter. */
import { type Capability, capabilities } from "./contract.ts";

export interface TableColumn {
  readonly name: string;
  /** In the order of `capabilities`. */
  readonly cells: readonly string[];
}

/** As Markdown, so that it can stand in docs/upstreams.md as it is. */
export function markdownTable(columns: readonly TableColumn[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`.replace("|  |", "| |");
  return [
    row(["", ...columns.map(({ name }) => name)]),
    row(["", ...columns].map(() => "---")).replaceAll(" ", ""),
    ...capabilities.map((capability: Capability, at) =>
      row([capability, ...columns.map(({ cells }) => cells[at] ?? "not run")]),
    ),
  ].join("\n");
}
