// A database in a folder: it stays there, it is one process's at a time, and it survives the end of that process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openPglite } from "../../../adapters/node/pglite.ts";
import { frontendBytes } from "../../wire/bytes.ts";
import { outline, PgliteClient, query } from "./pglite-client.ts";

const parent = mkdtempSync(join(tmpdir(), "edgewire-pglite-"));
const folder = join(parent, "a", "data");

afterAll(() => rmSync(parent, { recursive: true, force: true }));

async function withDatabase<T>(run: (client: PgliteClient) => Promise<T>): Promise<T> {
  const client = new PgliteClient(await openPglite(folder));
  try {
    return await run(client);
  } finally {
    await client.backend.close();
  }
}

test("persists, makes the folder, and refuses a second opening", async () => {
  await withDatabase(async (client) => {
    await client.run("CREATE TABLE kept (a int)");
    await client.run("INSERT INTO kept SELECT generate_series(1, 1000)");
    await expect(openPglite(folder)).rejects.toThrow(`${folder} is in use by process ${process.pid}`);
    expect(await client.run("SELECT count(*) FROM kept")).toContain("1000");
  });
  expect(existsSync(join(folder, "edgewire.lock"))).toBe(false);
  await withDatabase(async (client) => {
    expect(await client.run("SELECT count(*) FROM kept")).toContain("1000");
  });
}, 180_000);

test("closes in the middle of a transaction, a statement, a COPY or a result that nobody takes", async () => {
  await withDatabase(async (client) => {
    await client.run("BEGIN");
    await client.run("INSERT INTO kept VALUES (-1)");
  });
  await withDatabase(async ({ backend }) => {
    void backend.send(query("SELECT pg_sleep(1000000)"));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  await withDatabase(async (client) => {
    void client.backend.send(query("COPY kept FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    void client.backend.send(frontendBytes({ type: "CopyData", data: new TextEncoder().encode("-2\n") }));
  });
  await withDatabase(async ({ backend }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.onData = () => {
      resolve();
      return new Promise(() => {});
    };
    void backend.send(query("SELECT generate_series(1, 100000000)"));
    await promise;
  });
  await withDatabase(async (client) => {
    expect(await client.run("SELECT count(*) FROM kept")).toContain("1000");
  });
}, 180_000);

test("says why it ended, hands out what it said before, and can be opened again", async () => {
  const client = new PgliteClient(await openPglite(folder));
  await client.run("INSERT INTO kept VALUES (2000)");
  // A message type that does not exist ends a session with a FATAL error, and with it this PostgreSQL.
  void client.backend.send(Uint8Array.of(0x7a, 0, 0, 0, 4));
  const error = await client.closed;
  expect(error?.message).toContain("the embedded PostgreSQL ended");
  expect(error?.message).toContain("invalid frontend message type 122");
  expect(outline(client.take().messages)).toEqual(["FATAL 08P01: invalid frontend message type 122"]);
  expect(client.backend.cancel()).toBe(false);
  void client.backend.send(Uint8Array.of(0x53, 0, 0, 0, 4)); // to nobody
  await client.backend.close();
  await withDatabase(async (again) => {
    expect(await again.run("SELECT max(a) FROM kept")).toContain("2000");
  });
}, 180_000);

test("survives the death of its process, whose lock is taken over; a living one's is not", async () => {
  const script = join(parent, "holder.mjs");
  const adapter = new URL("../../../adapters/node/pglite.ts", import.meta.url).href;
  const statement = Buffer.from(query("INSERT INTO kept VALUES (3000)")).toString("base64");
  writeFileSync(
    script,
    `import { openPglite } from ${JSON.stringify(adapter)};
const db = await openPglite(${JSON.stringify(folder)});
db.onData = (chunk) => { if (chunk.at(-6) === 0x5a) process.stdout.write("done"); };
db.send(new Uint8Array(Buffer.from("${statement}", "base64")));
`,
  );
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    await expect(openPglite(folder)).rejects.toThrow(`is in use by process ${child.pid}`);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await withDatabase(async (client) => {
    expect(await client.run("SELECT max(a) FROM kept")).toContain("3000");
  });
}, 180_000);

test("a folder that cannot be a database is an error, and is not locked after", async () => {
  const other = join(parent, "other");
  await expect(openPglite(other, { extensions: ["no_such_thing"] })).rejects.toThrow(
    'PGlite has no extension "no_such_thing"',
  );
  expect(existsSync(join(other, "edgewire.lock"))).toBe(false);
  writeFileSync(join(other, "notes.txt"), "");
  await expect(openPglite(other)).rejects.toThrow(
    `${other} is neither a database nor empty: it has notes.txt`,
  );
  writeFileSync(join(other, "PG_VERSION"), "12\n");
  await expect(openPglite(other)).rejects.toThrow("the embedded PostgreSQL did not start");
  const file = join(parent, "file");
  writeFileSync(file, "");
  await expect(openPglite(file)).rejects.toThrow("EEXIST");
}, 120_000);

test("loads extensions", async () => {
  const client = new PgliteClient(
    await openPglite(undefined, {
      extensions: ["pg_trgm", "uuid-ossp", "vector"],
      cacheDir: join(parent, "cache"),
    }),
  );
  try {
    await client.run('CREATE EXTENSION pg_trgm; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION vector');
    expect(await client.run("SELECT similarity('edge', 'edge')")).toContain("1");
    expect(await client.run("SELECT length(uuid_generate_v4()::text)")).toContain("36");
    expect(await client.run("SELECT '[1,2]'::vector <-> '[1,3]'::vector")).toContain("1");
  } finally {
    await client.backend.close();
  }
  // This start had to make the cluster, which takes longest; the next one finds it.
  const start = performance.now();
  await (await openPglite(undefined, { cacheDir: join(parent, "cache") })).close();
  expect(performance.now() - start).toBeLessThan(60_000);
}, 240_000);
