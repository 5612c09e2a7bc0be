// What ends a command that serves, and what makes it read its certificate again.

/**
 * Milliseconds in which a second signal is the first one again: Ctrl-C under npm arrives from the terminal and from npm.
 */
const sameSignal = 1_000;

/** Milliseconds between two looks at whether the parent is still there. */
const orphanInterval = 250;

/** A certificate that can be read again. */
export interface Reloadable {
  reload(): void;
}

/**
 * Waits for SIGINT or SIGTERM, and names what came; a second one ends the process. With something to read again, SIGHUP
 * reads it; without, it means what it means to others: the terminal is gone.
 */
export function untilSignal(tls: readonly Reloadable[] | undefined): Promise<string> {
  if (tls) process.on("SIGHUP", () => reload(tls));
  return new Promise((resolve) => {
    let first: number | undefined;
    const stop = (signal: string, number: number): void => {
      const now = performance.now();
      first ??= now;
      if (now - first > sameSignal) process.exit(128 + number);
      resolve(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", ...(tls ? [] : ["SIGHUP"])]) process.on(signal, stop);
    if (process.env.npm_lifecycle_event !== undefined) untilOrphaned(() => resolve("npm has ended"));
  });
}

/** npm passes SIGTERM to the shell that it runs scripts in, and most shells end without passing it on. */
function untilOrphaned(orphaned: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    orphaned();
  }, orphanInterval);
  timer.unref();
}

function reload(all: readonly Reloadable[]): void {
  try {
    for (const tls of all) tls.reload();
    console.log("edgewire: SIGHUP, the certificate was read again");
  } catch (error) {
    console.error(`edgewire: the certificate was not read again: ${(error as Error).message}`);
  }
}
