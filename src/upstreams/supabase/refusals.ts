/** What is refused before it is sent: what the next request would not find. */
import type { SessionNeed, StatementClass } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { refuseCursorOutsideTransaction } from "../cursor-refusal.ts";
import type { Plan } from "./plan.ts";

const wholeHint = "Send the statements of a transaction at once, in one Query or one pipeline.";

export function noTransactions(): PgError {
  return new PgError(
    sqlstate.featureNotSupported,
    "a transaction over several requests cannot be had through the API, which gives each request another session",
    { hint: wholeHint },
  );
}

/** In a transaction that is not sent as a whole, a statement that would be committed by itself. */
export function notAtOnce(): PgError {
  return new PgError(
    sqlstate.featureNotSupported,
    "statements that are to be one transaction cannot be sent to the API one by one",
    { hint: "Send each by itself, or all of them at once without what the gateway serves, such as SET." },
  );
}

/** @throws PgError 0A000, or what PostgreSQL says outside of transactions */
export function refuseSessionNeeds(plan: Plan): void {
  for (const need of plan.needs) {
    const refusal = refuse(need, plan);
    if (refusal) throw refusal;
  }
}

/** What a transaction can have. */
const batched: ReadonlySet<SessionNeed> = new Set<SessionNeed>(["advisoryUnlock", "sequence", "unknown"]);

/** Whether a statement can be one of several in a request. */
export function canBeBatched({ needs, shape, makesTemporary }: Plan): boolean {
  if (shape === "call") return false;
  for (const need of needs) {
    if (batched.has(need) || (need === "temporary" && !makesTemporary)) continue;
    return false;
  }
  return true;
}

function refuse(need: SessionNeed, { kind, setConfig }: Plan): PgError | undefined {
  switch (need) {
    case "temporary":
      return lost(
        "temporary objects",
        "Make a temporary table with ON COMMIT DROP, in one Query with what uses it.",
      );
    case "prepared":
      return lost(
        "PREPARE and EXECUTE",
        "Use the client's own prepared statements, which the gateway keeps.",
      );
    case "cursor":
      return refuseCursor(kind);
    case "listen":
      return lost("LISTEN and UNLISTEN", "Poll a table.");
    case "advisoryLock":
      return lost("advisory locks of a session", "Use pg_advisory_xact_lock() in one Query with the rest.");
    case "setting":
      if (setConfig) return undefined;
      return lost("set_config() beyond the transaction", "Use SET, which the gateway keeps.");
    case "sequence":
      return lost("currval() and lastval()", "Use INSERT … RETURNING.");
    case "transaction":
      if (kind.type === "commitPrepared" || kind.type === "rollbackPrepared") return undefined;
      return lost("PREPARE TRANSACTION and exported snapshots", wholeHint);
    case "advisoryUnlock":
    case "copy":
    case "unknown":
      return undefined;
  }
}

function refuseCursor(kind: StatementClass): PgError | undefined {
  if (kind.type === "declare" && kind.hold) {
    return lost("cursors WITH HOLD", "Read the whole result, or pages of it.");
  }
  return refuseCursorOutsideTransaction(kind);
}

function lost(what: string, hint: string): PgError {
  return new PgError(
    sqlstate.featureNotSupported,
    `${what} cannot be had through the API, which gives each request another session`,
    { hint },
  );
}
