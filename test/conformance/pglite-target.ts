/** PostgreSQL 18 in this process: PGlite, by its raw protocol. The oracle that is always there. */
import { PGlite } from "@electric-sql/pglite";
import { frames } from "./answer.ts";
import { startupPacket } from "./startup-packet.ts";
import { endMark, printAnswer, resetStatements, type Target } from "./target.ts";
import { join, query, sync, type Transcript } from "./transcript.ts";

/**
 * PGlite reads the frontend's bytes as they are asked for, and a COPY FROM STDIN whose data is not in the same call
 * would wait for it for ever: a transcript is one call, and its waits are not waited for. PGlite flushes at the end of
 * a call. A FATAL error ends the process that it thinks it is: such transcripts are refused here.
 */
export class PgliteTarget implements Target {
  readonly name = "pglite";
  readonly db: PGlite;
  /** ParameterStatus values as they were told last. */
  readonly reported: Map<string, string> = new Map();

  private constructor(db: PGlite) {
    this.db = db;
  }

  static async start(): Promise<PgliteTarget> {
    const db = await PGlite.create();
    const target = new PgliteTarget(db);
    // PGlite reports settings only once it has seen a startup packet.
    await target.send(startupPacket());
    return target;
  }

  async play(transcript: Transcript): Promise<string[]> {
    if (transcript.fatal) throw new Error("PGlite does not survive a FATAL error");
    await this.reset(transcript.setup);
    const steps = transcript.steps.filter((step) => step instanceof Uint8Array);
    return printAnswer(await this.send(join([...steps, endMark])));
  }

  /** PGlite reports a setting that was set, PostgreSQL one that has changed: what has not is left out here. */
  async send(bytes: Uint8Array): Promise<Uint8Array> {
    const answer = await this.db.execProtocolRaw(bytes);
    let at = 0;
    const kept = frames(answer).map(({ code, body, end }) => {
      const bytes = answer.subarray(at, end);
      at = end;
      if (code !== "S") return bytes;
      const [name = "", value = ""] = new TextDecoder().decode(body).split("\0");
      if (this.reported.get(name) === value) return new Uint8Array(0);
      this.reported.set(name, value);
      return bytes;
    });
    return join(kept);
  }

  /** An empty database, then the setup. */
  async reset(setup = ""): Promise<void> {
    const messages = [sync, ...[...resetStatements, setup].map(query)] as Uint8Array[];
    refuseErrors(await this.send(join(messages)));
  }

  async close(): Promise<void> {
    await this.db.close();
  }
}

export function refuseErrors(answer: Uint8Array): void {
  const error = frames(answer).find((frame) => frame.code === "E");
  if (error) throw new Error(`setup: ${new TextDecoder().decode(error.body).replaceAll("\0", " ")}`);
}
