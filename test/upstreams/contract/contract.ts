/** What an upstream is held to: capabilities, each with the cases that show it, and what an adapter says of them. */
import type { Upstream } from "../../../src/session/mod.ts";
import type { ContractClient } from "./client.ts";

/** Something that clients of PostgreSQL may count on, in the words of docs/upstreams.md. */
export const capabilities = [
  "queries",
  "parameters of every type",
  "prepared statements of the protocol",
  "descriptions",
  "columns' tables and modifiers",
  "errors",
  "errors' context and objects",
  "notices",
  "several statements in one text",
  "pipelines",
  "portals in steps",
  "BEGIN … COMMIT",
  "SET TRANSACTION",
  "savepoints",
  "SET, SHOW, RESET",
  "settings of the StartupMessage",
  "set_config()",
  "SET ROLE",
  "DISCARD ALL",
  "temporary tables",
  "temporary tables ON COMMIT DROP",
  "PREPARE, EXECUTE",
  "cursors",
  "cursors WITH HOLD",
  "LISTEN, NOTIFY",
  "pg_notify()",
  "advisory locks of the session",
  "advisory locks of the transaction",
  "currval(), lastval()",
  "DO, CALL",
  "COPY FROM STDIN",
  "COPY TO STDOUT",
  "FunctionCall",
  "cancelling",
  "rows as they come",
  "back-pressure",
  "100,000 rows",
  "values of 1 MB",
  "values of 12 MB",
] as const;
export type Capability = (typeof capabilities)[number];

export interface Case {
  readonly name: string;
  /** What a client does, and writes down: the same over every upstream, and over PostgreSQL. */
  run(client: ContractClient): Promise<void>;
}

export type Cases = Readonly<Partial<Record<Capability, readonly Case[]>>>;

/**
 * - A text: that is how it is done, and all is as over PostgreSQL; "yes": there is nothing to say.
 * - `otherwise`: clients see something else, which is recorded line by line in answers/.
 * - `refused`: with this SQLSTATE and this hint.
 */
export type Having =
  | string
  | { readonly otherwise: string }
  | { readonly refused: string; readonly hint: string | undefined };

export interface Started {
  readonly upstream: Upstream;
  close(): Promise<void>;
}

export interface Adapter<Service extends Started = Started> {
  /** As in docs/upstreams.md. */
  readonly name: string;
  readonly has: Readonly<Record<Capability, Having>>;
  readonly faults: readonly FaultOf<Service>[];
  /** BEGIN that comes alone is refused: what follows is committed by itself. */
  readonly refusesBegin?: boolean;
  /** Why there are no faults. */
  readonly faultless?: string;
  start(): Promise<Service>;
}

/** Something that is wrong with the service, and what a client is told. */
export interface FaultOf<Service> {
  readonly name: string;
  readonly code: string;
  /** The client cancels, for it would have to wait. */
  readonly cancelled?: boolean;
  /** The client's session ends with it. */
  readonly ends?: boolean;
  /** Transactions go another way, and do not notice. */
  readonly sparesTransactions?: boolean;
  /** Until what it returns is called. */
  cause(service: Service): (() => void) | Promise<() => void>;
}

/** The table's cell. */
export function cellOf(having: Having): string {
  if (typeof having === "string") return having;
  return "refused" in having ? having.refused : having.otherwise;
}

/** One that has all. */
export function all(how = "yes"): Record<Capability, Having> {
  return Object.fromEntries(capabilities.map((capability) => [capability, how])) as Record<
    Capability,
    Having
  >;
}
