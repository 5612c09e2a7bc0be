/** A real PostgreSQL server as a target: a new connection for each transcript, and one for the setup. */
import { connect } from "node:net";
import type { PostgresServer } from "../servers/postgres.ts";
import { frameAt } from "./answer.ts";
import { refuseErrors } from "./pglite-target.ts";
import { startupPacket } from "./startup-packet.ts";
import { endMark, isEnd, printAnswer, printStartup, resetStatements, type Target } from "./target.ts";
import { join, query, type Step, type Transcript } from "./transcript.ts";
import { WireClient } from "./wire-client.ts";

export class PostgresTarget implements Target {
  readonly name = "postgres";
  readonly #server: PostgresServer;
  #admin: WireClient | undefined;

  constructor(server: PostgresServer) {
    this.#server = server;
  }

  /** Major version. */
  get version(): number {
    return this.#server.version;
  }

  async play(transcript: Transcript): Promise<string[]> {
    await this.reset(transcript.setup);
    return playSteps(transcript.bare ? this.open() : await this.login(), transcript);
  }

  /** A connection that is past ReadyForQuery. */
  async login(): Promise<WireClient> {
    const client = this.open();
    await client.send(startupPacket());
    await client.until((frame) => frame.code === "Z", "ReadyForQuery");
    client.drop();
    return client;
  }

  open(): WireClient {
    const socket = connect({ path: this.#server.socket });
    const client = new WireClient({
      send: (bytes) => void socket.write(bytes),
      destroy: () => socket.destroy(),
    });
    socket.on("data", (chunk) => client.received(chunk));
    // A server that closes with bytes unread answers them with a reset.
    socket.on("error", () => {});
    socket.on("close", () => client.closed());
    return client;
  }

  async reset(setup = ""): Promise<void> {
    this.#admin ??= await this.login();
    const statements = [...resetStatements, setup];
    this.#admin.drop();
    await this.#admin.send(join(statements.map(query) as Uint8Array[]));
    for (const statement of statements) await this.#admin.until((frame) => frame.code === "Z", statement);
    refuseErrors(this.#admin.bytes);
  }

  async close(): Promise<void> {
    this.#admin?.destroy();
    await this.#server.stop();
  }
}

/** Plays the steps on a connection, and closes it: at once, or by `leave`. */
export async function playSteps(
  client: WireClient,
  transcript: Transcript,
  leave: (client: WireClient) => void | Promise<void> = () => {},
): Promise<string[]> {
  /** Messages that a ReadyForQuery is due for. Behind a COPY that was refused no more than those come. */
  let due = 0;
  let ready = 0;
  let refused = false;
  for (const part of groups(transcript.steps)) {
    if (part instanceof Uint8Array) {
      due += transcript.bare || transcript.fatal ? 0 : countDue(part);
      await client.send(part);
    } else if ("skip" in part) {
      await client.skip(part.skip);
    } else if (!refused || (part.until === "Z" && ready < due)) {
      await client.until((frame) => {
        if (frame.code === "Z") ready++;
        refused = part.until === "G" && frame.code === "E";
        return refused || frame.code === part.until;
      }, part.until);
    }
  }
  if (transcript.fatal && !refused) {
    await client.untilClosed();
  } else {
    await client.send(endMark);
    await client.until(isEnd, "end of transcript");
  }
  const lines = transcript.bare ? printStartup(client.bytes) : printAnswer(client.bytes);
  await leave(client);
  client.destroy();
  return lines;
}

/** Query, Sync and FunctionCall. In COPY a server skips Sync: then more are due than will come. */
function countDue(messages: Uint8Array): number {
  let count = 0;
  for (let frame = frameAt(messages, 0); frame; frame = frameAt(messages, frame.end)) {
    if ("QSF".includes(frame.code)) count++;
  }
  return count;
}

/** Neighbouring messages joined, so that they arrive as one chunk. */
function groups(steps: readonly Step[]): Step[] {
  const joined: Step[] = [];
  for (const step of steps) {
    const last = joined.at(-1);
    if (step instanceof Uint8Array && last instanceof Uint8Array)
      joined[joined.length - 1] = join([last, step]);
    else joined.push(step);
  }
  return joined;
}
