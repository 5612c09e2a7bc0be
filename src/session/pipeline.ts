/** A gathered pipeline: the messages of the extended protocol up to Sync or Flush, which are run as one. */
import type { FrontendMessage } from "../wire/mod.ts";
import type { Batch } from "./batch.ts";
import type { RunningCall } from "./call.ts";
import type { StatementContext } from "./statements.ts";

export type Message<Type extends FrontendMessage["type"]> = Extract<FrontendMessage, { type: Type }>;
export type ExtendedMessage = Message<"Parse" | "Bind" | "Describe" | "Close" | "Execute">;

export interface Pipeline {
  readonly context: StatementContext;
  readonly messages: readonly ExtendedMessage[];
  /** Its statements belong to one transaction. */
  readonly implicit: boolean;
  /** They go to the upstream at once, if it takes them. */
  readonly batch: Batch | undefined;
  readonly call: RunningCall;
}

export function isExecuteOf(message: ExtendedMessage | undefined, portal: string): boolean {
  return message?.type === "Execute" && message.portal === portal;
}
