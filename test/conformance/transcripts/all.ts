/** Every transcript, by topic. */
import type { Transcript } from "../transcript.ts";
import { copy } from "./copy.ts";
import { errors } from "./errors.ts";
import { functionCalls } from "./function-call.ts";
import { malformed } from "./malformed.ts";
import { notices } from "./notices.ts";
import { pipelines } from "./pipelines.ts";
import { portals } from "./portals.ts";
import { settings } from "./settings.ts";
import { simpleQuery } from "./simple-query.ts";
import { startup } from "./startup.ts";
import { statements } from "./statements.ts";
import { transactions } from "./transactions.ts";
import { values } from "./values.ts";

export const topics: Readonly<Record<string, readonly Transcript[]>> = {
  startup: startup.map((transcript) => ({ ...transcript, bare: true })),
  "simple-query": simpleQuery,
  statements,
  portals,
  pipelines,
  transactions,
  copy,
  "function-call": functionCalls,
  settings,
  notices,
  errors,
  values,
  malformed,
};
