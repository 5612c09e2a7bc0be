import { describe, expect, test } from "vitest";
import type { ErrorFields } from "../../src/wire/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { rows, scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  connect,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  sync,
  type TestClient,
} from "./test-client.ts";

/** An upstream that throws this, or gives it as its query's promise. */
function throwing(cause: unknown, later = false) {
  return scripted({
    query: () => {
      if (later) return Promise.reject(cause);
      throw cause;
    },
  });
}

async function lastError(client: TestClient, ...messages: readonly Sent[]): Promise<ErrorFields> {
  void client.send(...messages);
  await client.until("ReadyForQuery");
  const { fields } = client.last("ErrorResponse");
  client.take();
  return fields;
}

describe("what an upstream throws", () => {
  test("a PgError is sent as it is, every field", async () => {
    const fields: Partial<ErrorFields> = {
      detail: "d",
      hint: "h",
      where: "w",
      schema: "s",
      table: "t",
      column: "c",
      dataType: "n",
      constraint: "k",
      position: 3,
      internalPosition: 4,
      internalQuery: "q",
      file: "f.c",
      line: 5,
      routine: "r",
    };
    const client = await connect(throwing(new PgError("23505", "duplicate key", fields)));
    expect(await lastError(client, query("x"))).toEqual({
      ...fields,
      severity: "ERROR",
      code: "23505",
      message: "duplicate key",
    });
  });

  for (const later of [false, true]) {
    test(`a stranger is XX000 with its message and nothing else${later ? ", also later" : ""}`, async () => {
      const cause = Object.assign(new TypeError("fetch failed"), { code: "ECONNREFUSED", token: "secret" });
      const client = await connect(throwing(cause, later));
      expect(await lastError(client, query("x"))).toEqual({
        severity: "ERROR",
        code: "XX000",
        message: "fetch failed",
      });
      expect(await lastError(client, ...run("x"), sync)).toMatchObject({ code: "XX000" });
    });
  }

  test.each([
    ["a string", "oops", "oops"],
    ["nothing", undefined, "undefined"],
    ["an error without a message", new Error(), "unknown error"],
    ["an object", {}, "[object Object]"],
  ])("%s", async (_, cause, message) => {
    const client = await connect(throwing(cause));
    expect(await lastError(client, query("x"))).toMatchObject({ code: "XX000", message });
  });

  test("a NUL, which no message can hold, is replaced", async () => {
    const client = await connect(throwing(new PgError("22000", "a\0b", { detail: "c\0d", hint: "e" })));
    expect(await lastError(client, query("x"))).toEqual({
      severity: "ERROR",
      code: "22000",
      message: "a\ufffdb",
      detail: "c\ufffdd",
      hint: "e",
    });
    expect(client.transport.ended).toBe(false);
  });

  test("a position counts from the start of the client's text, in characters", async () => {
    const client = await connect(
      scripted({
        query: ({ sql }) => {
          throw new PgError("42601", "syntax error", { position: sql.indexOf("!") + 1 });
        },
      }),
    );
    // The emoji is one character, though two UTF-16 units and four bytes.
    expect((await lastError(client, query("/* 😀 */ a !"))).position).toBe(11);
    expect((await lastError(client, ...run("  b !"), sync)).position).toBe(5);
    expect((await lastError(client, query("!"))).position).toBe(1);
  });
});

describe("the operator's hook", () => {
  test("sees each error and what caused it, and may replace it", async () => {
    const seen: [string, unknown][] = [];
    const cause = new Error("password=hunter2");
    const client = await connect({
      ...throwing(cause),
      onError: (error, thrown) => {
        seen.push([error.code, thrown]);
        return error.code === "XX000" ? new PgError("XX000", "internal error") : undefined;
      },
    });
    expect((await lastError(client, query("x"))).message).toBe("internal error");
    expect((await lastError(client, bind([], { statement: "nosuch" }), sync)).code).toBe("26000");
    expect(seen[0]).toEqual(["XX000", cause]);
    expect(seen.map(([code]) => code)).toEqual(["XX000", "26000"]);
  });

  test("that throws does not end the session", async () => {
    const client = await connect({
      ...throwing(new PgError("22012", "division by zero")),
      onError: () => {
        throw new Error("broken hook");
      },
    });
    expect((await lastError(client, query("x"))).code).toBe("22012");
    expect((await lastError(client, query("x"))).code).toBe("22012");
  });

  test("sees errors of the connection, too", async () => {
    const seen: string[] = [];
    const client = await connect({
      ...scripted(),
      onError: (error) => {
        seen.push(error.severity + error.code);
        return undefined;
      },
    });
    void client.sendBytes(Uint8Array.of(0x7a));
    await client.untilClosed();
    expect(seen).toEqual(["FATAL08P01"]);
  });

  test("may end a session by making an error FATAL", async () => {
    const script = throwing(new PgError("22012", "division by zero"));
    const client = await connect({
      ...script,
      onError: ({ code, message }) => new PgError(code, message, { severity: "FATAL" }),
    });
    void client.send(query("x"), query("y"));
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 22012 division by zero"]);
    expect(script.calls).toEqual(["query x", "close"]);
  });
});

describe("results that cannot be sent", () => {
  test.each([
    ["too few", ["1"]],
    ["too many", ["1", "2", "3"]],
  ])("a row with %s cells", async (_, cells) => {
    const client = await connect(
      scripted({
        query: () => ({ type: "rows", columns: [{ name: "a" }, { name: "b" }], rows: [["1", "2"], cells] }),
      }),
    );
    const error = `ErrorResponse ERROR XX000 the upstream gave a row of ${cells.length} cells for 2 columns`;
    expect(await client.query("x")).toEqual(["RowDescription a b", "DataRow 1|2", error, "ReadyForQuery I"]);
    expect((await client.ask(...run("x"), sync)).slice(-3)).toEqual([
      "DataRow 1|2",
      error,
      "ReadyForQuery I",
    ]);
  });

  test("a NUL in a tag or a column's name", async () => {
    const tags = await connect(scripted({ query: () => ({ type: "command", tag: "A\0B" }) }));
    expect((await lastError(tags, query("x"))).code).toBe("22021");
    const names = await connect(
      scripted({ query: () => ({ type: "rows", columns: [{ name: "a\0" }], rows: [] }) }),
    );
    expect((await lastError(names, query("x"))).code).toBe("22021");
    expect(await names.ask(sync)).toEqual(["ReadyForQuery I"]);
  });

  test("an iterator that throws", async () => {
    const client = await connect(
      scripted({
        query: () =>
          ({
            type: "rows",
            columns: [{ name: "a" }],
            *rows() {},
            // biome-ignore lint/suspicious/noExplicitAny: what a careless upstream in JavaScript would give
          }) as any,
      }),
    );
    expect((await lastError(client, query("x"))).code).toBe("XX000");
    expect(await client.ask(sync)).toEqual(["ReadyForQuery I"]);
  });

  test("no result at all", async () => {
    // biome-ignore lint/suspicious/noExplicitAny: what a careless upstream in JavaScript would give
    const client = await connect(scripted({ query: () => undefined as any }));
    expect((await lastError(client, query("x"))).code).toBe("XX000");
    expect((await lastError(client, ...run("x"), sync)).code).toBe("XX000");
  });
});

describe("skipping to Sync", () => {
  test("one error for a pipeline, and nothing of the rest is run", async () => {
    const script = transactional();
    const client = await connect(script);
    const lines = await client.ask(...run("fail"), ...run("x"), parse("y; z"), execute(0, "nosuch"), sync);
    expect(lines.filter((line) => line.startsWith("ErrorResponse"))).toHaveLength(1);
    expect(lines.at(-1)).toBe("ReadyForQuery I");
    expect(script.calls).toEqual(["begin implicit", "query fail", "rollback"]);
  });

  test("Query and FunctionCall are skipped, too", async () => {
    const script = transactional();
    const client = await connect(script);
    void client.send(parse("y; z"), flush);
    await client.until("ErrorResponse");
    client.take();
    const call = { functionOid: 1, argumentFormats: [], arguments: [], resultFormat: 0 };
    void client.send(query("x"), { type: "FunctionCall", ...call }, flush);
    await settled();
    expect(client.take()).toEqual([]);
    expect(await client.ask(sync)).toEqual(["ReadyForQuery I"]);
    expect(script.calls).toEqual([]);
  });

  test("a message that is malformed is skipped", async () => {
    const client = await connect(transactional());
    const malformed = bytesOf([parse("x")]);
    malformed.set([0xff, 0xff], malformed.length - 2);
    void client.send(parse("y; z"), malformed, sync);
    await client.until("ReadyForQuery");
    expect(client.take().filter((line) => line.startsWith("ErrorResponse"))).toHaveLength(1);
  });

  test("each Sync is answered", async () => {
    const client = await connect(transactional());
    expect(await client.ask(sync, sync, sync)).toEqual(Array<string>(3).fill("ReadyForQuery I"));
    expect((await client.ask(...run("fail"), sync, ...run("x"), sync)).slice(-2)).toEqual([
      "CommandComplete X",
      "ReadyForQuery I",
    ]);
  });
});

test("FunctionCall is 0A000 with a hint, and ReadyForQuery", async () => {
  const client = await connect(scripted());
  const call = { functionOid: 1, argumentFormats: [], arguments: [], resultFormat: 0 };
  void client.send({ type: "FunctionCall", ...call });
  await client.until("ReadyForQuery");
  expect(client.last("ErrorResponse").fields).toMatchObject({
    code: "0A000",
    hint: "Call the function in a SELECT.",
  });
  client.take();
  expect(await client.query("select 1")).toHaveLength(4);
});

test("a session of many errors holds nothing of them", async () => {
  const client = await connect(scripted({ query: () => rows([["1"]]) }));
  for (let at = 0; at < 100; at++) {
    await client.ask(parse("a; b", "s"), bind(), execute(), sync);
    await client.query("'unterminated");
  }
  expect(await client.ask(parse("select 1", "s"), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
});
