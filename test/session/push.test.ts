import { describe, expect, test } from "vitest";
import { type Scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

/** `slow` ends when `finish` is called; `push` pushes one of each kind while it runs, at once. */
function pushing(): Scripted & { finish(): void } {
  const finished = Promise.withResolvers<void>();
  const script: Scripted & { finish(): void } = Object.assign(
    transactional({
      query: ({ sql }) => {
        const done = { type: "command", tag: sql.toUpperCase() } as const;
        if (sql === "slow") return finished.promise.then(() => done);
        if (sql !== "push") return done;
        script.client.notify("c", "p", 1);
        script.client.notice("look");
        script.client.setParameter("TimeZone", "Asia/Tokyo");
        return done;
      },
    }),
    { finish: finished.resolve },
  );
  return script;
}

describe("while the client is idle", () => {
  test("notices, notifications and settings go out at once", async () => {
    const script = pushing();
    const client = await connect(script);
    script.client.notice("maintenance in 5 minutes", { severity: "WARNING", code: "01000", hint: "Hurry." });
    expect(client.last("NoticeResponse").fields.hint).toBe("Hurry.");
    script.client.notify("events", '{"a":1}', 42);
    script.client.notify("events", "");
    script.client.setParameter("server_version", "19.0");
    const own = script.client.processId;
    expect(client.take()).toEqual([
      "NoticeResponse WARNING 01000 maintenance in 5 minutes",
      'NotificationResponse 42 events {"a":1}',
      `NotificationResponse ${own} events`,
      "ParameterStatus server_version=19.0",
    ]);
    expect(client.transport.writes).toHaveLength(5);
  });

  test("the defaults of a notice", async () => {
    const script = pushing();
    const client = await connect(script);
    script.client.notice("hello");
    expect(client.take()).toEqual(["NoticeResponse NOTICE 00000 hello"]);
  });

  test("a setting is told once, and shown by SHOW", async () => {
    const script = pushing();
    const client = await connect(script);
    script.client.setParameter("timezone", "Asia/Tokyo");
    script.client.setParameter("TimeZone", "Asia/Tokyo");
    expect(client.take()).toEqual(["ParameterStatus TimeZone=Asia/Tokyo"]);
    expect(await client.query("show timezone")).toContain("DataRow Asia/Tokyo");
    expect(script.client.parameters.get("TimeZone")).toBe("Asia/Tokyo");
  });

  test("before the client has sent anything behind its startup", async () => {
    const script = pushing();
    const client = new TestClient(script);
    void client.sendBytes(startup());
    await client.until("ReadyForQuery");
    client.take();
    script.client.notify("c", "first", 1);
    await settled();
    expect(client.take()).toEqual(["NotificationResponse 1 c first"]);
  });

  test("in the same breath as the ReadyForQuery", async () => {
    const script = pushing();
    const client = await connect(script);
    void client.send(query("slow"));
    await settled();
    client.transport.onChange = () => {
      client.transport.onChange = () => {};
      script.client.notify("c", "early", 1);
    };
    script.finish();
    await settled();
    expect(client.take()).toEqual([
      "CommandComplete SLOW",
      "ReadyForQuery I",
      "NotificationResponse 1 c early",
    ]);
  });

  test("to a client that has just become idle, and was slow to read", async () => {
    const script = pushing();
    const client = await connect(script);
    client.transport.full = true;
    void client.send(query("x"));
    await client.until("ReadyForQuery");
    script.client.notify("c", "p", 1);
    script.client.notice("look");
    script.client.setParameter("TimeZone", "Asia/Tokyo");
    client.transport.drain();
    await settled();
    const lines = client.take();
    expect(lines.slice(0, 2)).toEqual(["CommandComplete X", "ReadyForQuery I"]);
    expect(lines.slice(2).sort()).toEqual([
      "NoticeResponse NOTICE 00000 look",
      "NotificationResponse 1 c p",
      "ParameterStatus TimeZone=Asia/Tokyo",
    ]);
  });
});

describe("while a statement runs", () => {
  test("a notice comes in order, the others right before ReadyForQuery", async () => {
    const client = await connect(pushing());
    const pushed = [
      "NoticeResponse NOTICE 00000 look",
      "CommandComplete PUSH",
      "NotificationResponse 1 c p",
      "ParameterStatus TimeZone=Asia/Tokyo",
      "ReadyForQuery I",
    ];
    expect(await client.query("push")).toEqual(pushed);
  });

  test("that is waited for", async () => {
    const script = pushing();
    const client = await connect(script);
    void client.send(query("slow"));
    await settled();
    script.client.notify("c", "p", 1);
    script.client.setParameter("TimeZone", "Asia/Tokyo");
    await settled();
    expect(client.take()).toEqual([]);
    script.finish();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([
      "CommandComplete SLOW",
      "NotificationResponse 1 c p",
      "ParameterStatus TimeZone=Asia/Tokyo",
      "ReadyForQuery I",
    ]);
  });

  test("in a pipeline: at Sync, not at Flush", async () => {
    const script = pushing();
    const client = await connect(script);
    void client.send(...run("push"), flush);
    await settled();
    script.client.notify("c", "q", 1);
    await settled();
    expect(client.take()).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoticeResponse NOTICE 00000 look",
      "NoData",
      "CommandComplete PUSH",
    ]);
    expect(await client.ask(sync)).toEqual([
      "NotificationResponse 1 c p",
      "NotificationResponse 1 c q",
      "ParameterStatus TimeZone=Asia/Tokyo",
      "ReadyForQuery I",
    ]);
  });
});

describe("in a transaction block", () => {
  test("notifications wait for its end, notices and settings do not", async () => {
    const script = pushing();
    const client = await connect(script);
    await client.query("begin");
    script.client.notify("c", "p", 1);
    script.client.notice("look");
    await settled();
    expect(client.take()).toEqual(["NoticeResponse NOTICE 00000 look"]);
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery T"]);
    expect(await client.query("commit")).toEqual([
      "CommandComplete COMMIT",
      "NotificationResponse 1 c p",
      "ReadyForQuery I",
    ]);
  });

  test("those of a failed one are told behind it, too", async () => {
    const script = pushing();
    const client = await connect(script);
    await client.query("begin");
    await client.query("set nosuch = 1");
    script.client.notify("c", "p", 1);
    await settled();
    expect(client.take()).toEqual([]);
    expect(await client.ask(parse("rollback"), bind(), execute(), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "CommandComplete ROLLBACK",
      "NotificationResponse 1 c p",
      "ReadyForQuery I",
    ]);
  });
});

test("to a client that has gone: nothing", async () => {
  const script = pushing();
  const client = await connect(script);
  const sent = client.transport.writes.length;
  await client.vanish();
  script.client.notify("c", "p");
  script.client.notice("look");
  script.client.setParameter("TimeZone", "Asia/Tokyo");
  await settled();
  expect(client.transport.writes.length).toBe(sent);
});
