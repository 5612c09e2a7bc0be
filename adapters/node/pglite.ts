// PGlite as an upstream for Node: real PostgreSQL in WebAssembly, in a thread of its own, spoken to in the protocol
// (PostgreSQL documentation, "Message Flow"). A thread because WebAssembly blocks the one it runs in, and because only
// from outside of it can a running statement be cancelled.
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { WorkerBackend } from "./pglite-backend.ts";
import { allocateChannel, openChannel, type WorkerInput } from "./pglite-channel.ts";
import { userCacheDir } from "./pglite-cluster.ts";
import { lockFolder } from "./pglite-lock.ts";

/** One PostgreSQL session over which bytes of the protocol go both ways. */
export interface PgliteBackend {
  /**
   * Whole frontend messages (Query, Parse, ... CopyData ...; never a startup packet or Terminate). Takes ownership of
   * the bytes. A promise: the database is behind, wait for it before sending more.
   */
  send(frames: Uint8Array): void | Promise<void>;
  /** Backend bytes, cut anywhere. A promise delays those that follow, and in the end the database. */
  onData: (chunk: Uint8Array) => void | Promise<void>;
  /** The database has ended, with an error if nobody asked it to; nothing can be sent any more. Called once. */
  onClose: (error: Error | undefined) => void;
  /** Asks the running statement to stop (57014). False if none runs, or if this PGlite cannot be asked. */
  cancel(): boolean;
  /** ParameterStatus values at the start, `server_version` among them. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Rolls back what is open, shuts the database down and ends its thread. */
  close(): Promise<void>;
}

export interface PgliteOptions {
  /** Names of contrib extensions (`pg_trgm`), of PGlite's packages (`vector`), or modules that export one. */
  extensions?: string[];
  /**
   * Where the initial cluster is kept to make later starts faster; false: nowhere.
   * Default: EDGEWIRE_CACHE_DIR, or the user's cache folder.
   */
  cacheDir?: string | false;
}

/**
 * WebAssembly's calls are on the thread's stack too. PostgreSQL refuses to recurse deeper than max_stack_depth by its own
 * count (54001); with Node's 4 MB for a worker the thread would be at its end first, and the database with it.
 */
const stackSizeMb = 64;

/** Opens a database in the folder `dataDir`, which is made if it does not exist; in memory if that is undefined. */
export async function openPglite(
  dataDir: string | undefined,
  options: PgliteOptions = {},
): Promise<PgliteBackend> {
  const lock = dataDir === undefined ? undefined : lockFolder(resolve(dataDir));
  const memory = allocateChannel();
  const cacheDir = options.cacheDir ?? userCacheDir(process.env, process.platform);
  const workerData: WorkerInput = {
    channel: memory,
    dataDir: lock?.folder,
    extensions: options.extensions ?? [],
    cacheDir: cacheDir === false ? undefined : cacheDir,
  };
  let worker: Worker;
  try {
    worker = startWorker(workerData);
  } catch (error) {
    lock?.release();
    throw error;
  }
  const backend = new WorkerBackend(worker, openChannel(memory), lock);
  return await new Promise((resolveBackend, reject) => {
    backend.onReady = () => resolveBackend(backend);
    backend.onClose = (error) => reject(error ?? new Error("the embedded PostgreSQL ended while it started"));
  });
}

function startWorker(workerData: WorkerInput): Worker {
  // The same file name in the sources, which Node runs as they are, and in the build.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const url = new URL(`./pglite-worker.${extension}`, import.meta.url);
  // Deno runs modules that are on the network, but starts no thread from there.
  const local = url.protocol === "file:" ? url : new URL(`data:text/javascript,import "${url}";`);
  return new Worker(local, {
    name: "pglite",
    workerData,
    resourceLimits: { stackSizeMb },
  });
}
