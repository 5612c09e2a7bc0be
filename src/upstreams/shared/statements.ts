/**
 * Prepared statements on a shared backend. Two clients may use the same name for different statements, so that each
 * client's are known here, and are closed and parsed again on the backend when they are not the ones that it holds.
 * Equal statements of equal names (drivers name them by hash or number) are held once.
 */
import { encodeFrontend } from "../../wire/mod.ts";
import type { Writer } from "../../wire/writer.ts";

/** A Parse message as it was sent; two with the same key are the same statement. */
export interface ParsedStatement {
  readonly name: string;
  readonly query: string;
  readonly parameterTypes: number[];
  readonly key: string;
}

export function parsedStatement(name: string, query: string, parameterTypes: number[]): ParsedStatement {
  return { name, query, parameterTypes, key: `${parameterTypes.join(",")}:${query}` };
}

/** What the backend holds, by name. */
export type ResidentStatements = Map<string, string>;

/** One client's prepared statements, the unnamed one under "". */
export class ClientStatements {
  readonly #own: Map<string, ParsedStatement> = new Map();
  readonly #resident: ResidentStatements;
  /** Names whose Parse was sent and not answered: what the backend will hold is on its way. */
  readonly #parsing: Map<string, number> = new Map();

  constructor(resident: ResidentStatements) {
    this.#resident = resident;
  }

  get size(): number {
    return this.#own.size;
  }

  has(name: string): boolean {
    return this.#own.has(name);
  }

  /**
   * Before Bind, Describe or Close: makes the backend's statement of that name the client's own, or none. `inserted` is
   * called for each message whose answer the client must not see.
   */
  summon(name: string, writer: Writer, inserted: (kind: "parse" | "close") => void): void {
    if (this.#parsing.has(name)) return;
    const own = this.#own.get(name);
    const resident = this.#resident.get(name);
    if (own?.key === resident) return;
    if (resident !== undefined) {
      encodeFrontend(writer, { type: "Close", kind: "S", name });
      inserted("close");
      this.#resident.delete(name);
    }
    if (own) {
      encodeFrontend(writer, {
        type: "Parse",
        statement: name,
        query: own.query,
        parameterTypes: own.parameterTypes,
      });
      inserted("parse");
      this.#resident.set(name, own.key);
    }
  }

  /** Before SQL that can name statements (EXECUTE, DEALLOCATE, pg_prepared_statements): exactly the client's own. */
  summonAll(writer: Writer, inserted: (kind: "parse" | "close") => void): void {
    for (const name of [...this.#resident.keys(), ...this.#own.keys()]) {
      if (name !== "") this.summon(name, writer, inserted);
    }
  }

  /** Parse was sent. */
  parsing(name: string): void {
    this.#parsing.set(name, (this.#parsing.get(name) ?? 0) + 1);
  }

  /** The Parse failed, or was passed over after an error. */
  notParsed(name: string): void {
    const left = (this.#parsing.get(name) ?? 1) - 1;
    if (left > 0) this.#parsing.set(name, left);
    else this.#parsing.delete(name);
  }

  /** ParseComplete came. */
  parsed(statement: ParsedStatement): void {
    this.notParsed(statement.name);
    this.#own.set(statement.name, statement);
    this.#resident.set(statement.name, statement.key);
  }

  /** Takes a statement that the backend has not seen yet: it is parsed there before its first use. */
  adopt(statement: ParsedStatement): void {
    this.#own.set(statement.name, statement);
  }

  /** CloseComplete came, or a simple query took the unnamed statement. */
  closed(name: string): void {
    this.#own.delete(name);
    this.#resident.delete(name);
  }

  /** DEALLOCATE or DISCARD ALL ran: only the `left` ones are still there. */
  retain(left: ReadonlySet<string>): void {
    for (const name of [...this.#own.keys()]) if (name !== "" && !left.has(name)) this.#own.delete(name);
    for (const name of [...this.#resident.keys()])
      if (name !== "" && !left.has(name)) this.#resident.delete(name);
  }
}
