// What every target does around its server: say where it listens, and end when it is told to or left alone.

/** What a target prints as its first line, as JSON, when it takes connections; or why it never will. */
export type Announcement =
  | {
      type: "ready";
      port: number;
      /** Where WebSockets are taken. */
      http?: number;
      /** The process whose CPU time counts, when it is not the target's own. */
      pid?: number;
      version?: string;
    }
  | { type: "missing"; reason: string };

/**
 * Ends the process after `stop` on SIGTERM, or when the bench is gone (its ends of our stdin and stdout close), so that
 * no run, however it ends, leaves a server behind. To be called before there is anything to stop.
 */
export function endWhenTold(stop: () => void | Promise<void> = () => {}): void {
  let stopping = false;
  const end = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    // A stop that hangs must not keep the process.
    setTimeout(() => process.exit(1), 8_000).unref();
    await stop();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void end());
  for (const event of ["end", "error"] as const) process.stdin.on(event, () => void end());
  process.stdout.on("error", () => void end());
  process.stdin.resume();
}

export function announce(announcement: Announcement): void {
  process.stdout.write(`${JSON.stringify(announcement)}\n`);
}
