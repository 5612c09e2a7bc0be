/**
 * A server that says anything at all, well-formed or not, cut anywhere, and then closes: every call settles, with what it
 * asked for or with a PgError; nothing is thrown past it, and nothing is waited for without end.
 */
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ByteStream,
  type Connection,
  connect,
  copyIn,
  copyOut,
  execute,
  openPortal,
  pipeline,
  prepare,
  query,
  rows,
} from "../../src/client/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { backendMessage, damage, damages } from "../fuzz/messages.ts";
import { inputs } from "../fuzz/settings.ts";
import { backendBytes, concat } from "../wire/bytes.ts";
import { collect } from "./outcome.ts";

/** What the server sends: messages of any kind, with those more often that an answer is made of, then damaged. */
const speech: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 2, arbitrary: backendMessage.map(backendBytes) },
        {
          weight: 5,
          arbitrary: fc.constantFrom(
            backendBytes({ type: "AuthenticationOk" }),
            backendBytes({ type: "ReadyForQuery", status: "I" }),
            backendBytes({ type: "ParseComplete" }),
            backendBytes({ type: "BindComplete" }),
            backendBytes({ type: "RowDescription", fields: [] }),
            backendBytes({ type: "DataRow", values: [] }),
            backendBytes({ type: "PortalSuspended" }),
            backendBytes({ type: "CommandComplete", tag: "SELECT 0" }),
            backendBytes({ type: "CopyInResponse", format: 0, columnFormats: [] }),
            backendBytes({ type: "CopyOutResponse", format: 0, columnFormats: [] }),
            backendBytes({ type: "CopyData", data: new Uint8Array(3) }),
            backendBytes({ type: "CopyDone" }),
            backendBytes({
              type: "ErrorResponse",
              fields: { severity: "ERROR", code: "42601", message: "no" },
            }),
          ),
        },
      ),
      { maxLength: 12 },
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: damages }),
  )
  .map(([messages, damaged]) => damage(concat(...messages), damaged));

const cuts: fc.Arbitrary<number> = fc.constantFrom(1, 3, 7, 64, Number.POSITIVE_INFINITY);

class FuzzedStream implements ByteStream {
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  #closed = false;

  write(): void {}

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    setImmediate().then(() => this.onClose(undefined));
  }

  /** The server says this, then closes. */
  async hear(bytes: Uint8Array, cut: number): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#closed; at += cut) this.onData(bytes.slice(at, at + cut));
    // What waits for an answer may say more before the end.
    await setImmediate();
    this.destroy();
    await setImmediate();
  }
}

/** Settled in bounded time, and with a PgError if not well. */
async function settles(call: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve("late"), 2_000);
  });
  const outcome = call.then(
    () => "well",
    (error: unknown) => (error instanceof PgError ? "refused" : `threw ${error}`),
  );
  const what = await Promise.race([outcome, late]);
  clearTimeout(timer);
  expect(["well", "refused"]).toContain(what);
}

const stray: unknown[] = [];
const note = (error: unknown): void => void stray.push(error);
beforeAll(() => void process.on("unhandledRejection", note));
afterAll(() => {
  process.off("unhandledRejection", note);
  expect(stray).toEqual([]);
});

const user = { user: "u", password: "p", sslMode: "disable" } as const;

test("as the answer to a StartupMessage", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(speech, cuts, async (bytes, cut) => {
      const stream = new FuzzedStream();
      const connecting = connect(stream, user);
      const settled = settles(connecting);
      await setImmediate();
      await stream.hear(bytes, cut);
      await settled;
    }),
    inputs(3_000),
  );
});

const started = concat(
  backendBytes({ type: "AuthenticationOk" }),
  backendBytes({ type: "ReadyForQuery", status: "I" }),
);

const calls: readonly ((connection: Connection) => Promise<unknown>)[] = [
  (connection) => query(connection, "a"),
  (connection) => execute(connection, { sql: "b" }),
  (connection) => pipeline(connection, [{ sql: "c" }, { sql: "d" }]),
  (connection) => prepare(connection, "e", { sql: "e" }).then((statement) => statement.execute()),
  (connection) => collect(rows(connection, { sql: "f" }, 2)),
  (connection) => openPortal(connection, "g", { sql: "g" }).then((portal) => portal.fetch(1)),
  (connection) => copyIn(connection, "h", ["x", "y"]),
  (connection) => collect(copyOut(connection, "i")),
];

test("as the answer to requests", { timeout: 120_000 }, async () => {
  const asked = fc.array(fc.nat(calls.length - 1), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(asked, speech, cuts, async (numbers, bytes, cut) => {
      const stream = new FuzzedStream();
      const connecting = connect(stream, user);
      await setImmediate();
      stream.onData(started.slice());
      const connection = await connecting;
      const settled = numbers.map((number) => settles((calls[number] as (typeof calls)[number])(connection)));
      await Promise.resolve();
      await stream.hear(bytes, cut);
      await Promise.all(settled);
      expect(connection.closed).toBe(true);
    }),
    inputs(5_000),
  );
});
