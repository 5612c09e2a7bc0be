import { describe, expect, test } from "vitest";
import { PgError } from "../../src/wire/mod.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import { connect, run, sync } from "./test-client.ts";

function listening(): Scripted {
  const script: Scripted = transactional({
    listen: (channel) => {
      script.calls.push(`listen ${channel}`);
    },
    unlisten: (channel) => {
      script.calls.push(`unlisten ${channel ?? "*"}`);
    },
    notify: async (channel, payload) => {
      script.calls.push(`notify ${channel} ${payload}`);
      script.client.notify(channel, payload);
    },
  });
  return script;
}

describe("an upstream with channels", () => {
  test.each([
    ["listen jobs", "listen jobs", "LISTEN"],
    ["LISTEN Jobs;", "listen jobs", "LISTEN"],
    ['listen "Jobs"', "listen Jobs", "LISTEN"],
    ["unlisten jobs", "unlisten jobs", "UNLISTEN"],
    ["unlisten *", "unlisten *", "UNLISTEN"],
  ])("%s", async (sql, call, tag) => {
    const script = listening();
    const client = await connect(script);
    expect(await client.query(sql)).toEqual([`CommandComplete ${tag}`, "ReadyForQuery I"]);
    expect(await client.ask(...run(sql), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      `CommandComplete ${tag}`,
      "ReadyForQuery I",
    ]);
    expect(script.calls).toEqual([call, call]);
  });

  test("NOTIFY to itself comes before ReadyForQuery", async () => {
    const script = listening();
    const client = await connect(script);
    const pid = script.client.processId;
    expect(await client.query("notify jobs, 'it''s here'")).toEqual([
      "CommandComplete NOTIFY",
      `NotificationResponse ${pid} jobs it's here`,
      "ReadyForQuery I",
    ]);
    expect(await client.query("notify jobs")).toContain(`NotificationResponse ${pid} jobs`);
    expect(script.calls).toEqual(["notify jobs it's here", "notify jobs "]);
  });

  test("in a transaction block", async () => {
    const script = listening();
    const client = await connect(script);
    await client.query("begin");
    expect(await client.query("notify jobs")).toEqual(["CommandComplete NOTIFY", "ReadyForQuery T"]);
    expect(await client.query("commit")).toEqual([
      "CommandComplete COMMIT",
      `NotificationResponse ${script.client.processId} jobs`,
      "ReadyForQuery I",
    ]);
  });

  test("an error of it", async () => {
    const client = await connect(
      scripted({ listen: () => Promise.reject(new PgError("53000", "too many channels")) }),
    );
    expect(await client.query("listen jobs")).toEqual([
      "ErrorResponse ERROR 53000 too many channels",
      "ReadyForQuery I",
    ]);
  });

  test("DISCARD ALL ends all", async () => {
    const script = listening();
    const client = await connect(script);
    expect(await client.query("discard all")).toEqual(["CommandComplete DISCARD ALL", "ReadyForQuery I"]);
    expect(script.calls).toEqual(["unlisten *"]);
  });
});

test("one without: its own query has the word", async () => {
  const script = scripted({
    query: ({ sql }) => {
      throw new PgError("0A000", `no ${sql}`);
    },
  });
  const client = await connect(script);
  for (const sql of ["listen jobs", "unlisten *", "notify jobs"]) {
    expect(await client.query(sql)).toEqual([`ErrorResponse ERROR 0A000 no ${sql}`, "ReadyForQuery I"]);
  }
});
