// The Durable Objects of workers/objects.ts: which there are, which have their session in memory, and taking them out of it.
import { setTimeout } from "node:timers/promises";
import type { RunningWorker } from "./wrangler-dev.ts";

export interface Observed {
  readonly id: string;
  readonly instance: string;
  readonly awake: boolean;
}

export class SessionObjects {
  readonly #worker: RunningWorker;

  constructor(worker: RunningWorker) {
    this.#worker = worker;
  }

  /** All instances of objects that there have been, in their order. */
  async instances(): Promise<Observed[]> {
    return (await fetch(`${this.#worker.url}/test/objects`)).json() as Promise<Observed[]>;
  }

  async last(): Promise<Observed> {
    return (await this.instances()).at(-1) as Observed;
  }

  async suspended({ id }: Observed): Promise<void> {
    await until("a suspended session", async () => {
      const all = await this.instances();
      return all.filter((one) => one.id === id).every(({ awake }) => !awake);
    });
  }

  /** Takes the object out of memory, as the runtime does with idle ones; its WebSocket stays. */
  async evict({ id }: Observed): Promise<void> {
    await this.#worker.harness
      .getWorker()
      .evictDurableObject("SessionObject", { id, webSockets: "hibernate" });
  }

  /** Suspends the last one and evicts it; the next message needs another instance. */
  async evicted(): Promise<Observed> {
    const object = await this.last();
    await this.suspended(object);
    await this.evict(object);
    return object;
  }
}

export async function until(what: string, done: () => Promise<boolean>, patience = 10_000): Promise<void> {
  const end = Date.now() + patience;
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`not within ${patience} ms: ${what}`);
    await setTimeout(50);
  }
}
