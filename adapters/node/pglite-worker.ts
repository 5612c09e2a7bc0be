// The thread in which PGlite lives. It posts what it has to say as WorkerMessages and never returns to its event loop
// between `ready` and `ended`: an idle PostgreSQL waits for input inside MainLoop.run().
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import type { PGlite, PGliteOptions } from "@electric-sql/pglite";
import {
  type InterruptAddresses,
  openChannel,
  type WorkerInput,
  type WorkerMessage,
  word,
} from "./pglite-channel.ts";
import { dropCluster, initdbParameters, loadCluster, saveCluster } from "./pglite-cluster.ts";
import { loadExtensions } from "./pglite-extensions.ts";
import { LatchSleeper } from "./pglite-latch.ts";
import { lockFile } from "./pglite-lock.ts";
import { MainLoop, type PostgresModule } from "./pglite-main-loop.ts";
import {
  type InstanceHooks,
  shareWebAssemblyMemory,
  type WebAssemblyImports,
} from "./pglite-shared-memory.ts";
import { PostgresTimer } from "./pglite-timer.ts";

const { channel: memory, dataDir, extensions, cacheDir } = workerData as WorkerInput;
const channel = openChannel(memory);
const sleeper = new LatchSleeper(channel.control);

/** PostgreSQL's log, of which only the end is kept: it says why the database ended. */
const lastLines: string[] = [];

let isServing = false;

function post(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function logLine(line: string): boolean {
  lastLines.push(line);
  if (lastLines.length > 10) lastLines.shift();
  return false; // not to the console
}

/** Has the clock tell the sleeper. */
function watchClock(imports: WebAssemblyImports): void {
  const wasi = imports.wasi_snapshot_preview1;
  const read = wasi?.clock_time_get as ((id: number, precision: bigint, out: number) => number) | undefined;
  if (wasi === undefined || typeof read !== "function") return;
  wasi.clock_time_get = (id: number, precision: bigint, out: number) => {
    sleeper.clockRead();
    return read(id, precision, out);
  };
}

const timer = new PostgresTimer({
  set: (milliseconds) => post({ type: "timer", milliseconds }),
  alarm: () => Atomics.exchange(channel.control, word.alarm, 0) === 1,
});

const hooks: InstanceHooks = {
  rewrite: (bytes) => timer.rewrite(bytes),
  prepare(imports) {
    watchClock(imports);
    return timer.prepare(imports);
  },
};

/** Where the signal flags are; undefined when this build does not tell, and then nothing can be cancelled. */
function interruptAddresses(module: PostgresModule): InterruptAddresses | undefined {
  const { buffer } = module.HEAPU8;
  const { _QueryCancelPending, _InterruptPending, _MyLatch, _MyProcPid } = module;
  if (!(buffer instanceof SharedArrayBuffer)) return undefined;
  if (!_QueryCancelPending || !_InterruptPending || !_MyLatch || !_MyProcPid) return undefined;
  sleeper.attach(buffer, _MyLatch, _MyProcPid);
  return {
    memory: buffer,
    queryCancelPending: _QueryCancelPending,
    interruptPending: _InterruptPending,
    myLatch: _MyLatch,
  };
}

function pgliteVersion(): string {
  // package.json is not among the package's exports, but its main file is, two folders below.
  const main = fileURLToPath(import.meta.resolve("@electric-sql/pglite"));
  const manifest = JSON.parse(readFileSync(join(dirname(main), "..", "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

/** How the database ended, for people. */
function describe(error: unknown): string {
  const { name, message, status } = error as { name?: string; message?: string; status?: unknown };
  const end = name === "ExitStatus" ? `ended with status ${status}` : `crashed: ${message}`;
  const what = `the embedded PostgreSQL ${isServing ? end : `did not start: ${message}`}`;
  return lastLines.length > 0 ? `${what}\n${lastLines.join("\n")}` : what;
}

/** Whether the folder has no database yet. @throws when it has something else: a database has many files. */
function isNew(folder: string): boolean {
  const files = readdirSync(folder).filter((file) => file !== lockFile);
  if (files.includes("PG_VERSION")) return false;
  if (files.length > 0) throw new Error(`${folder} is neither a database nor empty: it has ${files[0]}`);
  return true;
}

/**
 * Whether this thread has the stack that it was meant to have, of which so many calls take some megabytes. Where it has
 * not (Deno 2.9 gives every worker one), PostgreSQL has to stop sooner.
 */
function canRecurse(times: number): boolean {
  const recurse = (left: number): number => (left === 0 ? 0 : 1 + recurse(left - 1));
  try {
    return recurse(times) === times;
  } catch {
    return false;
  }
}

async function openDatabase(): Promise<PGlite> {
  shareWebAssemblyMemory(hooks);
  const { PGlite } = await import("@electric-sql/pglite");
  const options: PGliteOptions = {
    ...(dataDir !== undefined && { dataDir }),
    extensions: await loadExtensions(extensions),
    startParams: [
      // As a server has it: PGlite hides "$user" from the search path, and lets everybody change the system's tables.
      ...PGlite.defaultStartParams.filter(
        (parameter, index, all) =>
          parameter !== "-O" && parameter !== "search_path=public" && all[index + 1] !== "search_path=public",
      ),
      // In memory a file is as near as a buffer.
      ...(dataDir === undefined ? ["-c", "shared_buffers=16MB"] : []),
      ...(canRecurse(50_000) ? [] : ["-c", "max_stack_depth=100kB"]),
    ],
    initDbStartParams: initdbParameters,
    onStderr: logLine,
  };
  if ((dataDir !== undefined && !isNew(dataDir)) || cacheDir === undefined)
    return await PGlite.create(options);

  const version = pgliteVersion();
  const cluster = await loadCluster(cacheDir, version);
  if (cluster !== undefined) {
    try {
      return await PGlite.create({ ...options, loadDataDir: new Blob([cluster]) });
    } catch (error) {
      await dropCluster(cacheDir, version);
      if (dataDir !== undefined) throw error; // the folder is no longer empty
    }
  }
  const db = await PGlite.create(options);
  if (dataDir === undefined) {
    await db.exec("CHECKPOINT"); // so that a start with it has nothing to recover
    const tar = await db.dumpDataDir("none");
    await saveCluster(cacheDir, version, new Uint8Array(await tar.arrayBuffer()));
  }
  return db;
}

/** @throws when the database ended by itself. */
async function serve(): Promise<void> {
  const db = await openDatabase();
  const module = db.Module as unknown as PostgresModule;
  if (typeof module._PostgresMainLoopOnce !== "function" || typeof module._pgl_set_rw_cbs !== "function") {
    throw new Error("this version of PGlite cannot be embedded: its main loop is not exported");
  }
  const interrupt = interruptAddresses(module);
  const loop = new MainLoop({
    module,
    longjmpStatus: (db as unknown as { POSTGRES_MAIN_LONGJMP?: number }).POSTGRES_MAIN_LONGJMP ?? 100,
    channel,
    wake: () => post({ type: "wake" }),
    interrupt,
    timer,
    canSpin: availableParallelism() > 1,
  });
  const parameters = loop.start();
  isServing = true;
  lastLines.length = 0;
  post({ type: "ready", parameters, interrupt });
  loop.run();
  await db.close();
}

try {
  await serve();
  post({ type: "ended" });
} catch (error) {
  const { closing } = word;
  post(
    Atomics.load(channel.control, closing) === 1
      ? { type: "ended" }
      : { type: "ended", error: describe(error) },
  );
}
process.exit(0); // of this thread only; Emscripten has set the exit code of its last longjmp
