/** Ten thousand connections that die, a thousand or so in each phase of their life: nothing of them is left. */
import { expect, test } from "vitest";
import { staticAuthSource } from "../../src/auth/mod.ts";
import { memoryCancelRegistry, type StatementSession, type Upstream } from "../../src/session/mod.ts";
import { bytes, concat } from "../wire/bytes.ts";
import { answer } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  copyData,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

const connections = 10_000;
const atOnce = 100;

/** Counts what is open in the upstream. */
class Ledger {
  sessions = 0;
  transactions = 0;
  rows = 0;
  copies = 0;

  readonly upstream: Upstream = {
    connect: () => {
      this.sessions++;
      const session: StatementSession = {
        query: (statement) => this.#query(statement),
        describe: () => ({ parameterTypes: [] }),
        begin: () => {
          this.transactions++;
        },
        commit: () => {
          this.transactions--;
        },
        rollback: () => {
          this.transactions--;
        },
        close: async () => {
          await Promise.resolve();
          this.sessions--;
        },
      };
      return session;
    },
  };

  #query(statement: Parameters<StatementSession["query"]>[0]): ReturnType<StatementSession["query"]> {
    switch (statement.sql) {
      case "wait":
        return new Promise(() => {});
      case "stream":
        return { type: "rows", columns: [{ name: "a" }], rows: this.#stream() };
      case "copy":
        return {
          type: "copyIn",
          format: 0,
          columnFormats: [],
          receive: async (data) => {
            this.copies++;
            try {
              for await (const _ of data);
            } finally {
              this.copies--;
            }
            return "COPY";
          },
        };
      default:
        return answer(statement);
    }
  }

  async *#stream(): AsyncGenerator<[string][]> {
    this.rows++;
    try {
      for (;;) {
        yield [["x".repeat(100)]];
        await settled();
      }
    } finally {
      this.rows--;
    }
  }
}

const login = startup();
const after = (...messages: Parameters<typeof bytesOf>[0]): Uint8Array => concat(login, bytesOf(messages));

/** What the clients of each phase have sent when they die. */
const phases: Uint8Array[] = [
  new Uint8Array(0),
  login.subarray(0, 9),
  bytes("00 00 00 08 04 d2 16 2f"),
  after(),
  after(query("select 1")),
  after(query("wait")),
  after(query("begin"), query("wait")),
  after(query("begin"), query("fail")),
  after(query("stream")),
  after(query("copy"), copyData("x".repeat(1000))),
  after(query("x; wait")),
  after(parse("select 1", "s"), bind([], { statement: "s", portal: "p" }), execute(1, "p")),
  after(...run("x"), flush),
  after(
    query("begin"),
    parse("stream", "s"),
    bind([], { statement: "s", portal: "p" }),
    execute(1, "p"),
    sync,
  ),
  after(parse("a; b"), flush, describeStatement("s")),
  concat(after(query("begin")), bytes("51 00100000 'select'")),
  concat(after(), bytes("7a")),
  concat(after(query("select 1")), bytes("58 00000004")),
];

async function connectAndDie(
  ledger: Ledger,
  cancels: ReturnType<typeof memoryCancelRegistry>,
  number: number,
) {
  const sent = phases[number % phases.length] as Uint8Array;
  const client = new TestClient({
    upstream: ledger.upstream,
    cancels,
    limits: { statementTimeout: 60_000, idleTimeout: 60_000, idleInTransactionTimeout: 60_000 },
    // One in seven is asked for a password that it does not send.
    ...(number % 7 === 0 && { auth: staticAuthSource({ postgres: "x" }, { method: "password" }) }),
  });
  client.transport.full = number % 5 === 0;
  void client.sendBytes(sent.slice());
  await settled();
  client.session.end();
  await client.session.closed;
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

async function memory(): Promise<number> {
  if (!globalThis.gc) throw new Error("run with --expose-gc");
  await settled();
  globalThis.gc();
  await settled();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("connections that die in each phase", { timeout: 120_000 }, async () => {
  const ledger = new Ledger();
  const cancels = memoryCancelRegistry();
  let number = 0;
  const some = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, () => connectAndDie(ledger, cancels, number++)));
    }
  };

  // What is made once (compiled code, caches of texts) is made here.
  await some(1000);
  const timersBefore = timers();
  const before = await memory();
  await some(connections - 1000);

  expect(cancels.size).toBe(0);
  await settled();
  const { sessions, transactions, rows, copies } = ledger;
  expect({ sessions, transactions, rows, copies }).toEqual({
    sessions: 0,
    transactions: 0,
    rows: 0,
    copies: 0,
  });
  expect(timers()).toBeLessThanOrEqual(timersBefore);
  const grown = (await memory()) - before;
  // A hundred bytes for each connection would already be more.
  expect(grown).toBeLessThan(800_000);
});
