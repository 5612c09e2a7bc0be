/** Modes of transactions (PostgreSQL documentation, SET TRANSACTION): those that settings ask for, and their SQL. */
import type { TransactionModes } from "./upstream.ts";

/** What SET SESSION CHARACTERISTICS and the default_transaction_ settings ask for. */
export function defaultModes(parameters: ReadonlyMap<string, string>): TransactionModes {
  const isolation = parameters.get("default_transaction_isolation");
  return {
    ...(isolation !== undefined && isolation !== "read committed" && { isolation }),
    ...(parameters.get("default_transaction_read_only") === "on" && { readOnly: true }),
    ...(parameters.get("default_transaction_deferrable") === "on" && { deferrable: true }),
  };
}

/** `ISOLATION LEVEL SERIALIZABLE, READ ONLY`, as BEGIN and SET TRANSACTION have them; empty for none. */
export function modesText({ isolation, readOnly, deferrable }: TransactionModes): string {
  const modes = [
    isolation !== undefined && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly !== undefined && (readOnly ? "READ ONLY" : "READ WRITE"),
    deferrable !== undefined && (deferrable ? "DEFERRABLE" : "NOT DEFERRABLE"),
  ];
  return modes.filter((mode) => mode !== false).join(", ");
}

/** SET TRANSACTION, the first statement of one that has modes. */
export function modesStatement(modes: TransactionModes): string | undefined {
  const text = modesText(modes);
  return text === "" ? undefined : `SET TRANSACTION ${text}`;
}
