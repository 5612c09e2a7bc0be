/** Sessions that are suspended while their client is idle, and go on as if nothing had been. */
import { describe, expect, test } from "vitest";
import {
  type ClientContext,
  memoryCancelRegistry,
  memoryNotificationBroker,
  type Result,
  type StatementSession,
} from "../../src/session/mod.ts";
import { protocol30, protocol32 } from "../../src/wire/mod.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  connect,
  copyData,
  copyDone,
  describeStatement,
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

describe("a session over a statement upstream", () => {
  test("says nothing, and lets go of its upstream", async () => {
    const script = scripted();
    const client = await connect({ ...script });
    const snapshot = await client.suspend();
    expect(snapshot).toMatchObject({
      format: 1,
      protocol: protocol30,
      user: "postgres",
      database: "postgres",
    });
    expect(script.calls).toEqual(["close"]);
    expect(script.client.signal.aborted).toBe(true);
    expect(client.take()).toEqual([]);
    expect(client.transport.ended || client.transport.destroyed).toBe(false);
  });

  test("goes on with its settings, and what RESET makes of them", async () => {
    const client = await connect(transactional(), { application_name: "first", TimeZone: "Europe/Berlin" });
    await client.query("set application_name = 'second'");
    await client.query("set app.own = 'mine'");
    await client.pause();
    expect(await client.query("show application_name")).toContain("DataRow second");
    expect(await client.query("show app.own")).toContain("DataRow mine");
    expect(await client.query("reset application_name")).toEqual([
      "CommandComplete RESET",
      "ParameterStatus application_name=first",
      "ReadyForQuery I",
    ]);
    expect(await client.query("show timezone")).toContain("DataRow Europe/Berlin");
    // Nothing is told that the client knows.
    expect(await client.query("set application_name = 'first'")).toEqual([
      "CommandComplete SET",
      "ReadyForQuery I",
    ]);
  });

  test("goes on with its prepared statements, named and unnamed, as they were described", async () => {
    let described = 0;
    const script = scripted({
      describe: ({ sql }) => {
        described++;
        return { parameterTypes: [23], columns: [{ name: sql, typeOid: 23 }] };
      },
    });
    const client = await connect(script);
    const named = "select $1 /* named */";
    await client.ask(parse(named, "named", [23]), describeStatement("named"), parse("select $1"), sync);
    await client.pause();
    expect(await client.ask(describeStatement("named"), sync)).toEqual([
      "ParameterDescription 23",
      "RowDescription select $1",
      "ReadyForQuery I",
    ]);
    expect(described).toBe(1);
    for (const statement of ["named", ""]) {
      expect(await client.ask(bind(["7"], { statement }), execute(), sync)).toContain("DataRow 7");
    }
    expect(await client.ask(parse("select $1", "named"), sync)).toEqual([
      'ErrorResponse ERROR 42P05 prepared statement "named" already exists',
      "ReadyForQuery I",
    ]);
    await client.query("deallocate named");
    await client.pause();
    expect((await client.ask(bind([], { statement: "named" }), sync))[0]).toMatch(
      /^ErrorResponse ERROR 26000/,
    );
    // The simple query took the unnamed one.
    expect((await client.ask(bind([]), sync))[0]).toMatch(/^ErrorResponse ERROR 26000/);
  });

  test("keeps an empty statement", async () => {
    const client = await connect(scripted());
    await client.ask(parse("", "nothing"), sync);
    await client.pause();
    expect(await client.ask(bind([], { statement: "nothing" }), execute(), sync)).toEqual([
      "BindComplete",
      "EmptyQueryResponse",
      "ReadyForQuery I",
    ]);
  });

  test.each([
    ["3.0", protocol30],
    ["3.2", protocol32],
  ])("keeps its process id and key, of protocol %s", async (_, version) => {
    const cancels = memoryCancelRegistry();
    const script = scripted({ query: () => new Promise<Result>(() => {}) });
    const client = new TestClient({ ...script, cancels });
    void client.sendBytes(startup({}, version));
    await client.until("ReadyForQuery");
    const { processId, secretKey } = client.last("BackendKeyData");
    client.take();
    const snapshot = await client.suspend();
    expect(cancels.size).toBe(0);
    if (!snapshot) throw new Error("not suspended");
    client.resume(snapshot);
    await settled();
    expect(script.client.processId).toBe(processId);
    void client.send(query("wait"));
    await settled();
    await cancels.cancel(processId, secretKey);
    await client.until("ReadyForQuery");
    expect(client.take()[0]).toMatch(/57014/);
    await client.vanish();
    expect(cancels.size).toBe(0);
  });

  test("many times over, with what comes at once, cut anywhere", async () => {
    const client = await connect(transactional());
    for (let time = 0; time < 3; time++) {
      const snapshot = await client.suspend();
      if (!snapshot) throw new Error("not suspended");
      client.resume(snapshot);
      const bytes = bytesOf([...run("select $1", String(time)), sync, query("select x")]);
      for (const byte of bytes) void client.session.receive(Uint8Array.of(byte));
      await client.until("ReadyForQuery", 2);
      const answer = client.take();
      expect(answer).toContain(`DataRow ${time}`);
      expect(answer).toContain("DataRow x");
    }
  });

  test("its client leaves while it comes back", async () => {
    const script = scripted();
    const reconnecting = Promise.withResolvers<StatementSession>();
    let connects = 0;
    const upstream = {
      connect: (context: ClientContext) =>
        connects++ === 0 ? script.upstream.connect(context) : reconnecting.promise,
    };
    const client = await connect({ upstream });
    await client.pause();
    await settled();
    client.session.end();
    let closed = 0;
    reconnecting.resolve({ query: () => ({ type: "command", tag: "X" }), close: () => void closed++ });
    await client.untilClosed();
    await settled();
    expect(closed).toBe(1);
  });

  test("one that another version of the gateway has suspended is FATAL", async () => {
    const client = await connect(scripted());
    const snapshot = await client.suspend();
    if (!snapshot) throw new Error("not suspended");
    client.resume({ ...snapshot, format: 2 });
    await client.untilClosed();
    expect(client.take()[0]).toMatch(
      /^ErrorResponse FATAL 08006 the session was suspended by another version/,
    );
  });

  test("an upstream that is gone by then is FATAL", async () => {
    const client = await connect(scripted());
    const snapshot = await client.suspend();
    if (!snapshot) throw new Error("not suspended");
    client.resume(snapshot, { upstream: () => undefined });
    await client.untilClosed();
    expect(client.take()).toEqual(['ErrorResponse FATAL 3D000 database "postgres" does not exist']);
    expect(client.transport.ended).toBe(true);
  });
});

describe("is not suspended", () => {
  const refused = async (client: TestClient): Promise<void> => {
    expect(await client.session.suspend()).toBeUndefined();
  };

  test("before its startup is done", async () => {
    const client = new TestClient(scripted());
    await refused(client);
    void client.sendBytes(startup());
    await refused(client);
    await client.until("ReadyForQuery");
  });

  test("in a transaction, whole or failed", async () => {
    const client = await connect(transactional());
    await client.query("begin");
    await refused(client);
    await client.query("fail");
    await refused(client);
    await client.query("rollback");
    expect(await client.suspend()).toBeDefined();
  });

  test("while a statement runs, and with others behind it", async () => {
    const results: PromiseWithResolvers<Result>[] = [];
    const client = await connect(
      scripted({
        query: () => {
          results.push(Promise.withResolvers<Result>());
          return (results.at(-1) as PromiseWithResolvers<Result>).promise;
        },
      }),
    );
    void client.send(query("a"), query("b"));
    await refused(client);
    results[0]?.resolve({ type: "command", tag: "A" });
    await settled();
    await refused(client);
    results[1]?.resolve({ type: "command", tag: "B" });
    await client.until("ReadyForQuery", 2);
    await settled();
    expect(await client.suspend()).toBeDefined();
  });

  test("with half a message", async () => {
    const client = await connect(scripted());
    const [first, ...rest] = bytesOf([query("select 1")]);
    await client.sendBytes(Uint8Array.of(first as number));
    await refused(client);
    await client.sendBytes(Uint8Array.from(rest));
    await client.until("ReadyForQuery");
    expect(await client.suspend()).toBeDefined();
  });

  test.each([
    ["with transactions", transactional],
    ["without", scripted],
  ])("in a pipeline without its Sync, over an upstream %s", async (_, upstream) => {
    const client = await connect(upstream());
    await client.send(parse("select 1"));
    await refused(client);
    await client.send(bind(), execute(), flush);
    await client.until("CommandComplete");
    await refused(client);
    await client.send(
      {
        type: "Bind",
        statement: "nosuch",
        portal: "",
        parameterFormats: [],
        parameters: [],
        resultFormats: [],
      },
      flush,
    );
    await client.until("ErrorResponse");
    await refused(client);
    await client.ask(sync);
    expect(await client.suspend()).toBeDefined();
  });

  test("in a COPY", async () => {
    const client = await connect(
      scripted({
        query: () => ({
          type: "copyIn",
          format: 0,
          columnFormats: [],
          receive: async (data) => {
            let count = 0;
            for await (const _ of data) count++;
            return `COPY ${count}`;
          },
        }),
      }),
    );
    void client.send(query("copy t from stdin"));
    await client.until("CopyInResponse");
    await refused(client);
    await client.send(copyData("1\n"), copyDone);
    await client.until("ReadyForQuery");
    await settled();
    expect(await client.suspend()).toBeDefined();
  });

  test("when it is over, or is to be", async () => {
    const client = await connect(scripted());
    await client.vanish();
    await refused(client);
  });

  test("over an upstream that has settings of its own, or is asked to listen", async () => {
    await refused(await connect(scripted({ settings: "upstream" })));
    const client = await connect(scripted({ listen: () => {}, unlisten: () => {} }));
    await client.query("listen jobs");
    await refused(client);
    await client.query("unlisten *");
    expect(await client.suspend()).toBeDefined();
  });

  test("over a relay that cannot", async () => {
    const client = await connect({
      upstream: {
        connect: () => ({
          relay: () => ({ send: () => {}, flush: () => {}, cancel: () => {}, close: () => {} }),
        }),
      },
    });
    await refused(client);
  });
});

describe("an upstream with a state of its own", () => {
  function keeping(state: () => unknown) {
    const resumed: unknown[] = [];
    const script: Scripted = scripted();
    const upstream = {
      connect: async (context: ClientContext, kept?: unknown) => {
        resumed.push(kept);
        const session = (await script.upstream.connect(context)) as StatementSession;
        return { ...session, settings: "upstream" as const, suspend: async () => state() };
      },
    };
    return { upstream, resumed, script };
  }

  test("gets it back", async () => {
    const { upstream, resumed } = keeping(() => ({ token: "x" }));
    const client = await connect({ upstream });
    await client.pause();
    await settled();
    expect(resumed).toEqual([undefined, { token: "x" }]);
  });

  test("may say no, or fail, and goes on", async () => {
    const errors: string[] = [];
    const states = [
      () => undefined,
      () => {
        throw new Error("no state");
      },
    ];
    const { upstream, script } = keeping(() => states.shift()?.());
    const client = await connect({
      upstream,
      onError: (error) => {
        errors.push(error.message);
        return undefined;
      },
    });
    expect(await client.session.suspend()).toBeUndefined();
    expect(await client.session.suspend()).toBeUndefined();
    expect(errors).toEqual(["no state"]);
    expect(await client.query("select x")).toContain("DataRow x");
    expect(script.calls).toEqual(["query select x"]);
  });

  test("what comes while it is asked is served by the session, which is not suspended", async () => {
    const asked = Promise.withResolvers<unknown>();
    const { upstream, script } = keeping(() => asked.promise);
    const client = await connect({ upstream });
    const suspending = client.session.suspend();
    void client.send(query("select x"));
    await settled();
    expect(script.calls).toEqual([]);
    expect(client.take()).toEqual([]);
    asked.resolve({});
    expect(await suspending).toBeUndefined();
    await client.until("ReadyForQuery");
    expect(client.take()).toContain("DataRow x");
  });

  test("as is the end of its client", async () => {
    const asked = Promise.withResolvers<unknown>();
    const { upstream, script } = keeping(() => asked.promise);
    const client = await connect({ upstream });
    const suspending = client.session.suspend();
    await client.vanish();
    asked.resolve({});
    expect(await suspending).toBeUndefined();
    expect(script.calls).toEqual(["close"]);
  });

  test("a notice that is pushed meanwhile is not lost", async () => {
    const asked = Promise.withResolvers<unknown>();
    const { upstream, script } = keeping(() => asked.promise);
    const client = await connect({ upstream });
    const suspending = client.session.suspend();
    script.client.notice("hear this");
    script.client.notify("jobs", "one", 7);
    asked.resolve({});
    expect(await suspending).toBeUndefined();
    expect(client.take()).toEqual([
      "NoticeResponse NOTICE 00000 hear this",
      "NotificationResponse 7 jobs one",
    ]);
  });
});

describe("idle_session_timeout", () => {
  test("goes on while the session is suspended", async () => {
    const client = await connect({ ...scripted(), limits: { idleTimeout: 60_000 } });
    const before = Date.now();
    const snapshot = await client.suspend();
    expect(snapshot?.deadline).toBeGreaterThan(before + 50_000);
    expect(snapshot?.deadline).toBeLessThanOrEqual(Date.now() + 60_000);
    if (!snapshot) throw new Error("not suspended");
    client.resume({ ...snapshot, deadline: Date.now() - 1 });
    await client.untilClosed();
    expect(client.take()).toEqual([
      "ErrorResponse FATAL 57P05 terminating connection due to idle-session timeout",
    ]);
  });

  test("none, none", async () => {
    const client = await connect(scripted());
    expect(await client.suspend()).not.toHaveProperty("deadline");
  });
});

describe("channels of a broker", () => {
  test("without a way to wake it, a session that listens is not suspended", async () => {
    const client = await connect({ ...scripted(), notifications: memoryNotificationBroker() });
    await client.query("listen jobs");
    expect(await client.session.suspend()).toBeUndefined();
    await client.query("unlisten jobs");
    expect(await client.suspend()).toMatchObject({ channels: [] });
  });

  test("with one they go on", async () => {
    const broker = memoryNotificationBroker();
    let suspended = 0;
    const notifications = {
      join: async (member: Parameters<typeof broker.join>[0]) => {
        const membership = await broker.join(member);
        return { ...membership, suspend: () => void suspended++ };
      },
    };
    const client = await connect({ ...scripted(), notifications });
    const other = await connect({ ...scripted(), notifications });
    await client.query("listen jobs");
    expect(await client.pause()).toMatchObject({ channels: ["jobs"] });
    expect(suspended).toBe(1);
    await settled();
    await other.query("notify jobs, 'one'");
    expect(client.take()).toEqual([expect.stringMatching(/^NotificationResponse \d+ jobs one$/)]);
    expect(await client.query("unlisten *")).toEqual(["CommandComplete UNLISTEN", "ReadyForQuery I"]);
  });
});
