/** What a client of a shared backend sees of it, and the backend of the client, over a backend that the test plays. */
import { afterEach, describe, expect, test } from "vitest";
import { copyData, copyDone, parse, query, run, settled, sync } from "../../session/test-client.ts";
import { FakeBackend, ready, row } from "./fake-backend.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
afterEach(() => database.close());

async function start(count = 1): Promise<{ backend: FakeBackend; clients: SharedClient[] }> {
  const backend = new FakeBackend();
  database = new SharedDatabase(backend);
  const clients: SharedClient[] = [];
  for (let at = 0; at < count; at++) clients.push(await database.client());
  await settled();
  backend.received.length = 0;
  return { backend, clients };
}

async function one(): Promise<{ backend: FakeBackend; client: SharedClient }> {
  const { backend, clients } = await start(1);
  return { backend, client: clients[0] as SharedClient };
}

describe("back-pressure", () => {
  test("of the backend holds the client back", async () => {
    const { backend, client } = await one();
    await client.query("select 1");
    const gate = Promise.withResolvers<void>();
    backend.pressure = gate.promise;
    const chunk = query(`select '${"x".repeat(300_000)}'`);
    void client.send(chunk);
    const pressure = client.send(chunk);
    expect(pressure).toBeInstanceOf(Promise);
    let told = false;
    void Promise.resolve(pressure).then(() => {
      told = true;
    });
    await settled();
    expect(told).toBe(false);
    backend.pressure = undefined;
    gate.resolve();
    await pressure;
  });

  test("of a turn that another client has, too", async () => {
    const { backend, clients } = await start(2);
    const [a, b] = clients as [SharedClient, SharedClient];
    backend.held = /held/;
    void b.send(query("held"));
    await settled();
    void a.send(query("held"));
    // Behind the answer to the first of them, it is a's turn.
    void b.send(query("select 1"));
    await settled();
    void backend.say(...row("x"), ready());
    await settled();
    const pressure = Array.from({ length: 10 }, () => b.send(query(`select '${"x".repeat(100_000)}'`))).at(
      -1,
    );
    expect(pressure).toBeInstanceOf(Promise);
    void backend.say(...row("x"), ready());
    await pressure;
    await b.until("ReadyForQuery", 12);
  });

  test("of the client holds the backend back, until the client reads or goes", async () => {
    const { backend, client } = await one();
    await client.query("select 1");
    backend.held = /big/;
    client.transport.full = true;
    void client.send(query("big"));
    await settled();
    const pressure = backend.say(...row("x"));
    expect(pressure).toBeInstanceOf(Promise);
    client.transport.drain();
    await pressure;
    client.transport.full = true;
    const again = backend.say(...row("x"));
    expect(again).toBeInstanceOf(Promise);
    client.session.end();
    await again;
    void backend.say(ready());
  });
});

describe("a change of turns", () => {
  test("costs no message while the client stays the same", async () => {
    const { backend, client } = await one();
    await client.query("select 1");
    backend.received.length = 0;
    await client.query("select 2");
    await client.query("select 3");
    expect(backend.queries()).toEqual(["select 2", "select 3"]);
  });

  test("is sent together with the client's own messages", async () => {
    const { backend, clients } = await start(2);
    const [a, b] = clients as [SharedClient, SharedClient];
    await a.query("select 'a'");
    await b.query("select 'b'");
    await a.query("select 'a'");
    backend.received.length = 0;
    const before = b.transport.writes.length;
    await b.query("select 'b'");
    expect(backend.queries().at(-1)).toBe("select 'b'");
    // Nothing of it shows.
    expect(b.transport.writes.length).toBe(before + 1);
  });
});

describe("cancel", () => {
  test("of the running statement reaches the backend", async () => {
    const { backend, client } = await one();
    backend.held = /long/;
    void client.send(query("long"));
    await settled();
    await client.cancel();
    expect(backend.cancels).toBe(1);
    void backend.say(ready());
  });

  test("of an idle client does not, nor of one in a transaction that does nothing", async () => {
    const { backend, client } = await one();
    await client.cancel();
    backend.held = /begin/;
    void client.send(query("begin"));
    await settled();
    void backend.say({ type: "CommandComplete", tag: "BEGIN" }, ready("T"));
    await settled();
    await client.cancel();
    expect(backend.cancels).toBe(0);
  });

  test("of a message that came while the turn before it was still ending is not lost", async () => {
    const { backend, client } = await one();
    // The turn's end asks for the channels, and waits for the answer.
    backend.held = /listen|long/;
    void client.send(query("listen one"));
    await settled();
    void backend.say({ type: "CommandComplete", tag: "LISTEN" }, ready());
    await settled();
    void client.send(query("long"));
    await settled();
    void backend.say(...row("one"), ready());
    await settled();
    expect(backend.queries().at(-1)).toBe("long");
    await client.cancel();
    expect(backend.cancels).toBe(1);
    void backend.say(ready());
  });
});

describe("the end of the backend", () => {
  const lost = "ErrorResponse FATAL 08006 the database ended unexpectedly";

  test("ends every client, whatever it does", async () => {
    const { backend, clients } = await start(3);
    const [idle, busy, waiting] = clients as [SharedClient, SharedClient, SharedClient];
    backend.held = /long/;
    void busy.send(query("long"));
    await settled();
    void waiting.send(query("select 1"));
    await settled();
    backend.onClose(new Error("out of memory"));
    for (const client of [idle, busy, waiting]) {
      await client.untilClosed();
      client.read();
      expect(client.last("ErrorResponse").fields.detail).toBe("out of memory");
      expect(client.take().at(-1)).toBe(lost);
    }
    await expect(database.client()).rejects.toThrow(/the database ended unexpectedly/);
  });

  test("in the middle of a query of the gateway's own", async () => {
    const { backend, clients } = await start(2);
    const [a, b] = clients as [SharedClient, SharedClient];
    await a.query("set x = 1");
    backend.held = /./;
    void b.send(query("select 1"));
    await settled();
    backend.onClose(undefined);
    for (const client of [a, b]) {
      await client.untilClosed();
      expect(client.take().at(-1)).toBe(lost);
    }
  });

  test("while a client leaves: the session still closes", async () => {
    const { backend, client } = await one();
    backend.held = /./;
    void client.send(query("select 1"));
    await settled();
    client.session.end();
    await settled();
    backend.onClose(undefined);
    await client.untilClosed();
  });
});

describe("frames", () => {
  test("that are cut anywhere arrive whole", async () => {
    const { backend, client } = await one();
    await client.query("warm up");
    backend.held = /select 1/;
    void client.send(query("select 1"));
    await settled();
    const bytes: number[] = [];
    const collect = backend.onData;
    backend.onData = (chunk) => {
      bytes.push(...chunk);
    };
    void backend.say(...row("x"), ...row("y"), ready());
    backend.onData = collect;
    for (const byte of bytes) void collect(Uint8Array.of(byte));
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([
      "RowDescription a",
      "DataRow x",
      "CommandComplete SELECT 1",
      "RowDescription a",
      "DataRow y",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
  });

  test("of one chunk leave in one write, uncopied", async () => {
    const { backend, client } = await one();
    await client.query("warm up");
    backend.held = /select 1/;
    void client.send(query("select 1"));
    await settled();
    const before = client.transport.writes.length;
    let chunk: Uint8Array = new Uint8Array(0);
    const collect = backend.onData;
    backend.onData = (bytes) => {
      chunk = bytes;
      return collect(bytes);
    };
    void backend.say(...row("x"), ...row("y"));
    const writes = client.transport.writes.slice(before);
    expect(writes).toHaveLength(1);
    expect(writes[0]?.buffer).toBe(chunk.buffer);
    void collect(Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49));
  });

  test("that nobody asked for, while no client has a turn, are dropped; notices among them", async () => {
    const { backend, client } = await one();
    void backend.say({
      type: "NoticeResponse",
      fields: { severity: "WARNING", code: "01000", message: "from a background worker" },
    });
    await settled();
    expect(client.take()).toEqual([]);
    expect(await client.query("select 1")).toHaveLength(4);
  });
});

describe("a COPY", () => {
  test("that a text only may begin: what is behind it waits for the answer", async () => {
    const { backend, client } = await one();
    backend.held = /copy/;
    void client.send(query("copy t from stdin"), copyData("1"), copyDone, query("select 1"));
    await settled();
    expect(backend.received.map(({ type }) => type).slice(-1)).toEqual(["Query"]);
    void backend.say({ type: "CopyInResponse", format: 0, columnFormats: [] });
    await settled();
    expect(backend.received.map(({ type }) => type).slice(-3)).toEqual(["Query", "CopyData", "CopyDone"]);
    void backend.say({ type: "CommandComplete", tag: "COPY 1" }, ready());
    await client.until("ReadyForQuery", 2);
    expect(client.take().slice(0, 3)).toEqual([
      "CopyInResponse 0",
      "CommandComplete COPY 1",
      "ReadyForQuery I",
    ]);
  });

  test("that fails: its data is not sent on as messages", async () => {
    const { backend, client } = await one();
    backend.held = /copy/;
    void client.send(query("copy t from stdin"), copyData("1"), copyDone, query("select 1"));
    await settled();
    const fields = { severity: "ERROR", code: "42P01", message: "no table" } as const;
    void backend.say({ type: "ErrorResponse", fields }, ready());
    await client.until("ReadyForQuery", 2);
    expect(client.take().at(-1)).toBe("ReadyForQuery I");
  });
});

test("the backend is closed once, with the upstream", async () => {
  const { backend } = await one();
  await database.upstream.close?.();
  await database.upstream.close?.();
  expect(backend.closes).toBe(1);
});

test("a client that leaves without ever having had a turn costs nothing", async () => {
  const { backend, client } = await one();
  await client.vanish();
  expect(backend.received).toEqual([]);
});

test("a pipeline that never gets its Sync keeps nobody waiting", async () => {
  const { backend, clients } = await start(2);
  const [a, b] = clients as [SharedClient, SharedClient];
  void a.send(...run("select 1"), parse("select 2"));
  await settled();
  expect(backend.received).toEqual([]);
  expect(await b.query("select 1")).toHaveLength(4);
  expect((await a.ask(sync)).at(-1)).toBe("ReadyForQuery I");
});
