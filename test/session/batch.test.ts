// Statements that an upstream takes as a batch: which ones, and that the client cannot tell the difference.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Description,
  memoryCancelRegistry,
  type Result,
  type Statement,
  type StatementSession,
} from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { answer, type Scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  describePortal,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

const aclitem = 1033;

/** `select` has a column for each word behind it, and `$n` are int4; `fail` is no statement. */
function describeText({ sql }: { readonly sql: string }): Description {
  const [verb, ...words] = sql.split(/[\s,]+/);
  if (verb === "fail") throw new PgError("42601", "syntax error", { position: 1 });
  const parameterTypes = words.filter((word) => word.startsWith("$")).map(() => 23);
  if (verb !== "select") return { parameterTypes };
  return {
    parameterTypes,
    columns: words.map((word, at) => ({
      name: String.fromCharCode(0x61 + at),
      typeOid: word === "secret" ? aclitem : 25,
    })),
  };
}

/** Takes batches, except those with a statement that fails. What it is asked is noted: `batch x; y`. */
function batching(methods: Partial<StatementSession> = {}): Scripted {
  const script = transactional({
    describe: describeText,
    async batch(statements) {
      script.calls.push(`batch ${statements.map(({ sql }) => sql).join("; ")}`);
      try {
        return statements.map(answer);
      } catch {
        return undefined;
      }
    },
    ...methods,
  });
  return script;
}

const one = (sql: string, ...parameters: string[]): Sent[] => run(sql, ...parameters);
const named = (name: string, sql: string): Sent[] => [
  parse(sql, name),
  bind([], { statement: name }),
  execute(),
];

describe("an upstream that takes batches", () => {
  const cases: [string, Sent[], string[]][] = [
    ["a text of several statements", [query("x; select a; y")], ["batch x; select a; y"]],
    ["a pipeline", [...one("x"), ...one("select a"), sync], ["batch x; select a"]],
    [
      "a prepared statement, run twice",
      [
        parse("select $1", "s"),
        sync,
        ...["1", "2"].flatMap((n) => [bind([n], { statement: "s" }), execute()]),
        sync,
      ],
      ["batch select $1; select $1"],
    ],
    [
      "statements that are prepared, described and closed on the way",
      [
        parse("select a", "s"),
        describeStatement("s"),
        bind([], { statement: "s" }),
        describePortal(),
        execute(),
        { type: "Close", kind: "S", name: "s" },
        ...named("s", "x"),
        sync,
      ],
      ["batch select a; x"],
    ],
    ["not one statement", [query("x"), ...one("y"), sync], ["query x", "query y"]],
    [
      "not what is flushed: the rest is not known",
      [...one("x"), ...one("y"), flush, ...one("x"), ...one("y"), sync],
      ["begin implicit", "query x", "query y", "query x", "query y", "commit"],
    ],
    [
      "not in a block",
      [query("begin"), query("x; y"), query("commit")],
      ["begin", "query x", "query y", "commit"],
    ],
    [
      "not with a statement that the session serves",
      [query("x; set work_mem = '1MB'; y")],
      ["begin implicit", "query x", "query y", "commit"],
    ],
    ["a text from BEGIN to COMMIT", [query("begin; x; select a; commit")], ["batch x; select a"]],
    [
      "a pipeline from BEGIN to COMMIT",
      [...one("begin"), ...one("x"), ...one("select a"), ...one("commit"), sync],
      ["batch x; select a"],
    ],
    [
      "not a block that goes on",
      [query("begin; x; y"), query("commit"), ...one("begin"), ...one("x"), sync, query("rollback")],
      ["begin", "query x", "query y", "commit", "begin", "query x", "rollback"],
    ],
    [
      "not a block with modes, or another behind it",
      [
        query("begin isolation level serializable; x; commit"),
        query("begin; x; commit and chain"),
        query("commit"),
      ],
      ["begin isolation=serializable", "query x", "commit", "begin", "query x", "commit", "begin", "commit"],
    ],
    [
      "not what is beside a block",
      [...one("x"), ...one("begin"), ...one("y"), ...one("commit"), sync],
      ["begin implicit", "query x", "query y", "commit"],
    ],
    [
      "a block one by one where it declines",
      [query("begin; x; fail; commit"), query("rollback")],
      ["batch x; fail", "begin", "query x", "query fail", "rollback"],
    ],
    [
      "not rows in parts",
      [parse("rows 3"), bind(), execute(2), ...one("x"), sync],
      ["begin implicit", "query rows 3", "query x", "commit"],
    ],
    [
      "not portals with names",
      [parse("x"), bind([], { portal: "p" }), execute(0, "p"), bind(), execute(), sync],
      ["begin implicit", "query x", "query x", "commit"],
    ],
    [
      "not behind a description that may not hold",
      [
        parse("create"),
        bind(),
        execute(),
        parse("select a", "s"),
        describeStatement("s"),
        ...named("t", "y"),
        sync,
      ],
      ["begin implicit", "query create", "query y", "commit"],
    ],
    [
      "not where a result cannot be sent as it is asked for",
      [parse("select a"), bind([], { results: [0, 0] }), execute(), ...one("x"), sync],
      ["begin implicit", "query select a", "rollback"],
    ],
    [
      "not values of a type that has no binary form",
      [parse("select secret"), bind([], { results: [1] }), execute(), ...one("x"), sync],
      ["begin implicit", "query select secret", "query x", "commit"],
    ],
    [
      "not where a later message is going to fail",
      [...one("x"), ...one("y"), bind(["too", "many"]), execute(), sync],
      ["begin implicit", "query x", "query y", "rollback"],
    ],
    [
      "one by one where it declines",
      [query("x; fail; y")],
      ["batch x; fail; y", "begin implicit", "query x", "query fail", "rollback"],
    ],
    [
      "a pipeline one by one where it declines",
      [...one("x"), ...one("fail"), ...one("y"), sync],
      ["batch x; fail; y", "begin implicit", "query x", "query fail", "rollback"],
    ],
  ];
  for (const [name, messages, calls] of cases) {
    test(`gets ${name}`, async () => {
      const script = batching();
      const seen = await (await connect(script)).ask(...messages);
      expect(script.calls).toEqual(calls);
      const { calls: _, ...without } = batching({ batch: undefined as never });
      expect(seen).toEqual(await (await connect(without)).ask(...messages));
    });
  }

  test("that is lost gives its error to the first statement, and is not run again", async () => {
    const lost = new PgError("08006", "the connection failed");
    const script = batching({ batch: () => Promise.reject(lost) });
    const client = await connect(script);
    const error = "ErrorResponse ERROR 08006 the connection failed";
    expect(await client.ask(...one("x"), ...one("y"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      error,
      "ReadyForQuery I",
    ]);
    expect(await client.query("x; y")).toEqual([error, "ReadyForQuery I"]);
    expect(script.calls).toEqual([]);
  });

  test("that fails from BEGIN to COMMIT leaves the client in a failed block", async () => {
    for (const block of [
      [query("begin; x; y; commit")],
      [...one("begin"), ...one("x"), ...one("y"), ...one("commit"), sync],
    ]) {
      const script = batching({
        batch: () => {
          throw new PgError("23505", "duplicate key");
        },
      });
      const client = await connect(script);
      const answers = await client.ask(...block);
      expect(answers.slice(-2)).toEqual(["ErrorResponse ERROR 23505 duplicate key", "ReadyForQuery E"]);
      expect(await client.query("rollback")).toEqual(["CommandComplete ROLLBACK", "ReadyForQuery I"]);
      expect(script.calls).toEqual(["rollback"]);
    }
  });

  test("that gives too few results is no answer", async () => {
    const client = await connect(batching({ batch: () => [] }));
    const error = "ErrorResponse ERROR XX000 the upstream gave 0 results for 2 statements";
    expect(await client.query("x; y")).toEqual([error, "ReadyForQuery I"]);
  });

  test("is told to stop by a cancel; once it is done, a cancel comes too late", async () => {
    const asked: AbortSignal[] = [];
    let give: (results: readonly Result[]) => void = () => {};
    const script = batching({
      batch: (_, { signal }) => {
        asked.push(signal);
        return new Promise((resolve) => {
          give = resolve;
        });
      },
    });
    const cancels = memoryCancelRegistry();
    const client = new TestClient({ ...script, cancels });
    void client.sendBytes(startup());
    await client.until("ReadyForQuery");
    const { processId, secretKey } = client.last("BackendKeyData");
    const cancel = () => cancels.cancel(processId, secretKey);
    client.take();
    void client.send(query("x; y"));
    await settled();
    cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([
      "ErrorResponse ERROR 57014 canceling statement due to user request",
      "ReadyForQuery I",
    ]);
    expect(asked[0]?.aborted).toBe(true);

    const rows = async function* () {
      yield [["1"]];
      cancel();
      yield [["2"]];
    };
    void client.send(query("x; y"));
    await settled();
    give([
      { type: "rows", columns: [{ name: "a" }], rows: rows() },
      { type: "command", tag: "Y" },
    ]);
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([
      "RowDescription a",
      "DataRow 1",
      "DataRow 2",
      "CommandComplete SELECT 2",
      "CommandComplete Y",
      "ReadyForQuery I",
    ]);
  });
});

describe("any pipelines", () => {
  const names = fc.constantFrom("", "", "", "s", "t");
  const texts = fc.oneof(
    { weight: 15, arbitrary: fc.constantFrom("select a", "select a, b", "select $1", "x", "rows 3") },
    { weight: 1, arbitrary: fc.constantFrom("fail", "fail", "begin", "commit", "") },
  );
  const message: fc.Arbitrary<Sent> = fc.oneof(
    fc.record({ sql: texts, name: names }).map(({ sql, name }) => parse(sql, name)),
    fc.record({ name: names }).map(({ name }) => describeStatement(name)),
    fc.record({ name: fc.constantFrom("", "", "p") }).map(({ name }) => describePortal(name)),
    fc.record({ name: names }).map(({ name }): Sent => ({ type: "Close", kind: "S", name })),
    fc.constantFrom<Sent>({ type: "Close", kind: "P", name: "" }, flush),
    fc.constantFrom(0, 0, 0, 2, -1).map((rows) => execute(rows)),
    bound(),
  );
  const whole: fc.Arbitrary<Sent[]> = fc
    .record({
      sql: texts,
      name: names,
      bind: bound(),
      described: fc.boolean(),
      rows: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, -1, 2),
    })
    .map(({ sql, name, bind: made, described, rows }) => [
      parse(sql, name),
      { ...made, statement: name, portal: "", parameters: sql.includes("$") ? ["1"] : [] },
      ...(described ? [describePortal()] : []),
      execute(rows),
    ]);
  const part = fc.oneof(
    { weight: 3, arbitrary: whole },
    { weight: 1, arbitrary: message.map((one) => [one]) },
  );
  const text = fc
    .array(fc.constantFrom("x", "select a", "fail", "begin", "commit", "set nosuch = 1"), { maxLength: 4 })
    .map((statements) => [query(statements.join("; "))]);
  const pipeline = fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .array(part, { minLength: 1, maxLength: 5, size: "max" })
        .map((parts) => [...parts.flat(), sync]),
    },
    { weight: 1, arbitrary: text },
  );

  function bound(): fc.Arbitrary<Extract<Sent, { type: "Bind" }>> {
    return fc
      .record({
        statement: names,
        portal: fc.constantFrom("", "", "", "", "", "p"),
        parameters: fc.constantFrom([], ["1"]),
        results: fc.constantFrom<number[]>([], [], [], [], [0], [0], [0], [1], [1], [1], [0, 0], [2]),
      })
      .map(({ parameters, ...options }) => bind(parameters, options) as Extract<Sent, { type: "Bind" }>);
  }

  async function played(script: Scripted, pipelines: readonly Sent[][], byteByByte: boolean) {
    const client = await connect({ upstream: script.upstream, byteByByte });
    const lines: string[] = [];
    for (const messages of pipelines) lines.push(...(await client.ask(...messages)));
    await client.vanish();
    return lines;
  }

  test("are answered as they are one by one", async () => {
    let batches = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(pipeline, { minLength: 1, maxLength: 3 }), async (pipelines) => {
        const script = batching();
        const alone = batching({ batch: undefined as never });
        const answers = await played(script, pipelines, false);
        expect(answers).toEqual(await played(alone, pipelines, false));
        batches += script.calls.filter((call) => call.startsWith("batch")).length;
      }),
      { numRuns: 600 },
    );
    expect(batches).toBeGreaterThan(50);
  });

  test("cut into single bytes, too", async () => {
    const pipelines = [
      [...one("select a"), ...one("select $1", "1"), sync],
      [query("select a; x")],
      [...one("x"), ...one("fail"), sync],
    ];
    const whole = await played(batching(), pipelines, false);
    expect(await played(batching(), pipelines, true)).toEqual(whole);
  });
});

/** What a batch is asked with. */
test("statements arrive with their parameters, types and formats", async () => {
  const asked: Statement[] = [];
  const script = batching({
    batch: (statements) => {
      asked.push(...statements);
      return statements.map(answer);
    },
  });
  const client = await connect(script);
  const binary = Uint8Array.of(0, 0, 0, 7);
  await client.ask(
    parse("select $1", "", [23]),
    bind([binary], { formats: [1], results: [1] }),
    execute(),
    ...one("select $1", "text"),
    sync,
  );
  expect(asked).toEqual([
    { sql: "select $1", parameters: ["7"], parameterTypes: [23], resultFormats: [1] },
    { sql: "select $1", parameters: ["text"], parameterTypes: [], resultFormats: [] },
  ]);
});
