/** Every transcript over a way into a gateway: the answers are the recorded ones, whatever carries them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Answers } from "../answers.ts";
import { whyDifferent } from "../differences.ts";
import { refuseErrors } from "../pglite-target.ts";
import { playSteps } from "../postgres-target.ts";
import { login } from "../session-target.ts";
import { resetStatements } from "../target.ts";
import { join, query, type Transcript, terminate } from "../transcript.ts";
import { topics } from "../transcripts/all.ts";
import type { WireClient } from "../wire-client.ts";
import { type Transport, wireClient } from "./transport.ts";

/** Call it inside of `describe`. `admin`: see ServedGateway. */
export function transcriptSuite(transport: () => Transport, admin: () => Transport): void {
  let database: Database;
  beforeAll(() => {
    database = new Database(admin());
  });
  afterAll(() => database.close());

  for (const [topic, transcripts] of Object.entries(topics)) {
    const answers = new Answers(topic).load();
    describe(topic, () => {
      for (const transcript of transcripts) {
        if (transcript.without?.relay !== undefined) continue;
        const why = whyDifferent(topic, transcript, "relay");
        const expected = answers.get(transcript.name, why === undefined ? undefined : "relay");
        test(transcript.name, async () => {
          const answer = await play(transport(), database, transcript);
          if (answersOtherwise(transport(), topic, transcript)) expect(answer).not.toEqual(expected);
          else expect(answer).toEqual(expected);
        });
      }
    });
  }

  test("what is named as another answer is that of a transcript", () => {
    const all = (transport().otherwise ?? []).flatMap(({ of }) => Object.entries(of));
    const missing = all.flatMap(([topic, names]) =>
      names.filter((wanted) => !topics[topic]?.some((transcript) => transcript.name === wanted)),
    );
    expect(missing).toEqual([]);
  });
}

function answersOtherwise({ otherwise = [] }: Transport, topic: string, { name }: Transcript): boolean {
  return otherwise.some(({ of }) => of[topic]?.includes(name));
}

async function play(transport: Transport, database: Database, transcript: Transcript): Promise<string[]> {
  await database.prepare(transcript);
  const client = await wireClient(transport);
  try {
    if (!transcript.bare) await login(client);
    return await playSteps(client, transcript, leave);
  } finally {
    client.destroy();
  }
}

/** Goes as a client should. A gateway whose client is gone may still have to put away what it did. */
async function leave(client: WireClient): Promise<void> {
  await client.send(terminate as Uint8Array);
  await client.untilClosed();
}

/** What a transcript may leave behind in the database. One that leaves something unseen fails the next ones. */
const leaves = /\b(create|alter|drop|into|comment|grant)\b/i;

/** The database behind a gateway, emptied where there is something to empty: that is most of a transcript's time. */
class Database {
  readonly #transport: Transport;
  #client: WireClient | undefined;
  #empty = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** An empty database, then the transcript's setup. */
  async prepare({ setup, steps }: Transcript): Promise<void> {
    const statements = [...(this.#empty ? [] : resetStatements), ...(setup === undefined ? [] : [setup])];
    await this.#run(statements);
    // The embedded database is shared by turns, and a startup or a Parse is answered at once, and otherwise, while
    // somebody has it: the last client, of which something is still put away, or this one, behind its RESET.
    await this.#run(["select 1"]);
    const decoder = new TextDecoder("latin1");
    const texts = steps.map((step) => (step instanceof Uint8Array ? decoder.decode(step) : ""));
    this.#empty = setup === undefined && !texts.some((text) => leaves.test(text));
  }

  async #run(statements: readonly string[]): Promise<void> {
    if (statements.length === 0) return;
    this.#client ??= await loggedIn(this.#transport);
    this.#client.drop();
    await this.#client.send(join(statements.map(query) as Uint8Array[]));
    for (const statement of statements) await this.#client.until((frame) => frame.code === "Z", statement);
    refuseErrors(this.#client.bytes);
  }

  close(): void {
    this.#client?.destroy();
  }
}

async function loggedIn(transport: Transport): Promise<WireClient> {
  const client = await wireClient(transport);
  await login(client);
  return client;
}
