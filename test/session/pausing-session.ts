/**
 * A session in memory that is suspended, and taken up anew, before each message of its client for which it can be. What a
 * transcript answers must not depend on it.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { Session, type SessionOptions, type SessionSnapshot, type Upstream } from "../../src/session/mod.ts";
import { frontendCodes } from "../../src/wire/mod.ts";
import { playSteps } from "../conformance/postgres-target.ts";
import { ended, login } from "../conformance/session-target.ts";
import type { Transcript } from "../conformance/transcript.ts";
import { WireClient } from "../conformance/wire-client.ts";

/** Milliseconds for an answer that may not come: a Sync inside of a COPY has none. */
const patience = 60;

const answered: ReadonlySet<number> = new Set([
  frontendCodes.Query,
  frontendCodes.Sync,
  frontendCodes.FunctionCall,
]);

export interface Played {
  readonly lines: string[];
  /** How often the session was suspended. */
  readonly pauses: number;
}

export async function playPausing(upstream: Upstream, transcript: Transcript): Promise<Played> {
  const options: SessionOptions = {
    auth: trustAuthSource(),
    upstream: () => upstream,
    suspendable: true,
  };
  let pauses = 0;
  let expected = 0;
  const client: WireClient = new WireClient({
    async send(bytes) {
      await quiet();
      const snapshot = await session.suspend();
      if (snapshot) {
        pauses++;
        await ended(session);
        const kept = JSON.parse(JSON.stringify(snapshot)) as SessionSnapshot;
        session = Session.resume(transport, options, kept);
      }
      for (const code of codes(bytes)) if (answered.has(code)) expected++;
      return session.receive(bytes.slice());
    },
    destroy: () => session.end(),
  });
  const transport = {
    write: (bytes: Uint8Array) => client.received(bytes),
    end: () => client.closed(),
    destroy: () => client.closed(),
  };
  let session = new Session(transport, options);

  /** Everything was answered, as far as that can be told. */
  async function quiet(): Promise<void> {
    const end = Date.now() + patience;
    const ready = (): number => codes(client.bytes).filter((code) => code === 0x5a).length;
    while (ready() < expected && Date.now() < end) await setTimeout(1);
    expected = ready();
    await setImmediate();
  }

  try {
    await login(client);
    // What was received is dropped with the login.
    expected = 0;
    for (const step of transcript.steps) {
      if (step instanceof Uint8Array) await client.send(step);
      else if ("skip" in step) await client.skip(step.skip);
      else await client.until((frame) => frame.code === step.until, step.until);
    }
    const lines = await playSteps(client, { ...transcript, steps: [] });
    return { lines, pauses };
  } finally {
    client.destroy();
    await ended(session);
  }
}

/** The types of messages, one behind the other. */
function codes(messages: Uint8Array): number[] {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.length);
  const found: number[] = [];
  for (let at = 0; at + 5 <= messages.length; at += 1 + view.getUint32(at + 1)) found.push(view.getUint8(at));
  return found;
}
