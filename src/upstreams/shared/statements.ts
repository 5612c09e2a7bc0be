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

/** A message of the gateway's own: `done` when it is answered, `dropped` when an error before it kept it from running. */
export type Inserted = (
  kind: "parse" | "close",
  outcome: { readonly done: () => void; readonly dropped: () => void },
) => void;

/** One client's prepared statements, the unnamed one under "". */
export class ClientStatements {
  readonly #own: Map<string, ParsedStatement> = new Map();
  readonly #resident: ResidentStatements;
  /** Names whose Parse was sent and not answered: what the backend will hold is on its way. */
  readonly #parsing: Map<string, number> = new Map();
  /** Names whose statement is being replaced on the backend, and the number of the pipeline that does it. */
  readonly #replacing: Map<string, number> = new Map();

  constructor(resident: ResidentStatements) {
    this.#resident = resident;
  }

  /** Those on their way included. */
  get size(): number {
    return this.#own.size + this.#parsing.size;
  }

  has(name: string): boolean {
    return this.#own.has(name);
  }

  /**
   * Before Bind, Describe or Close: makes the backend's statement of that name the client's own, or none. `inserted` is
   * called for each message whose answer the client must not see. `pipeline` numbers what ends with one Sync.
   */
  summon(name: string, writer: Writer, pipeline: number, inserted: Inserted): void {
    if (this.#parsing.has(name)) return;
    const own = this.#own.get(name);
    let held = this.#resident.get(name);
    if (own?.key === held) return;
    const settled = (): void => {
      this.#replacing.delete(name);
    };
    const dropped = (): void => {
      settled();
      if (held === undefined) this.#resident.delete(name);
      else this.#resident.set(name, held);
    };
    this.#replacing.set(name, pipeline);
    if (own) this.#resident.set(name, own.key);
    else this.#resident.delete(name);
    if (held !== undefined) {
      encodeFrontend(writer, { type: "Close", kind: "S", name });
      const closed = (): void => {
        held = undefined;
        if (!own) settled();
      };
      inserted("close", { done: closed, dropped });
    }
    if (!own) return;
    const { query, parameterTypes } = own;
    encodeFrontend(writer, { type: "Parse", statement: name, query, parameterTypes });
    inserted("parse", { done: settled, dropped });
  }

  /** All that the backend has, or should have: SQL can name any of them, and must find the client's own and no others. */
  get names(): ReadonlySet<string> {
    const names = new Set([...this.#resident.keys(), ...this.#own.keys()]);
    names.delete("");
    return names;
  }

  /** Some statement is being replaced, and nobody knows yet whether an error will keep it from it. */
  get unsettled(): boolean {
    return this.#replacing.size > 0;
  }

  /** An earlier pipeline replaces that statement, and was not answered yet. */
  isUnsettled(name: string, pipeline: number): boolean {
    return (this.#replacing.get(name) ?? pipeline) !== pipeline;
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
