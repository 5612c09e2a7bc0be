/**
 * Prepared statements on a shared backend. Two clients may use the same name for different statements, so that each
 * client's are known here, and are closed and parsed again on the backend when they are not the ones that it holds.
 * Equal statements of equal names (drivers name them by hash or number) are held once.
 */
import { PgError } from "../../wire/error.ts";
import { encodeFrontend } from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
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

/** What a client may have. */
export interface StatementLimits {
  /** Prepared statements. */
  readonly statements: number;
  /** Characters of their texts. */
  readonly statementText: number;
}

/** One client's prepared statements, the unnamed one under "". */
export class ClientStatements {
  readonly #own: Map<string, ParsedStatement> = new Map();
  /** Characters of the texts of `#own`. */
  #text = 0;
  readonly #resident: ResidentStatements;
  readonly #limits: StatementLimits;
  /** Those whose Parse was sent and not answered, by name, with how many there are: they are on their way. */
  readonly #parsing: Map<string, { readonly query: string; readonly count: number }> = new Map();
  /** Names whose statement is being replaced on the backend, and the number of the pipeline that does it. */
  readonly #replacing: Map<string, number> = new Map();

  constructor(resident: ResidentStatements, limits: StatementLimits) {
    this.#resident = resident;
    this.#limits = limits;
  }

  /** @throws PgError if a client may not have that one, too */
  checkLimits({ name, query }: ParsedStatement): void {
    if (name === "") return;
    const count = this.#own.size + this.#parsing.size;
    const { statements, statementText } = this.#limits;
    if (count < statements && this.#text + query.length <= statementText) return;
    throw new PgError(sqlstate.configurationLimitExceeded, "too many prepared statements in this session", {
      severity: "FATAL",
      hint: "Close prepared statements that are no longer used, or run DEALLOCATE ALL.",
    });
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

  /** The text of a statement as it will be when what was sent is answered. */
  textOf(name: string): string {
    return (this.#parsing.get(name) ?? this.#own.get(name))?.query ?? "";
  }

  /** Parse was sent. */
  parsing({ name, query }: ParsedStatement): void {
    this.#parsing.set(name, { query, count: (this.#parsing.get(name)?.count ?? 0) + 1 });
  }

  /** The Parse failed, or was passed over after an error. */
  notParsed(name: string): void {
    const sent = this.#parsing.get(name);
    if (sent && sent.count > 1) this.#parsing.set(name, { ...sent, count: sent.count - 1 });
    else this.#parsing.delete(name);
  }

  /** ParseComplete came. */
  parsed(statement: ParsedStatement): void {
    this.notParsed(statement.name);
    this.adopt(statement);
    this.#resident.set(statement.name, statement.key);
  }

  /** Takes a statement that the backend has not seen yet: it is parsed there before its first use. */
  adopt(statement: ParsedStatement): void {
    this.#forget(statement.name);
    this.#own.set(statement.name, statement);
    this.#text += textLength(statement);
  }

  /** CloseComplete came, or a simple query took the unnamed statement. */
  closed(name: string): void {
    this.#forget(name);
    this.#resident.delete(name);
  }

  /** DEALLOCATE or DISCARD ALL ran: only the `left` ones are still there. */
  retain(left: ReadonlySet<string>): void {
    for (const name of [...this.#own.keys()]) if (name !== "" && !left.has(name)) this.#forget(name);
    for (const name of [...this.#resident.keys()])
      if (name !== "" && !left.has(name)) this.#resident.delete(name);
  }

  #forget(name: string): void {
    const own = this.#own.get(name);
    if (own) this.#text -= textLength(own);
    this.#own.delete(name);
  }
}

/** Characters that count: there is one unnamed statement at most, and a message's limit holds for that. */
function textLength({ name, query }: ParsedStatement): number {
  return name === "" ? 0 : query.length;
}
