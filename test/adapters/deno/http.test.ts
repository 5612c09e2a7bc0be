// HTTP and WebSockets on Deno: sessions over frames, back-pressure, the cap, close(), and a certificate that is read again.
import { request } from "node:https";
import { setTimeout } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { afterAll, afterEach, expect, test } from "vitest";
import { frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "../node/certificates.ts";
import { destroyClients, query, sslRequest, startup } from "../node/raw-client.ts";
import { connectWebSocket, type WebSocketClient } from "../node/websocket-server.ts";
import { DenoServer, type Remote } from "./deno-process.ts";

const deno = new DenoServer();
const certificates = certificateFolder();
const database = { database: "any" };
const goodbye = "FATAL 57P01: terminating connection due to administrator command";

/** Rows of 1,000 characters that are well beyond what buffers hold, and what these may. */
const many = 40_000;
const slack = 20 * 1024 * 1024;

afterEach(async () => {
  destroyClients();
  await deno.reset();
});

afterAll(async () => {
  await deno.stop();
  certificates.remove();
});

const connect = ({ port }: Remote): Promise<WebSocketClient> => connectWebSocket(`ws://127.0.0.1:${port}/v2`);

async function login(remote: Remote): Promise<WebSocketClient> {
  const connected = await connect(remote);
  await connected.client.login(database);
  return connected;
}

const running = (remote: Remote) => expect.poll(async () => (await remote.counts()).running);

test("serves a session, which knows its client's address", async () => {
  const remote = await deno.startHttp();
  const { client } = await connect(remote);
  client.send(sslRequest);
  expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
  await client.login(database);
  expect(await client.query("select 1")).toContain("select 1");
  expect(await remote.logins()).toEqual([{ address: "127.0.0.1" }]);
  expect(await remote.size()).toBe(1);
});

test("answers SQL over HTTP", async () => {
  const remote = await deno.startHttp();
  const answer = await fetch(`http://127.0.0.1:${remote.port}/sql`, {
    method: "POST",
    headers: { "neon-connection-string": "postgres://me@h/any" },
    body: '{"query": "select 1"}',
  });
  expect(await answer.json()).toMatchObject({ rows: [{ sql: "select 1" }] });
  expect(await (await fetch(`http://127.0.0.1:${remote.port}/health`)).json()).toEqual({ status: "ok" });
});

test("closes with 1003 over a text frame, and with 1000 at the end", async () => {
  const remote = await deno.startHttp();
  const texting = await connect(remote);
  texting.socket.send("hello");
  expect(await texting.closed).toMatchObject({ code: 1003 });
  const leaving = await login(remote);
  leaving.client.send(frontendBytes({ type: "Terminate" }));
  expect(await leaving.closed).toMatchObject({ code: 1000 });
});

test("a client that does not read holds the upstream back", async () => {
  const remote = await deno.startHttp();
  const { client, socket } = await login(remote);
  const before = (await deno.call("memory")).external;
  socket.pause();
  client.send(query(`rows ${many}`));
  let made = 0;
  for (let last = -1; last !== made || made === 0; await setTimeout(300)) {
    last = made;
    made = (await remote.counts()).rows;
  }
  expect(made * 1_000).toBeLessThan(slack);
  expect((await deno.call("memory")).external - before).toBeLessThan(slack);
  socket.resume();
  await client.until("CommandComplete");
  expect((await remote.counts()).rows).toBe(many);
});

test("a connection that is lost cancels what runs", async () => {
  const remote = await deno.startHttp();
  const { client, socket } = await login(remote);
  client.send(query("wait"));
  await running(remote).toBe(1);
  socket.terminate();
  await expect.poll(async () => (await remote.counts()).aborted).toBe(1);
  await expect.poll(() => remote.size()).toBe(0);
});

test("tells the client that is one too many so", async () => {
  const remote = await deno.startHttp({ maxConnections: 1 });
  await login(remote);
  const { client } = await connect(remote);
  client.send(startup(database));
  expect(await client.end()).toEqual(["FATAL 53300: sorry, too many clients already"]);
});

test("tells idle clients at its end, lets statements finish, and refuses upgrades from then on", async () => {
  const remote = await deno.startHttp();
  const idle = await login(remote);
  const busy = await login(remote);
  busy.client.send(query("wait 700"));
  await running(remote).toBe(1);
  const closed = remote.close();
  expect(await idle.client.end()).toEqual([goodbye]);
  expect(await idle.closed).toMatchObject({ code: 1001 });
  await expect(connect(remote)).rejects.toThrow("503");
  expect(await busy.client.end()).toEqual(["WAIT", "ready I", goodbye]);
  await closed;
  await expect(connect(remote)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("serves https, and another certificate after a reload", async () => {
  const tls = certificates.write("server", makeCertificate({ names: ["before"] }));
  const remote = await deno.startHttp({ tls });
  expect(await servedName(remote)).toBe("before");
  certificates.write("server", makeCertificate({ names: ["after"] }));
  const standing = await connectWebSocket(`wss://127.0.0.1:${remote.port}/v2`, { rejectUnauthorized: false });
  await standing.client.login(database);
  await remote.reload();
  // Deno has no other way than to begin anew.
  expect(await standing.client.end()).toEqual([goodbye]);
  await expect.poll(() => servedName(remote).catch(String)).toBe("after");
  certificates.write("server", { ...makeCertificate({ names: ["unusable"] }), cert: "nothing" });
  await expect(remote.reload()).rejects.toThrow("there is no certificate in");
  expect(await servedName(remote)).toBe("after");
});

function servedName({ port }: Remote): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/health", rejectUnauthorized: false, agent: false };
    const asked = request(options, (answer) => {
      resolve((answer.socket as TLSSocket).getPeerCertificate().subject.CN);
      answer.destroy();
    });
    asked.once("error", reject).end();
  });
}
