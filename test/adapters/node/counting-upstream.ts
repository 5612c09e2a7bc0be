// An upstream without a database: it answers at once, later, slowly or never, as the statement says, and counts what it was
// asked to open and to close.
import { setTimeout } from "node:timers/promises";
import type { Call, ClientContext, Result, Row, Statement, Upstream } from "../../../src/session/mod.ts";
import { PgError } from "../../../src/wire/mod.ts";

export interface Counts {
  opened: number;
  closed: number;
  begun: number;
  committed: number;
  rolledBack: number;
  /** Statements that were started and have not ended. */
  running: number;
  /** Statements that were aborted. */
  aborted: number;
  /** Rows that were made. */
  rows: number;
  /** Bytes that COPY FROM STDIN took. */
  copied: number;
}

export interface CountingUpstream extends Upstream {
  readonly counts: Counts;
  /** The clients of the sessions that are open. */
  readonly clients: ReadonlySet<ClientContext>;
}

/**
 * Statements: `select …` gives its own text; `wait 50` answers after 50 ms, `wait` never; `rows 1000` gives so many rows of
 * 1,000 characters; `copy in` and `copy out 1000` do what they say; so do `rows slowly 1000` and the like; `fail` fails.
 */
export function countingUpstream(): CountingUpstream {
  const counts: Counts = {
    opened: 0,
    closed: 0,
    begun: 0,
    committed: 0,
    rolledBack: 0,
    running: 0,
    aborted: 0,
    rows: 0,
    copied: 0,
  };
  const clients = new Set<ClientContext>();

  async function query({ sql }: Statement, call: Call): Promise<Result> {
    const [, verb = "", number] = /^(wait|rows|copy in|copy out|fail|)(?: slowly)?\s*(\d*)/.exec(sql) ?? [];
    const count = number ? Number(number) : undefined;
    const slowly = sql.includes(" slowly");
    switch (verb) {
      case "wait":
        await running(() => abortable(call, count));
        return { type: "command", tag: "WAIT" };
      case "rows":
        return { type: "rows", columns: [{ name: "row" }], rows: rows(count ?? 0, slowly) };
      case "copy in":
        return {
          type: "copyIn",
          format: 0,
          columnFormats: [0],
          receive: (data) => running(() => receive(data, call, slowly)),
        };
      case "copy out":
        return { type: "copyOut", format: 0, columnFormats: [0], data: lines(count ?? 0, slowly) };
      case "fail":
        throw new PgError("22012", "division by zero");
      default:
        return { type: "rows", columns: [{ name: "sql" }], rows: [[sql]] };
    }
  }

  async function running<Value>(work: () => Promise<Value>): Promise<Value> {
    counts.running++;
    try {
      return await work();
    } finally {
      counts.running--;
    }
  }

  function abortable({ signal }: Call, milliseconds: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = milliseconds === undefined ? undefined : globalThis.setTimeout(resolve, milliseconds);
      const abort = (): void => {
        counts.aborted++;
        clearTimeout(timer);
        reject(signal.reason);
      };
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
  }

  async function* rows(count: number, slowly: boolean): AsyncGenerator<readonly Row[]> {
    const row: Row = ["x".repeat(1_000)];
    counts.running++;
    try {
      for (let at = 0; at < count; at++) {
        counts.rows++;
        yield [row];
        if (slowly) await setTimeout(1);
      }
    } finally {
      counts.running--;
    }
  }

  async function receive(data: AsyncIterable<Uint8Array>, call: Call, slowly: boolean): Promise<string> {
    for await (const chunk of data) {
      counts.copied += chunk.length;
      if (slowly) await abortable(call, 1);
    }
    return "COPY 0";
  }

  async function* lines(count: number, slowly: boolean): AsyncGenerator<string> {
    for (let at = 0; at < count; at++) {
      counts.rows++;
      yield `${"x".repeat(1_000)}\n`;
      if (slowly) await setTimeout(1);
    }
  }

  return {
    counts,
    clients,
    connect(client) {
      counts.opened++;
      clients.add(client);
      return {
        query,
        begin: () => void counts.begun++,
        commit: () => void counts.committed++,
        rollback: () => void counts.rolledBack++,
        close: () => {
          counts.closed++;
          clients.delete(client);
        },
      };
    },
  };
}
