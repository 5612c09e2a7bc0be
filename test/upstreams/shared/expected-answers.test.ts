import { describe, expect, test } from "vitest";
import { ExpectedAnswers } from "../../../src/upstreams/shared/expected-answers.ts";

/** Notes which messages were answered, and which an error kept from it. */
function noted() {
  const notes: string[] = [];
  const note = (name: string) => ({
    done: () => notes.push(`${name} done`),
    dropped: () => notes.push(`${name} dropped`),
  });
  return { expected: new ExpectedAnswers(), notes, note };
}

describe("answers in order", () => {
  test("tell each message that it is done, and hide those of the gateway's own", () => {
    const { expected, notes, note } = noted();
    expected.add("close", { inserted: true, ...note("close") });
    expected.add("parse", { inserted: true, ...note("parse") });
    expected.add("bind", note("bind"));
    expected.add("execute", note("execute"));
    expect(expected.open).toBe(true);
    expected.endSegment("sync");
    expect(expected.outstanding).toBe(1);
    expect(expected.complete("close")).toBe(false);
    expect(expected.complete("parse")).toBe(false);
    expect(expected.complete("bind")).toBe(true);
    expect(expected.complete("execute")).toBe(true);
    expect(expected.ready()).toBe(true);
    expect(notes).toEqual(["close done", "parse done", "bind done", "execute done"]);
    expect([expected.outstanding, expected.open, expected.settled]).toEqual([0, false, true]);
  });

  test("answers that belong to no extended message pass", () => {
    const { expected } = noted();
    expected.endSegment("query");
    // A simple query's RowDescription and CommandComplete.
    expect(expected.complete("describe")).toBe(true);
    expect(expected.complete("execute")).toBe(true);
    expect(expected.ready()).toBe(true);
  });

  test("a segment of the gateway's own is swallowed, its ReadyForQuery too", () => {
    const { expected } = noted();
    expected.endSegment("query", "all");
    expected.endSegment("query");
    expect(expected.swallowing).toBe(true);
    expect(expected.ready()).toBe(false);
    expect(expected.swallowing).toBe(false);
    expect(expected.ready()).toBe(true);
  });

  test("only the Sync of a segment may be the gateway's own", () => {
    const { expected } = noted();
    expected.add("parse");
    expected.endSegment("sync", "sync");
    expect(expected.swallowing).toBe(false);
    expect(expected.complete("parse")).toBe(true);
    expect(expected.ready()).toBe(false);
  });

  test("a ReadyForQuery may be that of a query of the gateway's own behind it", () => {
    const { expected } = noted();
    expected.endSegment("query", "ready");
    expected.endSegment("sync", "answers");
    expect([expected.swallowing, expected.postponing]).toEqual([false, true]);
    expect(expected.ready()).toBe(false);
    expect([expected.swallowing, expected.postponing]).toEqual([true, true]);
    // An error of it does not matter to the client.
    expect(expected.failed()).toBe(false);
    expect(expected.ready()).toBe(true);
    expect([expected.swallowing, expected.postponing, expected.settled]).toEqual([false, false, true]);
  });

  test("segments are numbered", () => {
    const { expected } = noted();
    expect(expected.sequence).toBe(0);
    expected.endSegment("sync");
    expected.endSegment("query");
    expect(expected.sequence).toBe(2);
    expected.ready();
    expect(expected.sequence).toBe(2);
  });
});

describe("an error", () => {
  test("drops the rest of its segment, and no more", () => {
    const { expected, notes, note } = noted();
    expected.add("parse", note("a"));
    expected.add("bind", note("b"));
    expected.add("execute", note("c"));
    expected.endSegment("sync");
    expected.add("parse", note("d"));
    expected.endSegment("sync");
    expected.complete("parse");
    expected.failed();
    expect(notes).toEqual(["a done", "b dropped", "c dropped"]);
    expect(expected.ready()).toBe(true);
    expected.complete("parse");
    expect(expected.ready()).toBe(true);
    expect(notes.at(-1)).toBe("d done");
  });

  test("in a pipeline skips queries up to the next Sync", () => {
    const { expected, notes, note } = noted();
    expected.add("parse", note("a"));
    expected.endSegment("query");
    expected.add("parse", note("b"));
    expected.endSegment("sync");
    expect(expected.outstanding).toBe(2);
    expected.failed();
    expect(expected.outstanding).toBe(1);
    expect(notes).toEqual(["a dropped", "b dropped"]);
    expect(expected.ready()).toBe(true);
    expect(expected.outstanding).toBe(0);
  });

  test("whose Sync was not sent yet: what comes is skipped until then", () => {
    const { expected, notes, note } = noted();
    expected.add("parse", note("a"));
    expected.failed();
    expect(expected.open).toBe(true);
    expected.add("bind", note("b"));
    expected.endSegment("query");
    expect(expected.outstanding).toBe(0);
    expect(notes).toEqual(["a dropped", "b dropped"]);
    expected.endSegment("sync");
    expect([expected.outstanding, expected.open]).toEqual([1, false]);
    expect(expected.ready()).toBe(true);
  });

  test("of a simple query is its own: nothing behind it is skipped", () => {
    const { expected, notes, note } = noted();
    expected.endSegment("query");
    expected.add("parse", note("a"));
    expected.endSegment("sync");
    expected.failed();
    expect(expected.ready()).toBe(true);
    expected.complete("parse");
    expect(expected.ready()).toBe(true);
    expect(notes).toEqual(["a done"]);
  });

  test("at Sync, when a deferred constraint fails: nothing is dropped that was answered", () => {
    const { expected, notes, note } = noted();
    expected.add("execute", note("a"));
    expected.endSegment("sync");
    expected.add("parse", note("b"));
    expected.endSegment("sync");
    expected.complete("execute");
    expected.failed();
    expect(expected.ready()).toBe(true);
    expect(expected.outstanding).toBe(1);
    expect(notes).toEqual(["a done"]);
  });

  test("a ReadyForQuery more than was asked for passes", () => {
    const { expected } = noted();
    expected.add("execute");
    expected.failed();
    expect(expected.ready()).toBe(true);
    expect([expected.outstanding, expected.open]).toEqual([0, false]);
  });
});
