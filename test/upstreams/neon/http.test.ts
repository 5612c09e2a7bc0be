// The client of SQL over HTTP, with answers of all kinds: those of Neon's proxy, and of what may stand before it.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import type { Fetch, FetchInit } from "../../../src/upstreams/fetch.ts";
import { SqlHttp, type SqlHttpOptions } from "../../../src/upstreams/neon/http.ts";
import { PgError } from "../../../src/wire/mod.ts";

const never = new AbortController().signal;
const statement = { sql: "select $1", parameters: ["x", null] };
const result = {
  fields: [
    {
      name: "a",
      dataTypeID: 23,
      tableID: 7,
      columnID: 2,
      dataTypeSize: 4,
      dataTypeModifier: -1,
      format: "text",
    },
  ],
  rows: [["1"], [null]],
  command: "SELECT",
  rowCount: 2,
  rowAsArray: true,
};

function answering(status: number, body: unknown): { http: SqlHttp; sent: FetchInit[] } {
  const sent: FetchInit[] = [];
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const http = client(async (_, init) => {
    sent.push(init);
    return { status, text: async () => text };
  });
  return { http, sent };
}

function client(fetch: Fetch | undefined, options: Partial<SqlHttpOptions> = {}): SqlHttp {
  const connectionString = "postgres://app:hush@host/db";
  return new SqlHttp({ url: "http://host.example/sql", connectionString, fetch, ...options });
}

const failure = async (promise: Promise<unknown>): Promise<PgError> => {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(PgError);
  return error as PgError;
};

describe("requests", () => {
  test("ask for text in arrays, and say who asks", async () => {
    const { http, sent } = answering(200, result);
    expect(await http.query(statement, never)).toEqual({
      fields: [{ name: "a", dataTypeID: 23, tableID: 7, columnID: 2, dataTypeSize: 4, dataTypeModifier: -1 }],
      rows: [["1"], [null]],
      rowCount: 2,
    });
    expect(sent).toEqual([
      {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "neon-connection-string": "postgres://app:hush@host/db",
          "neon-raw-text-output": "true",
          "neon-array-mode": "true",
        },
        body: '{"query":"select $1","params":["x",null]}',
        signal: expect.anything(),
      },
    ]);
  });

  test("of several statements are one", async () => {
    const { http, sent } = answering(200, { results: [result, { ...result, rowCount: null }] });
    const answer = await http.run([statement, { sql: "b", parameters: [] }], never);
    expect(answer).toMatchObject({ type: "results", results: [{ rowCount: 2 }, { rowCount: undefined }] });
    expect(JSON.parse(sent[0]?.body ?? "")).toEqual({
      queries: [
        { query: "select $1", params: ["x", null] },
        { query: "b", params: [] },
      ],
    });
  });

  test("that are too large are not sent", async () => {
    const { http, sent } = answering(200, result);
    const large = { sql: "select $1", parameters: ["ü".repeat(6 * 1024 * 1024)] };
    expect(await failure(http.query(large, never))).toMatchObject({
      code: "54000",
      fields: { hint: expect.stringContaining("COPY") },
    });
    expect(sent).toEqual([]);
  });
});

describe("errors", () => {
  test("of the database have all of their fields", async () => {
    const said = {
      message: "nope",
      code: "23505",
      detail: "Key (id)=(1) already exists.",
      hint: null,
      position: "8",
      internalPosition: null,
      internalQuery: null,
      severity: "FEHLER",
      where: "PL/pgSQL function f() line 1",
      table: "t",
      column: "c",
      schema: "public",
      dataType: "text",
      constraint: "t_pkey",
      file: "nbtinsert.c",
      line: "666",
      routine: "_bt_check_unique",
    };
    const { http } = answering(400, said);
    const { fields } = await failure(http.query(statement, never));
    expect(fields).toEqual({
      severity: "ERROR",
      message: "nope",
      code: "23505",
      detail: said.detail,
      position: 8,
      where: said.where,
      table: "t",
      column: "c",
      schema: "public",
      dataType: "text",
      constraint: "t_pkey",
      file: "nbtinsert.c",
      line: 666,
      routine: "_bt_check_unique",
    });
    expect(await http.run([statement], never)).toMatchObject({ type: "refused", error: { code: "23505" } });
  });

  test("that end the proxy's own connection do not end the client's", async () => {
    const { http } = answering(400, { message: "terminating", code: "57P01", severity: "FATAL" });
    expect(await failure(http.query(statement, never))).toMatchObject({ code: "57P01", severity: "ERROR" });
  });

  test.each<[string, number, unknown, string, string | undefined]>([
    [
      "a wrong password",
      400,
      { message: "password authentication failed for user 'app'" },
      "08001",
      undefined,
    ],
    ["a wrong password, with a code", 400, { message: "no", code: "28P01" }, "08001", undefined],
    ["Xata's word for it", 401, { message: "unauthorized" }, "08001", undefined],
    ["the router", 404, { msg: "no such endpoint" }, "58000", "Status 404: no such endpoint"],
    [
      "a result that is too large",
      507,
      { message: "response is too large" },
      "54000",
      "Status 507: response is too large",
    ],
    ["a request that is too large", 413, "too large", "54000", "Status 413: too large"],
    ["too many requests", 429, "", "53000", "Status 429"],
    ["a load balancer", 502, "<html>bad gateway</html>", "58000", "Status 502: <html>bad gateway</html>"],
    ["a code that is none", 400, { message: "odd", code: "nonsense" }, "58000", "Status 400: odd"],
    ["no JSON", 200, "fine", "58000", "It is not JSON."],
    ["no result", 200, {}, "58000", "It has no fields or no rows."],
    ["values that are no text", 200, { ...result, rows: [[1]] }, "58000", "A value is no text."],
    [
      "rows that are objects",
      200,
      { ...result, rows: [{ a: "1" }] },
      "58000",
      "A row is no array of its fields.",
    ],
    ["results too many", 200, { results: [result, result] }, "58000", "2 results for 1 statements."],
  ])("of others: %s", async (_, status, body, code, detail) => {
    const error = await failure(answering(status, body).http.query(statement, never));
    expect([error.code, error.fields.detail, error.severity]).toEqual([code, detail, "ERROR"]);
    expect(JSON.stringify(error.fields)).not.toContain("hush");
    if (status === 507) expect(error.fields.hint).toContain("fetch=tunnel");
  });
});

describe("the way there", () => {
  const refused = Object.assign(new TypeError("fetch failed"), {
    cause: Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }),
  });

  test("is tried again while nothing can have been sent", async () => {
    let tries = 0;
    const http = client(async () => {
      if (++tries < 3) throw refused;
      return { status: 200, text: async () => JSON.stringify(result) };
    });
    expect((await http.query(statement, never)).rows.length).toBe(2);
    expect(tries).toBe(3);
  });

  test("is given up after three times", async () => {
    let tries = 0;
    const http = client(async () => {
      tries++;
      throw refused;
    });
    expect(await failure(http.query(statement, never))).toMatchObject({
      code: "08001",
      message: "could not reach host.example",
    });
    expect(tries).toBe(3);
  });

  test("is not tried again once something may have run", async () => {
    let tries = 0;
    const http = client(async () => {
      tries++;
      throw new TypeError("fetch failed", {
        cause: Object.assign(new Error("read"), { code: "ECONNRESET" }),
      });
    });
    const error = await failure(http.query(statement, never));
    expect([error.code, error.fields.detail]).toEqual([
      "08006",
      "Whether the statement has run is not known.",
    ]);
    expect(tries).toBe(1);
  });

  test("with the global fetch: a server that is not there, and one that hangs up", async () => {
    let requests = 0;
    const server = createServer((request) => {
      requests++;
      request.socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sql`;
    expect(await failure(client(undefined, { url }).query(statement, never))).toMatchObject({
      code: "08006",
    });
    expect(requests).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(await failure(client(undefined, { url }).query(statement, never))).toMatchObject({
      code: "08001",
    });
  });

  const hanging: Fetch = (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));

  test("is left when the call is aborted, with the reason for it", async () => {
    const controller = new AbortController();
    const reason = new PgError("57014", "canceling statement due to user request");
    const asked = client(hanging).query(statement, controller.signal);
    controller.abort(reason);
    expect(await failure(asked)).toBe(reason);
    expect(await failure(client(hanging).query(statement, controller.signal))).toBe(reason);
  });

  test("is left when it takes too long", async () => {
    expect(await failure(client(hanging, { timeout: 20 }).query(statement, never))).toMatchObject({
      code: "08006",
      fields: { detail: "Whether the statement has run is not known." },
    });
  });
});
