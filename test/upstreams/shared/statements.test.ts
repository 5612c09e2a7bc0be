import { describe, expect, test } from "vitest";
import {
  ClientStatements,
  parsedStatement,
  type ResidentStatements,
} from "../../../src/upstreams/shared/statements.ts";
import { decodeFrontend, Framer, Writer } from "../../../src/wire/mod.ts";

/** Two clients of one backend. */
function clients() {
  const resident: ResidentStatements = new Map();
  const limits = { statements: 3, statementText: 40 };
  return { resident, a: new ClientStatements(resident, limits), b: new ClientStatements(resident, limits) };
}

/** What is put before a message of the client that names a statement, and the means to answer it. */
function summoned(client: ClientStatements, name: string, pipeline = 0) {
  const writer = new Writer();
  const outcomes: { done(): void; dropped(): void }[] = [];
  client.summon(name, writer, pipeline, (_, outcome) => outcomes.push(outcome));
  const framer = new Framer();
  framer.push(writer.take());
  const sent: string[] = [];
  for (let frame = framer.next(); frame; frame = framer.next()) {
    const message = decodeFrontend(frame.code, frame.body);
    if (message.type === "Parse") sent.push(`Parse ${message.statement} ${message.query}`);
    else if (message.type === "Close") sent.push(`Close ${message.name}`);
  }
  return { sent, outcomes };
}

const statement = (name: string, query: string, types: number[] = []) => parsedStatement(name, query, types);

function parsed(client: ClientStatements, name: string, query: string): void {
  client.parsing(statement(name, query));
  client.parsed(statement(name, query));
}

describe("bringing a statement back", () => {
  test("needs nothing where the backend has it, or has none and the client neither", () => {
    const { a } = clients();
    parsed(a, "s", "select 1");
    expect(summoned(a, "s").sent).toEqual([]);
    expect(summoned(a, "none").sent).toEqual([]);
  });

  test("closes another client's and parses one's own", () => {
    const { a, b, resident } = clients();
    parsed(a, "s", "select 'a'");
    b.closed("s");
    parsed(b, "s", "select 'b'");
    const { sent, outcomes } = summoned(a, "s");
    expect(sent).toEqual(["Close s", "Parse s select 'a'"]);
    for (const { done } of outcomes) done();
    expect(resident.get("s")).toBe(":select 'a'");
    expect(summoned(a, "s").sent).toEqual([]);
  });

  test("closes another client's where there is none of one's own", () => {
    const { a, b, resident } = clients();
    parsed(b, "s", "select 'b'");
    const { sent, outcomes } = summoned(a, "s");
    expect(sent).toEqual(["Close s"]);
    for (const { done } of outcomes) done();
    expect(resident.has("s")).toBe(false);
  });

  test("is not needed where both have the same; other types are another statement", () => {
    const { a, b } = clients();
    parsed(a, "s", "select $1");
    parsed(b, "s", "select $1");
    expect(summoned(a, "s").sent).toEqual([]);
    b.closed("s");
    b.parsing(statement("s", "select $1", [23]));
    b.parsed(statement("s", "select $1", [23]));
    expect(summoned(a, "s").sent).toEqual(["Close s", "Parse s select $1"]);
  });

  test("is left to the Parse that is under way", () => {
    const { a, b } = clients();
    parsed(b, "s", "select 'b'");
    a.parsing(statement("s", "select 'a'"));
    expect(summoned(a, "s").sent).toEqual([]);
    a.notParsed("s");
    expect(summoned(a, "s").sent).toEqual(["Close s"]);
  });
});

describe("an error before it", () => {
  test("leaves the backend with what it had", () => {
    const { a, b, resident } = clients();
    parsed(a, "s", "select 'a'");
    resident.delete("s");
    parsed(b, "s", "select 'b'");
    const { outcomes } = summoned(a, "s");
    for (const { dropped } of outcomes) dropped();
    expect(resident.get("s")).toBe(":select 'b'");
    expect(summoned(a, "s").sent).toEqual(["Close s", "Parse s select 'a'"]);
  });

  test("between the two leaves it with nothing", () => {
    const { a, b, resident } = clients();
    parsed(a, "s", "select 'a'");
    resident.delete("s");
    parsed(b, "s", "select 'b'");
    const { outcomes } = summoned(a, "s");
    outcomes[0]?.done();
    outcomes[1]?.dropped();
    expect(resident.has("s")).toBe(false);
    expect(summoned(a, "s").sent).toEqual(["Parse s select 'a'"]);
  });
});

describe("a statement that is being replaced", () => {
  test("is unsettled for later pipelines until the answers came", () => {
    const { a, b } = clients();
    parsed(b, "s", "select 'b'");
    expect(a.unsettled).toBe(false);
    const { outcomes } = summoned(a, "s", 7);
    expect(a.unsettled).toBe(true);
    // The pipeline that does it knows: an error there keeps the rest of it from running, too.
    expect(a.isUnsettled("s", 7)).toBe(false);
    expect(a.isUnsettled("s", 8)).toBe(true);
    expect(a.isUnsettled("t", 8)).toBe(false);
    outcomes[0]?.done();
    expect(a.isUnsettled("s", 8)).toBe(false);
    expect(a.unsettled).toBe(false);
  });
});

describe("a client may have no more", () => {
  const tooMany = "too many prepared statements in this session";
  const more = statement("more", "select 1");

  test("statements than its limit, those under way included", () => {
    const { a } = clients();
    for (const name of ["", "s", "t"]) parsed(a, name, "");
    expect(() => a.checkLimits(more)).toThrow(tooMany);
    // There is only one unnamed.
    a.checkLimits(statement("", "select 1"));
    a.closed("t");
    a.checkLimits(more);
    a.parsing(statement("t", ""));
    expect(() => a.checkLimits(more)).toThrow(tooMany);
    a.notParsed("t");
    a.checkLimits(more);
  });

  test("text than its limit", () => {
    const { a } = clients();
    parsed(a, "", "x".repeat(100));
    parsed(a, "s", "x".repeat(30));
    parsed(a, "s", "y".repeat(32));
    a.checkLimits(more);
    a.adopt(statement("s", "z".repeat(33)));
    expect(() => a.checkLimits(more)).toThrow(tooMany);
    a.retain(new Set());
    a.checkLimits(statement("more", "x".repeat(40)));
    expect(() => a.checkLimits(statement("more", "x".repeat(41)))).toThrow(tooMany);
  });
});

test("a statement's text is that of the Parse that was sent last", () => {
  const { a } = clients();
  parsed(a, "s", "select 1");
  a.parsing(statement("s", "select 2"));
  expect([a.textOf("s"), a.textOf("none")]).toEqual(["select 2", ""]);
  a.notParsed("s");
  expect(a.textOf("s")).toBe("select 1");
});

test("after DEALLOCATE only what is left is there; the unnamed one stays", () => {
  const { a, resident } = clients();
  for (const name of ["", "s", "t"]) parsed(a, name, `select '${name}'`);
  a.retain(new Set(["t"]));
  expect([a.has(""), a.has("s"), a.has("t")]).toEqual([true, false, true]);
  expect([...resident.keys()]).toEqual(["", "t"]);
});

test("SQL that names statements concerns one's own and all others' on the backend, but not the unnamed", () => {
  const { a, b } = clients();
  parsed(a, "", "select 1");
  parsed(a, "mine", "select 1");
  parsed(b, "theirs", "select 1");
  expect([...a.names].sort()).toEqual(["mine", "theirs"]);
});
