// The parts of Supabase's upstream by themselves: URLs, errors in both shapes, rows as text, what is sent again.
import { afterEach, describe, expect, test, vi } from "vitest";
import { openers } from "../../../adapters/node/databases.ts";
import { openSupabase } from "../../../adapters/node/supabase.ts";
import { SupabaseApi, type SupabaseApiOptions } from "../../../src/upstreams/supabase/api.ts";
import { readColumns, readRecord } from "../../../src/upstreams/supabase/columns.ts";
import { readError } from "../../../src/upstreams/supabase/errors.ts";
import { parseSupabaseUrl } from "../../../src/upstreams/supabase/mod.ts";
import { block, literal, Script } from "../../../src/upstreams/supabase/script.ts";
import type { PgError } from "../../../src/wire/mod.ts";

describe("URLs", () => {
  test.each([
    [
      "supabase://sbp_1%2B2@abcdefghij",
      "https://api.supabase.com/v1/projects/abcdefghij/database/query",
      "sbp_1+2",
      false,
    ],
    ["supabase://abc", "https://api.supabase.com/v1/projects/abc/database/query", undefined, false],
    [
      "supabase://any:sbp_1@abc/?read_only=true&endpoint=http%3A%2F%2F127.0.0.1%3A8080%2F",
      "http://127.0.0.1:8080/v1/projects/abc/database/query",
      "sbp_1",
      true,
    ],
    ["supabase+http://127.0.0.1:8080", "http://127.0.0.1:8080/query", undefined, false],
    ["supabase+https://key@meta.example/pg/", "https://meta.example/pg/query", "key", false],
    ["supabase+http://[::1]:80", "http://[::1]:80/query", undefined, false],
  ])("%s", (url, endpoint, token, readOnly) => {
    expect(parseSupabaseUrl(url)).toEqual({ endpoint, token, readOnly, maxRequestBytes: undefined });
    expect(parseSupabaseUrl(`${url}${url.includes("?") ? "&" : "?"}max_request_mb=20`)).toEqual({
      endpoint,
      token,
      readOnly,
      maxRequestBytes: 20_971_520,
    });
  });

  test.each([
    ["supabase:abc", /supabase:\/\/token@project-ref/],
    ["supabase://secret@", /names no project/],
    ["supabase://secret@a.b/c", /names no project/],
    [
      "supabase://secret@abc?colour=red",
      /unknown parameter "colour": known here: endpoint, read_only, max_request_mb/,
    ],
    ["supabase://secret@abc?read_only=yes", /read_only is/],
    ["supabase://secret@abc?max_request_mb=0", /max_request_mb is/],
    ["supabase://secret@abc?endpoint=abc", /endpoint is a URL/],
    ["supabase://secret%zz@abc", /not URL-encoded/],
    ["supabase+http://secret@", /names no host/],
    ["supabase+http://secret@h:x", /names no host/],
    ["supabase+http://secret@h?read_only=true", /unknown parameter "read_only": known here: max_request_mb/],
  ])("%s is refused, and the token not repeated", (url, message) => {
    expect(() => parseSupabaseUrl(url)).toThrow(message);
    expect(() => parseSupabaseUrl(url)).not.toThrow(/secret/);
  });

  afterEach(() => vi.unstubAllEnvs());
  test("the token may be the environment's", () => {
    for (const scheme of ["supabase", "supabase+http", "supabase+https"])
      expect(openers[scheme]).toBe(openSupabase);
    vi.stubEnv("SUPABASE_ACCESS_TOKEN", "");
    expect(() => openSupabase("supabase://abc")).toThrow(/SUPABASE_ACCESS_TOKEN/);
    expect(() => openSupabase("supabase://@/")).toThrow(/names no project/);
    vi.stubEnv("SUPABASE_ACCESS_TOKEN", "sbp_1");
    expect(openSupabase("supabase://abc")).toHaveProperty("connect");
    vi.unstubAllEnvs();
    expect(openSupabase("supabase+http://127.0.0.1")).toHaveProperty("connect");
  });
});

describe("rows as text", () => {
  test.each([
    ["()", 0, []],
    ["()", 1, [null]],
    ["(,)", 2, [null, null]],
    ['("")', 1, [""]],
    ["(a,b)", 2, ["a", "b"]],
    ['("a ""q"" \\\\ (x), y",,"")', 3, ['a "q" \\ (x), y', null, ""]],
    [',"x"', 2, undefined],
    ['(,"x",)', 3, [null, "x", null]],
    ['("(1,""a """"q"""""")",2)', 2, ['(1,"a ""q""")', "2"]],
    ['("\n")', 1, ["\n"]],
    ["(1,2)", 3, undefined],
    ['("a', 1, undefined],
  ] as const)("%j", (text, count, values) => {
    if (values === undefined) expect(() => readRecord(text, count)).toThrow(/cannot be read/);
    else expect(readRecord(text, count)).toEqual(values);
  });

  test("columns keep equal names, and types beyond 31 bits", () => {
    const hex = "00000003" + "00000017ffffffff" + "00000019ffffffff" + "fffffffeffffffff";
    expect(readColumns(['{"a":null,"a":null,"x\\"\\u00e9: ":null}', hex])).toEqual([
      { name: "a", typeOid: 23 },
      { name: "a", typeOid: 25 },
      { name: 'x"é: ', typeOid: 4_294_967_294 },
    ]);
    expect(readColumns(["{}", "00000000"])).toEqual([]);
    expect(readColumns([["a"], ["23"]])).toEqual([{ name: "a", typeOid: 23 }]);
    expect(() => readColumns([["a"], []])).toThrow(/cannot be read/);
  });
});

describe("the text of a request", () => {
  test("knows where the client's statements are", () => {
    const script = new Script()
      .add("SELECT 'é😀'; ")
      .addSource("select 'é😀', x", 0)
      .add("\n; ")
      .addSource("with a as (b) c", 1, 0, 14);
    script.add(", more (").addSource("with a as (b) c", 1, 14);
    const at = (text: string, from = 0): number =>
      [...script.text.slice(0, script.text.indexOf(text, from))].length + 1;
    expect(script.locate(at("x\n"))).toEqual({ statement: 0, position: 14 });
    expect(script.locate(at("(b)"))).toEqual({ statement: 1, position: 11 });
    expect(script.locate(script.text.length - 2)).toEqual({ statement: 1, position: 15 });
    expect(script.locate(1)).toBeUndefined();
    expect(script.locate(10_000)).toBeUndefined();
  });

  test("has values as constants that nothing can end", () => {
    expect(literal(`a'b\\'--`)).toBe(`E'a''b\\\\''--'`);
    expect(() => literal("a\0")).toThrow(/0x00/);
    expect(block("r record;", "x := 'y';")).toBe("DO E'DECLARE r record; BEGIN x := ''y''; END';\n");
  });
});

describe("errors", () => {
  const fields = (status: number, body: unknown, query = ""): unknown => {
    const { code, message, ...rest } = readError(
      status,
      typeof body === "string" ? body : JSON.stringify(body),
      query,
    ).error.fields;
    return { code, message, ...rest };
  };

  test("of the Management API are read from what they say", () => {
    const query = "select 1;\nselect é, nope\nfrom t";
    const message =
      'Failed to run sql query: ERROR:  42703: column "nope" does not exist\nLINE 2: select é, nope\n                  ^\nDETAIL:  One.\nTwo.\nHINT:  Try.\nQUERY:  q\nCONTEXT:  c\n';
    expect(fields(400, { message }, query)).toMatchObject({
      code: "42703",
      message: 'column "nope" does not exist',
      position: 21,
      detail: "One.\nTwo.",
      hint: "Try.",
      internalQuery: "q",
      where: "c",
    });
    expect(fields(400, { message: "Failed to run sql query: ERROR:  P0001: two\nlines\n" })).toMatchObject({
      code: "P0001",
      message: "two\nlines",
    });
  });

  test.each([
    [400, { code: "28P01", severity: "FATAL", message: "password authentication failed" }, "08001"],
    [
      400,
      { message: 'Failed to run sql query: FATAL:  28P01: password authentication failed for user "x"' },
      "08001",
    ],
    [400, { code: "ECONNREFUSED", message: "connect ECONNREFUSED 127.0.0.1:1", error: "" }, "08001"],
    [504, { error: "Connection terminated due to connection timeout" }, "08001"],
    [401, { message: "Unauthorized" }, "08001"],
    [403, "", "08001"],
    [404, { message: "Not Found" }, "08001"],
    [408, { error: "Query read timeout", message: "Query read timeout" }, "57014"],
    [
      413,
      { statusCode: 413, code: "FST_ERR_CTP_BODY_TOO_LARGE", message: "Request body is too large" },
      "54000",
    ],
    [500, { error: "Request body is too large" }, "54000"],
    [400, { code: "RESULT_SIZE_EXCEEDED", message: "Query result size (3 bytes) exceeded" }, "54000"],
    [429, { message: "ThrottlerException: Too Many Requests" }, "53000"],
    [503, { error: "sorry, too many clients already", message: "sorry, too many clients already" }, "53300"],
    [502, "<html>bad gateway</html>", "58000"],
  ])("%i %j", (status, body, code) => {
    expect(fields(status, body)).toMatchObject({ code });
  });
});

describe("requests", () => {
  type Answer = [status: number, body: unknown] | Error;
  function api(
    answers: Answer[],
    options: Partial<SupabaseApiOptions> = {},
  ): { api: SupabaseApi; sent: RequestInit[] } {
    const sent: RequestInit[] = [];
    return {
      sent,
      api: new SupabaseApi({
        endpoint: "https://api.example/query",
        retryDelays: [1, 1],
        async fetch(_url, init) {
          sent.push(init as RequestInit);
          const answer = answers[sent.length - 1];
          if (!answer || answer instanceof Error) throw answer ?? new Error("no more answers");
          const [status, body] = answer;
          return { status, text: async () => JSON.stringify(body) };
        },
        ...options,
      }),
    };
  }
  const { signal } = new AbortController();
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "none",
      (error: PgError) => error.code,
    );
  const refusedConnection = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });

  test("carry the token, and what the API is to allow", async () => {
    const { api: one, sent } = api([[201, [{ edgewire: "x" }]]], {
      token: "sbp_1",
      readOnly: true,
      headers: { pg: "y" },
    });
    expect(await one.run("select", signal)).toEqual(["x"]);
    expect(sent[0]?.headers).toMatchObject({ authorization: "Bearer sbp_1", apikey: "sbp_1", pg: "y" });
    expect(JSON.parse(sent[0]?.body as string)).toEqual({ query: "select", read_only: true });
  });

  test("are sent again only where nothing has run", async () => {
    const tries = async (...answers: Answer[]): Promise<[string, number]> => {
      const { api: one, sent } = api([...answers, [200, []]]);
      return [await codeOf(one.run("select", signal)), sent.length];
    };
    expect(await tries([429, {}], refusedConnection)).toEqual(["none", 3]);
    expect(await tries([503, { error: "sorry, too many clients already" }])).toEqual(["none", 2]);
    expect(await tries([429, {}], [429, {}], [429, {}])).toEqual(["53000", 3]);
    expect(await tries(refusedConnection, refusedConnection, refusedConnection)).toEqual(["08001", 3]);
    expect(await tries([503, { error: "unavailable" }])).toEqual(["58000", 1]);
    expect(await tries([408, { error: "Query read timeout" }])).toEqual(["57014", 1]);
    expect(await tries(new Error("socket hang up"))).toEqual(["08006", 1]);
  });

  test("that are too large are not sent", async () => {
    const { api: one, sent } = api(
      [
        [200, []],
        [200, []],
      ],
      { maxRequestBytes: 100 },
    );
    expect(await codeOf(one.run("é".repeat(60), signal))).toBe("54000");
    expect(sent).toEqual([]);
    expect(await codeOf(one.run("e".repeat(60), signal))).toBe("none");
    expect(await codeOf(api([]).api.run("e".repeat(3 * 1024 * 1024), signal))).toBe("54000");
  });

  test("end with the time that they have, and with the client's", async () => {
    const never: NonNullable<SupabaseApiOptions["fetch"]> = (_url, { signal: own }) =>
      new Promise((_, reject) => own.addEventListener("abort", () => reject(new Error("aborted"))));
    expect(await codeOf(api([], { fetch: never, timeout: 20 }).api.run("select", signal))).toBe("08006");
    const controller = new AbortController();
    const running = api([], { fetch: never }).api.run("select", controller.signal);
    controller.abort(new Error("the client's"));
    await expect(running).rejects.toThrow("the client's");
    const waiting = api([[429, {}]], { retryDelays: [60_000] }).api.run("select", AbortSignal.timeout(20));
    await expect(waiting).rejects.toThrow(/timeout/);
  });

  test.each([["no rows"], [{ rows: [] }], [[{ other: "x" }]], [[{ edgewire: 1 }]]])(
    "refuse an answer of %j",
    async (body) => {
      expect(await codeOf(api([[200, body]]).api.run("select", signal))).toBe("58000");
    },
  );
});
