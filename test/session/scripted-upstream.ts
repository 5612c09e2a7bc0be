/** Upstreams that do what a test says, and tell what they were asked. */
import type {
  ClientContext,
  Result,
  RowsResult,
  Statement,
  StatementSession,
  Upstream,
} from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

export interface Scripted {
  readonly upstream: Upstream;
  /** Every call, in order: `query select 1`, `begin implicit`, `commit`, `close`. */
  readonly calls: string[];
  /** Of the client that connected last. */
  client: ClientContext;
}

/** An upstream whose query is `answer`, with the methods that a test adds. Its calls are noted. */
export function scripted(methods: Partial<StatementSession> = {}): Scripted {
  const calls: string[] = [];
  const script: Scripted = {
    calls,
    client: undefined as unknown as ClientContext,
    upstream: {
      connect(client) {
        script.client = client;
        return {
          ...methods,
          query(statement, call) {
            calls.push(`query ${statement.sql}`);
            return (methods.query ?? answer)(statement, call);
          },
          close() {
            calls.push("close");
            return methods.close?.();
          },
        };
      },
    },
  };
  return script;
}

/** One with transactions and savepoints, all noted. */
export function transactional(methods: Partial<StatementSession> = {}): Scripted {
  const note = (text: string): void => {
    script.calls.push(text);
  };
  const script = scripted({
    begin: (modes) => {
      const { implicit, ...others } = modes;
      const told = Object.entries(others).map(([name, value]) => ` ${name}=${value}`);
      note(`begin${implicit ? " implicit" : ""}${told.join("")}`);
    },
    commit: () => note("commit"),
    rollback: () => note("rollback"),
    savepoint: ({ type, name }) => note(`${type} ${name}`),
    ...methods,
  });
  return script;
}

/**
 * What scripted upstreams make of SQL: `select a, b` is a row of those words, `rows n` n rows, `fail` an error, and
 * everything else a command with its first word as the tag.
 */
export function answer(statement: Statement): Result {
  const { sql } = statement;
  const [verb = "", ...words] = sql.trim().split(/[\s,]+/);
  switch (verb.toLowerCase()) {
    case "select":
      return rows(words.map((word) => [word.startsWith("$") ? parameter(statement, word) : word]));
    case "rows":
      return rows([Array.from({ length: Number(words[0]) }, (_, at) => String(at + 1))]);
    case "fail":
      throw new PgError("22012", "division by zero", { position: sql.indexOf("/") + 1 || 1 });
    default:
      return { type: "command", tag: verb.toUpperCase() };
  }
}

function parameter({ parameters }: Statement, word: string): string | null {
  const value = parameters[Number(word.slice(1)) - 1] ?? null;
  return value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString("hex")}` : value;
}

/** A result from its columns, which are named a, b, c … */
export function rows(columns: readonly (readonly (string | null)[])[], tag?: string): RowsResult {
  const height = columns[0]?.length ?? 0;
  return {
    type: "rows",
    columns: columns.map((_, at) => ({ name: String.fromCharCode(0x61 + at) })),
    rows: Array.from({ length: height }, (_, row) => columns.map((column) => column[row] ?? null)),
    tag,
  };
}
