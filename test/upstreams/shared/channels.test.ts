import { describe, expect, test } from "vitest";
import { ChannelChanges, ListenerChannels } from "../../../src/upstreams/shared/channels.ts";

/** What counts after these texts and tags. `!`: an error; `.`: ReadyForQuery outside of a transaction. */
function outcome(text: string, ...events: string[]): string[] {
  const changes = new ChannelChanges();
  changes.plan(text);
  for (const event of events) {
    if (event === "!") changes.failed();
    else if (event === ".") changes.idle();
    else changes.completed(event);
  }
  return changes.take().map(({ type, channel = "*" }) => `${type} ${channel}`);
}

describe("changes", () => {
  const cases: [string, string[], string[]][] = [
    ["listen a", ["LISTEN", "."], ["listen a"]],
    [
      "listen a; unlisten b; unlisten *",
      ["LISTEN", "UNLISTEN", "UNLISTEN", "."],
      ["listen a", "unlisten b", "unlisten *"],
    ],
    ["listen a; select 1/0", ["LISTEN", "!", "."], []],
    ["listen a; select 1/0; listen b", ["LISTEN", "!", "."], []],
    ["begin; listen a; commit", ["BEGIN", "LISTEN", "COMMIT", "."], ["listen a"]],
    ["begin; listen a; rollback", ["BEGIN", "LISTEN", "ROLLBACK", "."], []],
    ["begin; listen a; rollback; listen b", ["BEGIN", "LISTEN", "ROLLBACK", "LISTEN", "."], ["listen b"]],
    ["begin; listen a; select 1/0; commit", ["BEGIN", "LISTEN", "!", "ROLLBACK", "."], []],
    [
      "begin; listen a; savepoint s; select 1; rollback to s; commit",
      ["BEGIN", "LISTEN", "SAVEPOINT", "SELECT 1", "ROLLBACK", "COMMIT", "."],
      ["listen a"],
    ],
    [
      "begin; listen a; savepoint s; listen b; unlisten a; rollback to s; listen c; rollback to s; commit",
      ["BEGIN", "LISTEN", "SAVEPOINT", "LISTEN", "UNLISTEN", "ROLLBACK", "LISTEN", "ROLLBACK", "COMMIT", "."],
      ["listen a"],
    ],
    [
      "begin; savepoint s; listen a; savepoint s; listen b; release s; rollback to s; listen c; commit",
      ["BEGIN", "SAVEPOINT", "LISTEN", "SAVEPOINT", "LISTEN", "RELEASE", "ROLLBACK", "LISTEN", "COMMIT", "."],
      ["listen c"],
    ],
    [
      "begin; savepoint s; listen a; savepoint t; release s; listen b; commit",
      ["BEGIN", "SAVEPOINT", "LISTEN", "SAVEPOINT", "RELEASE", "LISTEN", "COMMIT", "."],
      ["listen a", "listen b"],
    ],
    ["discard all", ["DISCARD ALL", "."], ["unlisten *"]],
    ['listen "A b"', ["LISTEN", "."], ["listen A b"]],
    ["select 'listen a'", ["SELECT 1", "."], []],
    ["listen 'not a name'", ["!", "."], []],
    ["listen a; 'unterminated", ["!", "."], []],
  ];
  for (const [text, events, changes] of cases) {
    test(`${text} / ${events.join(" ")}`, () => {
      expect(outcome(text, ...events)).toEqual(changes);
    });
  }

  test("what failed is passed over when the next one runs", () => {
    const changes = new ChannelChanges();
    changes.plan("listen a");
    changes.plan("listen b");
    changes.failed();
    changes.idle();
    changes.completed("LISTEN");
    changes.idle();
    // Both texts were LISTEN, of which one failed: that it was the first cannot be told, and PostgreSQL is asked.
    expect(changes.take()).toHaveLength(1);
  });

  test("those that are not committed yet are known, too", () => {
    const changes = new ChannelChanges();
    changes.plan("begin; listen a");
    changes.completed("LISTEN");
    expect(changes.ran).toEqual([{ type: "listen", channel: "a" }]);
    expect(changes.take()).toEqual([]);
    expect(changes.ran).toEqual([]);
  });
});

describe("a listener's channels", () => {
  const listen = (channel: string) => ({ type: "listen", channel }) as const;
  const names = (...list: string[]): Set<string> => new Set(list);

  test("are what it asked for and PostgreSQL has", () => {
    const channels = new ListenerChannels();
    channels.apply([listen("a"), listen("b")], names("a"), names());
    expect([...channels.names]).toEqual(["a"]);
  });

  test("those that are new and that nobody was seen to ask for are the client's whose turn it was", () => {
    const channels = new ListenerChannels();
    channels.apply([], names("hidden", "others"), names("others"));
    expect([...channels.names]).toEqual(["hidden"]);
  });

  test("UNLISTEN of one, and of all", () => {
    const channels = new ListenerChannels();
    channels.apply([listen("a"), listen("b"), listen("c")], names("a", "b", "c"), names());
    channels.apply([{ type: "unlisten", channel: "b" }], names("a", "c"), names("a", "b", "c"));
    expect([...channels.names].sort()).toEqual(["a", "c"]);
    channels.apply([{ type: "unlisten", channel: undefined }, listen("d")], names("d"), names("a", "c"));
    expect([...channels.names]).toEqual(["d"]);
  });
});
