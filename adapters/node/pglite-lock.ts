// One process for each data folder: PostgreSQL's files do not survive two servers. PostgreSQL's own postmaster.pid does
// not help, as every PGlite believes to be process 42.
import {
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** In the data folder. */
export const lockFile = "edgewire.lock";

/** The folders that this thread holds. A process id alone cannot tell: in a container it is 1 at every start. */
const held = new Set<string>();

export interface FolderLock {
  /** The folder without symbolic links. */
  readonly folder: string;
  release(): void;
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // running, as another user
  }
}

/** When a process began, in the kernel's clock ticks; undefined where /proc does not tell. */
function startOf(processId: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]; // field 22; the second may contain spaces
  } catch {
    return undefined;
  }
}

/** The process that holds the lock, or undefined when it is gone (its number may be another's by now). */
function ownerOf(content: string): number | undefined {
  const [id = "", start = ""] = content.split("\n");
  const processId = Number(id);
  if (!Number.isSafeInteger(processId) || processId <= 0 || processId === process.pid) return undefined;
  if (!isRunning(processId)) return undefined;
  const actual = startOf(processId);
  return start !== "" && actual !== undefined && actual !== start ? undefined : processId;
}

function inUse(folder: string, processId: number): Error {
  return new Error(`the data folder ${folder} is in use by process ${processId} (${join(folder, lockFile)})`);
}

/** @throws Error when another process, or this one, has the folder open. Makes the folder if need be. */
export function lockFolder(path: string): FolderLock {
  mkdirSync(path, { recursive: true });
  const folder = realpathSync(path);
  if (held.has(folder)) throw inUse(folder, process.pid);
  const file = join(folder, lockFile);
  const content = `${process.pid}\n${startOf(process.pid) ?? ""}\n`;
  for (;;) {
    try {
      writeFileSync(file, content, { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    removeStale(folder, file);
  }
  held.add(folder);
  return {
    folder,
    release() {
      if (!held.delete(folder)) return;
      try {
        if (readFileSync(file, "utf8") === content) unlinkSync(file);
      } catch {
        // The folder is gone, and the lock with it.
      }
    },
  };
}

/** Moves the file of a process that is gone out of the way. @throws when the process is still there. */
function removeStale(folder: string, file: string): void {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch {
    return; // released just now
  }
  const owner = ownerOf(content);
  if (owner !== undefined) throw inUse(folder, owner);
  // Another process may find the same stale file, and have replaced it by its own since we read it. A rename takes
  // exactly one file, which can be looked at and given back.
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // the other one was first
  }
  if (readFileSync(aside, "utf8") !== content) {
    try {
      linkSync(aside, file);
    } catch {
      // A third one has locked it; the loop finds that out.
    }
  }
  unlinkSync(aside);
}
