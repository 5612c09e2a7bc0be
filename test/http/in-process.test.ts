import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { connect, execute, rows } from "../../src/client/mod.ts";
import { openInProcess } from "../../src/http/in-process.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { scripted } from "../session/scripted-upstream.ts";

const open = (upstream: Upstream) =>
  openInProcess({ auth: trustAuthSource(), upstream: () => upstream }, "192.0.2.1");
const user = { user: "me", sslMode: "disable" } as const;

test("a client and a session, without a socket", async () => {
  const { upstream, calls } = scripted();
  const { stream, session } = open(upstream);
  const connection = await connect(stream, user);
  const results = await Promise.all(
    ["a", "b", "c"].map((sql) => execute(connection, { sql: `select ${sql}` })),
  );
  expect(results.map(({ rows }) => rows)).toEqual([[["a"]], [["b"]], [["c"]]]);
  connection.close();
  await session.closed;
  expect(calls.at(-1)).toBe("close");
});

test("there is no TLS between them, and the address is that of who asked", async () => {
  const script = scripted();
  const { stream } = open(script.upstream);
  const connection = await connect(stream, { user: "me", sslMode: "prefer" });
  expect(connection.tls).toBeUndefined();
  expect(script.client.login.address).toBe("192.0.2.1");
  connection.close();
  await expect(
    connect(open(script.upstream).stream, { user: "me", sslMode: "require" }),
  ).rejects.toMatchObject({
    code: "08001",
  });
});

test("large messages pass in both directions at once", async () => {
  const { stream } = open(scripted().upstream);
  const connection = await connect(stream, user);
  const large = "x".repeat(5_000_000);
  const asked = Array.from({ length: 4 }, () =>
    execute(connection, { sql: "select $1", parameters: [large] }),
  );
  for (const { rows } of await Promise.all(asked)) expect(rows).toEqual([[large]]);
  connection.close();
});

describe("back-pressure", () => {
  test("of a client that does not take its rows reaches the upstream", async () => {
    let given = 0;
    const { upstream } = scripted({
      query: () => ({
        type: "rows",
        columns: [{ name: "a" }],
        rows: (async function* () {
          for (; given < 1_000; given++) yield [["x".repeat(10_000)]];
        })(),
      }),
    });
    const { stream } = open(upstream);
    const connection = await connect(stream, user);
    const full = Promise.withResolvers<void>();
    const { onData } = stream;
    stream.onData = (chunk) => full.promise.then(() => onData(chunk));
    const result = execute(connection, { sql: "many" });
    let seen = -1;
    while (given !== seen) {
      seen = given;
      for (let turn = 0; turn < 20; turn++) await setImmediate();
    }
    expect(given).toBeLessThan(100);
    full.resolve();
    expect((await result).rows).toHaveLength(1_000);
    connection.close();
  });
});

describe("the end", () => {
  test("of the session is told behind its last words", async () => {
    const { stream, session } = open(scripted().upstream);
    const connection = await connect(stream, user);
    session.shutdown();
    await expect(execute(connection, { sql: "select 1" })).rejects.toMatchObject({ code: "57P01" });
    await session.closed;
  });

  test("of the client cancels what runs", async () => {
    const aborted = Promise.withResolvers<void>();
    const running = Promise.withResolvers<void>();
    const { upstream } = scripted({
      query: (_, { signal }) => {
        running.resolve();
        signal.addEventListener("abort", () => aborted.resolve());
        return new Promise(() => {});
      },
    });
    const { stream, session } = open(upstream);
    const connection = await connect(stream, user);
    const lost = expect(execute(connection, { sql: "wait" })).rejects.toMatchObject({ code: "08003" });
    await running.promise;
    connection.destroy();
    await Promise.all([lost, aborted.promise, session.closed]);
  });

  test("in the middle of rows leaves nothing waiting", async () => {
    const { stream, session } = open(scripted().upstream);
    const connection = await connect(stream, user);
    for await (const batch of rows(connection, { sql: "rows 10" }, 3)) {
      expect(batch.length).toBeGreaterThan(0);
      break;
    }
    connection.close();
    await session.closed;
  });
});
