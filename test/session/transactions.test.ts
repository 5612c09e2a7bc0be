import { describe, expect, test } from "vitest";
import { PgError } from "../../src/wire/mod.ts";
import { answer, type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import { bind, connect, execute, flush, parse, query, run, type Sent, sync } from "./test-client.ts";

/** What the upstream is asked for by these messages, and the statuses that the client is told. */
async function asked(messages: readonly Sent[], script: Scripted = transactional()) {
  const client = await connect(script);
  const lines = await client.ask(...messages);
  const statuses = lines.filter((line) => line.startsWith("ReadyForQuery")).map((line) => line.slice(-1));
  return { calls: script.calls, statuses: statuses.join(""), lines };
}

describe("an implicit transaction", () => {
  const cases: [string, Sent[], string[]][] = [
    ["not for one statement", [query("x")], ["query x"]],
    ["not for one statement and a semicolon", [query(" x ; ;")], ["query x"]],
    ["not for two queries", [query("x"), query("y")], ["query x", "query y"]],
    ["not for one statement and Sync", [...run("x"), sync], ["query x"]],
    [
      "not for one statement after the other, each with Sync",
      [...run("x"), sync, ...run("y"), sync],
      ["query x", "query y"],
    ],
    [
      "not for a statement that is described and bound twice, and executed once",
      [parse("x"), bind(), bind(), execute(), sync],
      ["query x"],
    ],
    [
      "for several statements of a query",
      [query("x; y")],
      ["begin implicit", "query x", "query y", "commit"],
    ],
    ["for a pipeline", [...run("x"), ...run("y"), sync], ["begin implicit", "query x", "query y", "commit"]],
    [
      "for a statement that is flushed: more may come",
      [...run("x"), flush, sync],
      ["begin implicit", "query x", "commit"],
    ],
    [
      "for both sides of a Flush, one",
      [...run("x"), flush, ...run("y"), sync],
      ["begin implicit", "query x", "query y", "commit"],
    ],
    [
      "rolled back by an error",
      [query("x; fail; y")],
      ["begin implicit", "query x", "query fail", "rollback"],
    ],
    [
      "rolled back by an error in a pipeline, at Sync",
      [...run("x"), ...run("fail"), ...run("y"), sync],
      ["begin implicit", "query x", "query fail", "rollback"],
    ],
    ["not begun for one statement that fails", [query("fail")], ["query fail"]],
    [
      "rolled back by an error that the session finds",
      [query("x; set nosuch = 1")],
      ["begin implicit", "query x", "rollback"],
    ],
    ["not begun before a text that is not SQL", [query("x; 'unterminated")], []],
  ];
  for (const [name, messages, calls] of cases) {
    test(name, async () => {
      const seen = await asked(messages);
      expect(seen.calls).toEqual(calls);
      expect(seen.statuses).toMatch(/^I+$/);
    });
  }

  test("an upstream without transactions runs the statements one by one", async () => {
    const script = scripted();
    expect((await asked([query("x; y"), ...run("x"), ...run("y"), sync], script)).lines).not.toContain("E");
    expect(script.calls).toEqual(["query x", "query y", "query x", "query y"]);
  });

  test("a commit that fails is the answer of the last statement", async () => {
    const script = transactional({ commit: () => Promise.reject(new PgError("23503", "deferred")) });
    const { lines } = await asked([query("x; y")], script);
    expect(lines).toEqual(["CommandComplete X", "ErrorResponse ERROR 23503 deferred", "ReadyForQuery I"]);
  });

  test("of a pipeline: a commit that fails is told at Sync", async () => {
    const script = transactional({ commit: () => Promise.reject(new PgError("23503", "deferred")) });
    const { lines } = await asked([parse("x"), bind(), execute(), bind(), execute(), sync], script);
    expect(lines).toEqual([
      "ParseComplete",
      "BindComplete",
      "CommandComplete X",
      "BindComplete",
      "CommandComplete X",
      "ErrorResponse ERROR 23503 deferred",
      "ReadyForQuery I",
    ]);
  });

  test("a begin that fails: nothing is run", async () => {
    const script = transactional({ begin: () => Promise.reject(new PgError("53300", "no connection")) });
    const { lines } = await asked([query("x; y")], script);
    expect(lines).toEqual(["ErrorResponse ERROR 53300 no connection", "ReadyForQuery I"]);
    expect(script.calls).toEqual([]);
  });

  test("a rollback that fails: the error of the statement is told first", async () => {
    const script = transactional({ rollback: () => Promise.reject(new PgError("08006", "lost")) });
    const { lines } = await asked([...run("x"), ...run("fail"), sync], script);
    expect(lines.slice(-3)).toEqual([
      "ErrorResponse ERROR 22012 division by zero",
      "ErrorResponse ERROR 08006 lost",
      "ReadyForQuery I",
    ]);
  });
});

test("a rollback of several statements that fails: the client is told of the statement, the operator of both", async () => {
  const script = transactional({ rollback: () => Promise.reject(new PgError("08006", "lost")) });
  const errors: string[] = [];
  const onError = ({ code }: PgError): undefined => {
    errors.push(code);
  };
  const client = await connect({ ...script, onError });
  expect(await client.query("x; fail")).toEqual([
    "CommandComplete X",
    "ErrorResponse ERROR 22012 division by zero",
    "ReadyForQuery I",
  ]);
  expect(errors).toEqual(["08006", "22012"]);
});

describe("a transaction block", () => {
  const cases: [string, Sent[], string[], string][] = [
    [
      "one statement at a time",
      [query("begin"), query("x"), query("commit")],
      ["begin", "query x", "commit"],
      "TTI",
    ],
    ["in one query", [query("begin; x; commit")], ["begin", "query x", "commit"], "I"],
    [
      "in one pipeline",
      [...run("begin"), ...run("x"), ...run("commit"), sync],
      ["begin", "query x", "commit"],
      "I",
    ],
    [
      "begun in the middle of a query: it takes over the implicit one",
      [query("x; begin; y"), query("rollback")],
      ["begin implicit", "query x", "query y", "rollback"],
      "TI",
    ],
    [
      "ended in the middle of a query: what follows is another transaction",
      [query("begin; x; commit; y; z")],
      ["begin", "query x", "commit", "begin implicit", "query y", "query z", "commit"],
      "I",
    ],
    [
      "commit of an implicit one",
      [query("x; commit; y")],
      ["begin implicit", "query x", "commit", "begin implicit", "query y", "commit"],
      "I",
    ],
    ["left open by a query", [query("begin; x"), query("end")], ["begin", "query x", "commit"], "TI"],
    [
      "failed, and ended by COMMIT",
      [query("begin"), query("fail"), query("x"), query("commit")],
      ["begin", "query fail", "rollback"],
      "TEEI",
    ],
    [
      "failed in one query: the block stays",
      [query("begin; x; fail; y"), query("rollback")],
      ["begin", "query x", "query fail", "rollback"],
      "EI",
    ],
    ["begun twice", [query("begin"), query("begin"), query("abort")], ["begin", "rollback"], "TTI"],
    ["not begun", [query("commit"), query("rollback")], [], "II"],
    [
      "with chain",
      [query("begin isolation level serializable"), query("commit and chain"), query("rollback")],
      ["begin isolation=serializable", "commit", "begin isolation=serializable", "rollback"],
      "TTI",
    ],
  ];
  for (const [name, messages, calls, statuses] of cases) {
    test(name, async () => {
      const seen = await asked(messages);
      expect(seen.calls).toEqual(calls);
      expect(seen.statuses).toBe(statuses);
    });
  }

  test("COMMIT of a failed one is answered ROLLBACK", async () => {
    const { lines } = await asked([query("begin"), query("fail"), query("commit")]);
    expect(lines.slice(-2)).toEqual(["CommandComplete ROLLBACK", "ReadyForQuery I"]);
  });

  test("warnings", async () => {
    const { lines } = await asked([
      query("begin"),
      query("begin"),
      query("commit"),
      query("commit"),
      query("rollback"),
    ]);
    expect(lines.filter((line) => line.startsWith("Notice"))).toEqual([
      "NoticeResponse WARNING 25001 there is already a transaction in progress",
      "NoticeResponse WARNING 25P01 there is no transaction in progress",
      "NoticeResponse WARNING 25P01 there is no transaction in progress",
    ]);
  });

  test("a commit that fails ends the block", async () => {
    const script = transactional({
      commit: () => Promise.reject(new PgError("40001", "could not serialize")),
    });
    const { lines, statuses } = await asked([query("begin"), query("commit"), query("x")], script);
    expect(lines.slice(2, 4)).toEqual(["ErrorResponse ERROR 40001 could not serialize", "ReadyForQuery I"]);
    expect(statuses).toBe("TII");
  });

  test("a begin that fails begins none", async () => {
    const script = transactional({ begin: () => Promise.reject(new PgError("53300", "no connection")) });
    expect((await asked([query("begin"), query("x")], script)).statuses).toBe("II");
  });
});

describe("modes", () => {
  test.each([
    ["begin", "begin"],
    ["start transaction read only", "begin readOnly=true"],
    ["begin isolation level repeatable read, read write", "begin isolation=repeatable read readOnly=false"],
    [
      "begin transaction isolation level serializable read only deferrable",
      "begin isolation=serializable readOnly=true deferrable=true",
    ],
  ])("%s", async (sql, call) => {
    expect((await asked([query(sql)])).calls).toEqual([call]);
    expect((await asked([query(`${sql}; x; commit`)])).calls).toEqual([call, "query x", "commit"]);
    expect((await asked([...run(sql), ...run("x"), sync])).calls).toEqual([call, "query x"]);
  });

  test.each([
    [
      "begin isolation level serializable",
      "25001 SET TRANSACTION ISOLATION LEVEL must be called before any query",
    ],
    [
      "start transaction deferrable",
      "25001 SET TRANSACTION [NOT] DEFERRABLE must be called before any query",
    ],
    [
      "begin read only",
      "0A000 a transaction that is under way cannot be made read-only or read-write in this database",
    ],
  ])("in the middle of a query come too late: %s", async (sql, error) => {
    const { lines, calls } = await asked([query(`x; ${sql}; y`)]);
    expect(lines).toEqual(["CommandComplete X", `ErrorResponse ERROR ${error}`, "ReadyForQuery I"]);
    expect(calls).toEqual(["begin implicit", "query x", "rollback"]);
  });

  test("in the middle of a query are no trouble where they are what the transaction has", async () => {
    const { calls } = await asked([query("x; begin isolation level read committed read write; y")]);
    expect(calls).toEqual(["begin implicit", "query x", "query y"]);
  });

  test("of SET SESSION CHARACTERISTICS and the default_transaction_ settings", async () => {
    const { calls } = await asked([
      query("set session characteristics as transaction isolation level serializable, read only"),
      query("set default_transaction_deferrable = on"),
      query("begin"),
      query("rollback"),
      query("begin isolation level read committed read write"),
      query("rollback"),
      query("x; y"),
    ]);
    expect(calls).toEqual([
      "begin isolation=serializable readOnly=true deferrable=true",
      "rollback",
      "begin isolation=read committed readOnly=false deferrable=true",
      "rollback",
      "begin implicit isolation=serializable readOnly=true deferrable=true",
      "query x",
      "query y",
      "commit",
    ]);
  });
});

describe("SET TRANSACTION", () => {
  const setting = (): Scripted => {
    const script = transactional({
      setTransaction: (modes) => {
        if (modes.isolation === "repeatable read") throw new PgError("25001", "too late");
        script.calls.push(`modes ${JSON.stringify(modes)}`);
      },
    });
    return script;
  };

  test("goes to the upstream, and SHOW tells it until the transaction ends, which AND CHAIN goes on with", async () => {
    const { lines, calls } = await asked(
      [
        query("begin read only; set transaction isolation level serializable"),
        query("show transaction_isolation; show transaction_read_only"),
        query("commit and chain; show transaction_isolation; rollback"),
        query("show transaction_isolation"),
      ],
      setting(),
    );
    expect(lines.filter((line) => line.startsWith("DataRow"))).toEqual([
      "DataRow serializable",
      "DataRow on",
      "DataRow serializable",
      "DataRow read committed",
    ]);
    expect(calls).toEqual([
      "begin readOnly=true",
      'modes {"isolation":"serializable"}',
      "commit",
      "begin readOnly=true isolation=serializable",
      "rollback",
    ]);
  });

  test("fails the transaction where the upstream refuses it", async () => {
    const { lines, statuses, calls } = await asked(
      [query("begin"), query("set transaction isolation level repeatable read"), query("commit")],
      setting(),
    );
    expect(lines).toContain("ErrorResponse ERROR 25001 too late");
    expect(statuses).toBe("TEI");
    expect(calls).toEqual(["begin", "rollback"]);
  });

  test("is what BEGIN in the middle of a query asks for", async () => {
    const { calls } = await asked([query("x; begin read only; y; commit")], setting());
    expect(calls).toEqual(["begin implicit", "query x", 'modes {"readOnly":true}', "query y", "commit"]);
  });

  test("outside of a transaction is a warning, of a snapshot, or without the upstream's help, 0A000", async () => {
    const warned = await asked([query("set transaction read only")], setting());
    expect(warned.lines).toEqual([
      "NoticeResponse WARNING 25P01 SET TRANSACTION can only be used in transaction blocks",
      "CommandComplete SET",
      "ReadyForQuery I",
    ]);
    expect(warned.calls).toEqual([]);
    const snapshot = await asked([query("begin; set transaction snapshot '1-2'")], setting());
    expect(snapshot.lines).toContain(
      "ErrorResponse ERROR 0A000 SET TRANSACTION SNAPSHOT is not supported by this database",
    );
    const { lines } = await asked([query("begin; set transaction read only")]);
    expect(lines).toContain("ErrorResponse ERROR 0A000 SET TRANSACTION is not supported by this database");
  });
});

describe("an upstream without transactions", () => {
  test("BEGIN is 0A000, with a hint", async () => {
    const client = await connect(scripted());
    void client.send(query("begin"));
    await client.until("ReadyForQuery");
    expect(client.last("ErrorResponse").fields).toMatchObject({
      code: "0A000",
      message: "transactions are not supported by this database",
      hint: "Each statement is committed by itself: use autocommit.",
    });
    client.take();
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("COMMIT and ROLLBACK warn, as they do outside of a block", async () => {
    const client = await connect(scripted());
    const warning = "NoticeResponse WARNING 25P01 there is no transaction in progress";
    expect(await client.query("commit")).toEqual([warning, "CommandComplete COMMIT", "ReadyForQuery I"]);
    expect(await client.query("rollback")).toEqual([warning, "CommandComplete ROLLBACK", "ReadyForQuery I"]);
  });
});

describe("savepoints", () => {
  test("are the upstream's", async () => {
    const { calls, statuses } = await asked([
      query("begin"),
      query("savepoint a"),
      query('savepoint "B"'),
      query("fail"),
      query("rollback to a"),
      query("release savepoint a"),
      query("commit"),
    ]);
    expect(calls).toEqual([
      "begin",
      "savepoint a",
      "savepoint B",
      "query fail",
      "rollbackTo a",
      "release a",
      "commit",
    ]);
    expect(statuses).toBe("TTTETTI");
  });

  test.each([
    ["savepoint a", "SAVEPOINT"],
    ["release a", "RELEASE SAVEPOINT"],
    ["rollback to a", "ROLLBACK TO SAVEPOINT"],
  ])("%s outside of a block is 25P01", async (sql, name) => {
    const { lines, calls } = await asked([query(sql)]);
    expect(lines[0]).toBe(`ErrorResponse ERROR 25P01 ${name} can only be used in transaction blocks`);
    expect(calls).toEqual([]);
  });

  test("an upstream without: 0A000", async () => {
    const { savepoint: _, ...methods } = {
      begin: () => {},
      commit: () => {},
      rollback: () => {},
      savepoint: undefined,
    };
    const { lines } = await asked([query("begin"), query("savepoint a")], scripted(methods));
    expect(lines.slice(2)).toEqual([
      "ErrorResponse ERROR 0A000 savepoints are not supported by this database",
      "ReadyForQuery E",
    ]);
  });

  test("one that does not exist is the upstream's error, and the block fails", async () => {
    const script = transactional({
      savepoint: ({ name }) => {
        throw new PgError("3B001", `savepoint "${name}" does not exist`);
      },
    });
    const { statuses } = await asked([query("begin"), query("rollback to nosuch")], script);
    expect(statuses).toBe("TE");
  });
});

describe("a failed block", () => {
  const refused =
    "ErrorResponse ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block";

  test.each([
    ["a statement", [query("x")]],
    ["a setting", [query("show all")]],
    ["an empty statement in Bind", [parse("", "e"), bind([], { statement: "e" }), sync]],
    ["Parse", [parse("x"), sync]],
    ["BEGIN", [query("begin")]],
    ["SAVEPOINT", [query("savepoint a")]],
  ])("refuses %s", async (_, messages) => {
    const script = transactional();
    const client = await connect(script);
    await client.query("begin");
    await client.query("fail");
    const before = [...script.calls];
    expect((await client.ask(...messages)).slice(-2)).toEqual([refused, "ReadyForQuery E"]);
    expect(script.calls).toEqual(before);
  });

  test("does not refuse an empty query", async () => {
    const { lines } = await asked([query("begin"), query("fail"), query(" -- nothing")]);
    expect(lines.slice(-2)).toEqual(["EmptyQueryResponse", "ReadyForQuery E"]);
  });
});

test("PREPARE TRANSACTION ends the block", async () => {
  const script = transactional();
  const { statuses, calls } = await asked(
    [query("begin"), query("prepare transaction 'x'"), query("commit prepared 'x'")],
    script,
  );
  expect(statuses).toBe("TII");
  expect(calls).toEqual(["begin", "query prepare transaction 'x'", "query commit prepared 'x'"]);
});

test("PREPARE TRANSACTION that fails rolls the block back", async () => {
  const script = transactional({
    query: (statement) => {
      if (statement.sql.startsWith("prepare"))
        throw new PgError("55000", "prepared transactions are disabled");
      return answer(statement);
    },
  });
  const { statuses, calls } = await asked([query("begin"), query("prepare transaction 'x'")], script);
  expect(statuses).toBe("TI");
  expect(calls.at(-1)).toBe("rollback");
});
