/** edgewire's own sessions as a target: a Session over a transport in memory, before an upstream made of PGlite. */
import { setImmediate, setTimeout } from "node:timers/promises";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { Session, type SessionOptions, type Upstream } from "../../src/session/mod.ts";
import { playSteps } from "./postgres-target.ts";
import { startupPacket } from "./startup-packet.ts";
import type { Target } from "./target.ts";
import type { TargetName, Transcript } from "./transcript.ts";
import { WireClient } from "./wire-client.ts";

/** How the client's bytes arrive: as they were sent, or each on its own. The answer must not depend on it. */
export type Arrival = "at once" | "byte by byte";

/** An upstream over PGlite, and the way to bring it back to an empty database. */
export interface TestUpstream {
  readonly name: TargetName;
  readonly upstream: Upstream;
  reset(setup: string | undefined): Promise<void>;
  close(): Promise<void>;
}

export class SessionTarget implements Target {
  arrival: Arrival = "at once";
  readonly #tested: TestUpstream;
  readonly #options: Partial<SessionOptions>;

  constructor(tested: TestUpstream, options: Partial<SessionOptions> = {}) {
    this.#tested = tested;
    this.#options = options;
  }

  get name(): TargetName {
    return this.#tested.name;
  }

  async play(transcript: Transcript): Promise<string[]> {
    await this.#tested.reset(transcript.setup);
    const { client, session } = openSession(this.#tested.upstream, this.arrival, this.#options);
    try {
      if (!transcript.bare) await login(client);
      return await playSteps(client, transcript);
    } finally {
      client.destroy();
      await ended(session);
    }
  }

  async close(): Promise<void> {
    await this.#tested.close();
  }
}

/** Nothing of a session may stay behind its client: it has to close in bounded time. */
export async function ended(session: Session): Promise<void> {
  const late = new AbortController();
  const overdue = setTimeout(10_000, true, { signal: late.signal }).catch(() => false);
  if ((await Promise.race([session.closed, overdue])) === true) throw new Error("the session did not close");
  late.abort();
}

export async function login(client: WireClient, packet: Uint8Array = startupPacket()): Promise<void> {
  await client.send(packet);
  if (!(await client.until((frame) => frame.code === "Z", "ReadyForQuery"))) {
    throw new Error(`the session ended at its start: ${new TextDecoder("latin1").decode(client.bytes)}`);
  }
  client.drop();
}

export interface OpenSession {
  readonly client: WireClient;
  readonly session: Session;
}

/** A session whose transport is the client in the same process. */
export function openSession(
  upstream: Upstream,
  arrival: Arrival = "at once",
  options: Partial<SessionOptions> = {},
): OpenSession {
  const client: WireClient = new WireClient({
    send: async (bytes) => {
      if (arrival === "at once") return session.receive(bytes.slice());
      for (const byte of bytes) {
        if (client.isClosed) return;
        await session.receive(Uint8Array.of(byte));
        // Lets the answer come before the next byte does.
        await setImmediate();
      }
    },
    destroy: () => session.end(),
  });
  const transport = {
    write: (bytes: Uint8Array) => client.received(bytes),
    end: () => client.closed(),
    destroy: () => client.closed(),
  };
  const session = new Session(transport, {
    auth: trustAuthSource(),
    upstream: ({ database }) => (database === "nosuch" ? undefined : upstream),
    ...options,
  });
  return { client, session };
}
