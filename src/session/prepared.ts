/**
 * Prepared statements and portals of a session over a statement upstream, with PostgreSQL's lifetimes and SQLSTATEs
 * (PostgreSQL documentation, 53.2.3 Extended Query): unnamed ones are overwritten, named ones must be closed first;
 * portals end with their transaction.
 */
import type { StatementClass } from "../sql/statement.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { analyze } from "./analysis.ts";
import type { SessionLimits } from "./limits.ts";
import type { RowCursor } from "./rows.ts";
import type {
  Column,
  CommandResult,
  CopyBothResult,
  CopyInResult,
  CopyOutResult,
  Description,
  Parameter,
} from "./upstream.ts";

export interface PreparedStatement {
  readonly name: string;
  /** The text of Parse, and the one statement in it. */
  readonly query: string;
  readonly sql: string;
  /** Where `sql` begins in `query`. */
  readonly start: number;
  /** Undefined for an empty query. */
  readonly kind: StatementClass | undefined;
  readonly parameterTypes: readonly number[];
  /** How many parameters Bind must bring. */
  readonly parameterCount: number;
  /** What the upstream said of it, once it was asked. */
  description?: Description;
  /** The columns of its first result, where it was not described before. */
  told?: readonly Column[];
}

export interface Portal {
  readonly name: string;
  readonly statement: PreparedStatement;
  readonly parameters: readonly Parameter[];
  readonly parameterTypes: readonly number[];
  readonly resultFormats: readonly number[];
  /** Savepoints that were open when it was made. */
  depth: number;
  state: PortalState;
}

export type PortalState =
  | { readonly type: "bound" }
  /** Started by Describe, so that RowDescription comes from the result itself. */
  | {
      readonly type: "started";
      readonly result: CommandResult | CopyInResult | CopyOutResult | CopyBothResult;
    }
  | {
      readonly type: "rows";
      readonly columns: readonly Column[];
      readonly tag: string;
      readonly cursor: RowCursor;
    }
  | { readonly type: "done" };

/** A statement as it is kept while its session is suspended; what it means is told by its text once more. */
export interface PreparedSnapshot {
  readonly name: string;
  readonly query: string;
  readonly parameterTypes: readonly number[];
  readonly description?: Description;
}

/** What Parse makes of a text. @throws PgError for a text that is no statement, or several */
export function prepareStatement(
  name: string,
  query: string,
  parameterTypes: readonly number[],
): PreparedStatement {
  const [statement, second] = analyze(query);
  if (second) {
    throw new PgError(sqlstate.syntaxError, "cannot insert multiple commands into a prepared statement");
  }
  return {
    name,
    query,
    sql: statement?.text ?? "",
    start: statement?.start ?? 0,
    kind: statement?.kind,
    parameterTypes,
    parameterCount: Math.max(statement?.parameterCount ?? 0, parameterTypes.length),
  };
}

export class PreparedStatements {
  readonly #limits: SessionLimits;
  readonly #named: Map<string, PreparedStatement> = new Map();
  #unnamed: PreparedStatement | undefined;
  #text = 0;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  add(statement: PreparedStatement): void {
    const { name, query } = statement;
    if (name === "") {
      this.#unnamed = statement;
      return;
    }
    if (this.#named.has(name)) {
      throw new PgError(sqlstate.duplicatePreparedStatement, `prepared statement "${name}" already exists`);
    }
    if (!this.hasRoom(1, query.length)) {
      throw new PgError(sqlstate.configurationLimitExceeded, "too many prepared statements in this session", {
        hint: "Close prepared statements that are no longer used, or run DEALLOCATE ALL.",
      });
    }
    this.#named.set(name, statement);
    // With the comments around the statement: they are kept for the positions of errors.
    this.#text += query.length;
  }

  /** Whether so many more statements may be kept, with so many characters of text in all. */
  hasRoom(statements: number, text: number): boolean {
    const { statements: most, statementText } = this.#limits;
    return this.#named.size + statements <= most && this.#text + text <= statementText;
  }

  has(name: string): boolean {
    return name === "" ? this.#unnamed !== undefined : this.#named.has(name);
  }

  get(name: string): PreparedStatement {
    const statement = name === "" ? this.#unnamed : this.#named.get(name);
    if (statement) return statement;
    throw new PgError(
      sqlstate.invalidSqlStatementName,
      name === ""
        ? "unnamed prepared statement does not exist"
        : `prepared statement "${name}" does not exist`,
    );
  }

  /** Whether there was one of that name; closing nothing is no error. */
  close(name: string): boolean {
    if (name === "") {
      const existed = this.#unnamed !== undefined;
      this.#unnamed = undefined;
      return existed;
    }
    const statement = this.#named.get(name);
    if (!statement) return false;
    this.#text -= statement.query.length;
    return this.#named.delete(name);
  }

  snapshot(): PreparedSnapshot[] {
    const all = [...this.#named.values()];
    if (this.#unnamed) all.push(this.#unnamed);
    return all.map(({ name, query, parameterTypes, description }) => ({
      name,
      query,
      parameterTypes,
      ...(description && { description }),
    }));
  }

  resume(statements: readonly PreparedSnapshot[]): void {
    for (const { name, query, parameterTypes, description } of statements) {
      this.add({ ...prepareStatement(name, query, parameterTypes), ...(description && { description }) });
    }
  }

  /** Ends the named ones; the unnamed one stays, as with DEALLOCATE ALL. */
  clear(): void {
    this.#named.clear();
    this.#text = 0;
  }
}

export class Portals {
  readonly #limits: SessionLimits;
  readonly #portals: Map<string, Portal> = new Map();
  /** What the named portals' parameters hold. */
  #bytes = 0;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  add(portal: Portal): void {
    if (portal.name === "") this.close("");
    else this.#count(portal);
    this.#portals.set(portal.name, portal);
  }

  #count({ name, parameters }: Portal): void {
    const { portals, portalBytes } = this.#limits;
    const named = this.#portals.size - (this.#portals.has("") ? 1 : 0);
    const bytes = sizeOf(parameters);
    if (this.#portals.has(name)) {
      throw new PgError(sqlstate.duplicateCursor, `cursor "${name}" already exists`);
    }
    if (named >= portals || this.#bytes + bytes > portalBytes) {
      throw new PgError(sqlstate.configurationLimitExceeded, "too many portals in this session", {
        hint: "Close portals that are no longer used, or end the transaction.",
      });
    }
    this.#bytes += bytes;
  }

  has(name: string): boolean {
    return this.#portals.has(name);
  }

  /** @throws PgError 34000 */
  get(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal) return portal;
    throw new PgError(sqlstate.invalidCursorName, `portal "${name}" does not exist`);
  }

  close(name: string): void {
    const portal = this.#portals.get(name);
    if (!portal) return;
    finish(portal);
    this.#portals.delete(name);
    if (name !== "") this.#bytes -= sizeOf(portal.parameters);
  }

  /** An error: those that were made behind the last savepoint are of no use any more. */
  fail(depth: number): void {
    for (const portal of this.#portals.values()) if (portal.depth >= depth) finish(portal);
  }

  /** ROLLBACK TO: those that were made behind the savepoint end. */
  rollbackTo(depth: number): void {
    for (const { name, depth: made } of [...this.#portals.values()]) if (made >= depth) this.close(name);
  }

  /** RELEASE: those that were made behind the savepoint belong to what is around it now. */
  release(depth: number): void {
    for (const portal of this.#portals.values()) portal.depth = Math.min(portal.depth, depth);
  }

  /** The end of a transaction. */
  clear(): void {
    for (const portal of this.#portals.values()) finish(portal);
    this.#portals.clear();
    this.#bytes = 0;
  }
}

function sizeOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((size, value) => size + (value?.length ?? 0), 0);
}

/** Lets go of a portal's rows. */
export function finish(portal: Portal): void {
  if (portal.state.type === "rows") portal.state.cursor.close();
  portal.state = { type: "done" };
}
