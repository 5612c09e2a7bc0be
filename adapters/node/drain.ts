// The orderly end of many sessions, whatever they came by.
import { fatal, type PgError, sqlstate } from "../../src/wire/mod.ts";

/** Milliseconds for upstreams to abort a statement and to roll back, once the time for it to end is over. */
const upstreamGrace = 5_000;

export interface Draining {
  readonly closed: Promise<void>;
  shutdown(now?: boolean): void;
}

/** Ends idle sessions at once and the others after their statement, or after `grace` milliseconds. */
export async function drain(sessions: readonly Draining[], grace: number): Promise<void> {
  const ended = Promise.all(sessions.map((open) => open.closed));
  for (const open of sessions) open.shutdown();
  if (await within(grace, ended)) return;
  for (const open of sessions) open.shutdown(true);
  // An upstream that cannot let go is no reason to stay.
  await within(upstreamGrace, ended);
}

/** Whether a promise settles within so many milliseconds. */
export async function within(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const expired = Promise.withResolvers<false>();
  const timer = setTimeout(() => expired.resolve(false), milliseconds);
  const settled = await Promise.race([promise.then(() => true), expired.promise]);
  clearTimeout(timer);
  return settled;
}

export function tooManyClients(): PgError {
  return fatal(sqlstate.tooManyConnections, "sorry, too many clients already");
}
