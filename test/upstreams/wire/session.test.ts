/** One client of the wire upstream, before a server that the test plays. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { cancel, connect, copyIn, query } from "../../../src/client/mod.ts";
import { type BackendInput, type FrontendInput, fatal } from "../../../src/wire/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import { complete, copyInResponse, error, gateway, joined, login, raw, ready } from "./gateway.ts";
import { discard } from "./scripted-servers.ts";

describe("connecting", () => {
  test("as the gateway's user, with the client's settings", async () => {
    const { open, servers } = gateway({
      client: { user: "gateway", sslMode: "disable", parameters: { options: "-c a=1", search_path: "x" } },
    });
    const connecting = connect(await open(), {
      ...login,
      database: "front",
      parameters: { application_name: "app", options: "-c b=2", search_path: "y" },
    });
    const server = await servers.next();
    const { parameters } = await server.accept();
    expect(Object.fromEntries(parameters)).toEqual({
      user: "gateway",
      database: "gateway",
      client_encoding: "UTF8",
      application_name: "app",
      options: "-c a=1 -c b=2",
      search_path: "y",
    });
    await connecting;
  });

  test("the client is told the server's settings", async () => {
    const { open, servers } = gateway();
    const connecting = connect(await open(), login);
    const server = await servers.next();
    await server.expect("StartupMessage");
    server.send(
      { type: "AuthenticationOk" },
      { type: "ParameterStatus", name: "server_version", value: "99" },
      { type: "ParameterStatus", name: "custom", value: "c" },
      { type: "BackendKeyData", processId: 1, secretKey: new Uint8Array(4) },
      ready,
    );
    const client = await connecting;
    expect(Object.fromEntries(client.parameters)).toEqual({ server_version: "99", custom: "c" });
    // The key is the gateway's own.
    expect(client.secretKey.length).toBe(32);
  });

  test("the gateway's own password is not the client's matter", async () => {
    const { open, servers } = gateway();
    const outcome = errorOf(connect(await open(), login));
    const server = await servers.next();
    await server.expect("StartupMessage");
    server.send(error("FATAL", "28P01"));
    expect(await outcome).toBe("FATAL 08001 the gateway could not log in to the database server");
  });

  test("every other error is", async () => {
    for (const code of ["3D000", "53300", "42704", "57P03"]) {
      const { open, servers } = gateway();
      const outcome = errorOf(connect(await open(), login));
      const server = await servers.next();
      await server.expect("StartupMessage");
      server.send(error("FATAL", code));
      expect(await outcome).toBe(`FATAL ${code} told`);
    }
    const { open, servers } = gateway();
    servers.failure = fatal("08001", "connection refused");
    expect(await errorOf(connect(await open(), login))).toBe("FATAL 08001 connection refused");
  });
});

describe("messages pass", () => {
  test("as they are, with what comes between them", async () => {
    const seen: string[] = [];
    const { client, server } = await joined({
      onNotice: ({ message }) => seen.push(`notice ${message}`),
      onNotification: (channel, payload, processId) => seen.push(`${channel} ${payload} ${processId}`),
      onParameter: (name, value) => seen.push(`${name}=${value}`),
    });
    const result = query(client, "SELECT 1");
    expect(await server.expect("Query")).toEqual({ type: "Query", query: "SELECT 1" });
    server.send(
      { type: "NoticeResponse", fields: { severity: "NOTICE", code: "00000", message: "n" } },
      { type: "ParameterStatus", name: "TimeZone", value: "CET" },
      complete,
      { type: "NotificationResponse", processId: 77, channel: "c", payload: "p" },
      ready,
    );
    expect((await result)[0]?.tag).toBe("DONE");
    // And while nobody asks for anything.
    server.send({ type: "NotificationResponse", processId: 78, channel: "d", payload: "q" });
    server.send({ type: "ParameterStatus", name: "TimeZone", value: "EET" });
    await expect.poll(() => seen.length).toBe(5);
    expect(seen).toEqual(["notice n", "TimeZone=CET", "c p 77", "d q 78", "TimeZone=EET"]);
  });

  test("of the extended protocol too, untouched", async () => {
    const running = await joined();
    const { send, got } = raw(running);
    const odd: FrontendInput = {
      type: "Parse",
      statement: "s\u{fffd}",
      query: "?",
      parameterTypes: [0, 4_294_967_295],
    };
    send(odd, { type: "Describe", kind: "S", name: "s" }, { type: "Flush" });
    expect(await running.server.expect("Parse")).toEqual(odd);
    await running.server.expectAll("Describe", "Flush");
    running.server.send({ type: "ParseComplete" });
    running.server.send({ type: "NoData" });
    send({ type: "Sync" });
    await running.server.expect("Sync");
    running.server.send(ready);
    await expect.poll(() => got).toEqual(["1", "n", "Z"]);
  });
});

describe("cancel", () => {
  test("goes to the server, with the server's key", async () => {
    const { client, server, servers, open } = await joined();
    const running = errorOf(query(client, "SELECT pg_sleep(1)"));
    await server.expect("Query");
    await cancel(await open(), client, { sslMode: "disable" });
    const cancelling = await servers.next();
    expect(await cancelling.expect("CancelRequest")).toMatchObject({
      processId: 42,
      secretKey: Uint8Array.of(1, 2, 3, 4),
    });
    cancelling.close();
    server.send(error("ERROR", "57014"), ready);
    expect(await running).toBe("ERROR 57014 told");
  });

  test("while idle does not reach the server", async () => {
    const { client, server, servers, open } = await joined();
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    server.send(complete, ready);
    await result;
    await cancel(await open(), client, { sslMode: "disable" });
    await setTimeout(10);
    expect(servers.opened).toBe(1);
  });

  test("on its way holds the connection back from the next client", async () => {
    const { client, server, servers, open, closed } = await joined();
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    await cancel(await open(), client, { sslMode: "disable" });
    const cancelling = await servers.next();
    await cancelling.expect("CancelRequest");
    server.send(complete, ready);
    await result;
    client.close();
    let cleaned = false;
    const cleaning = discard(server).then(() => {
      cleaned = true;
    });
    await setTimeout(20);
    expect(cleaned).toBe(false);
    cancelling.close();
    await cleaning;
    await closed();
  });
});

describe("back-pressure", () => {
  test("a client that does not read stops the server", async () => {
    const running = gateway();
    const stream = await running.open();
    const connecting = connect(stream, login);
    const server = await running.servers.accepted();
    const client = await connecting;
    const reading = Promise.withResolvers<void>();
    const { onData } = stream;
    stream.onData = (chunk) => {
      onData(chunk);
      return reading.promise;
    };
    const result = query(client, "SELECT 1");
    await server.expect("Query");
    const row: BackendInput = { type: "DataRow", values: [new Uint8Array(50_000)] };
    const field = {
      name: "",
      tableOid: 0,
      columnAttribute: 0,
      typeOid: 17,
      typeSize: -1,
      typeModifier: -1,
      format: 1,
    };
    server.send({ type: "RowDescription", fields: [field] });
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent++) await server.send(row);
      server.send(complete, ready);
    })();
    await setTimeout(30);
    expect(sent).toBeLessThan(10);
    reading.resolve();
    stream.onData = onData;
    await sending;
    expect((await result)[0]?.rows.length).toBe(100);
  });

  test("a server that does not read stops the client", async () => {
    const { client, server } = await joined();
    let given = 0;
    function* source() {
      for (; given < 300; given++) yield new Uint8Array(40_000);
    }
    const copying = copyIn(client, "COPY", source());
    await server.expect("Query");
    const reading = Promise.withResolvers<void>();
    server.pause(reading.promise);
    server.send(copyInResponse);
    await setTimeout(50);
    expect(given).toBeLessThan(100);
    reading.resolve();
    for (let count = 0; count < 300; count++) await server.expect("CopyData");
    await server.expect("CopyDone");
    server.send(complete, ready);
    expect(await copying).toBe("DONE");
  });
});

test("a shutdown ends idle sessions at once, and others after their statement", async () => {
  const idle = await joined();
  for (const session of idle.sessions) session.shutdown();
  await discard(idle.server);
  await idle.closed();
  expect(await errorOf(query(idle.client, "SELECT 1"))).toMatch(/^FATAL 57P01/);

  const busy = await joined();
  const result = query(busy.client, "SELECT 1");
  await busy.server.expect("Query");
  for (const session of busy.sessions) session.shutdown();
  busy.server.send(complete, ready);
  expect((await result)[0]?.tag).toBe("DONE");
  await discard(busy.server);
  await busy.closed();
});
