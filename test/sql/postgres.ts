// Real PostgreSQL (PGlite) for the differential tests of this folder: one Query message in, its messages out.

import { PGlite } from "@electric-sql/pglite";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  type ErrorFields,
  encodeFrontend,
  Framer,
  Writer,
} from "../../src/wire/mod.ts";

export class Postgres {
  readonly #db: PGlite;

  private constructor(db: PGlite) {
    this.#db = db;
  }

  static async open(): Promise<Postgres> {
    return new Postgres(await PGlite.create());
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  /** The answer to a Query message. Never give it COPY FROM STDIN: PGlite would wait for the data forever. */
  async query(sql: string): Promise<BackendMessage[]> {
    const writer = new Writer();
    encodeFrontend(writer, { type: "Query", query: sql });
    const framer = new Framer({ limits: backendLimits() });
    framer.push(await this.#db.execProtocolRaw(writer.take().slice()));
    const messages: BackendMessage[] = [];
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      messages.push(decodeBackend(frame.code, frame.body));
    }
    return messages;
  }

  /** The error of a Query message, if it ends with one. */
  async error(sql: string): Promise<ErrorFields | undefined> {
    const message = (await this.query(sql)).find((candidate) => candidate.type === "ErrorResponse");
    return message?.type === "ErrorResponse" ? message.fields : undefined;
  }

  /** The values of the first row, as text. Throws if there is none. */
  async row(sql: string): Promise<(string | null)[]> {
    const messages = await this.query(sql);
    for (const message of messages) {
      if (message.type === "DataRow") {
        return message.values.map((value) => value && new TextDecoder().decode(value));
      }
    }
    throw new Error(`no row for ${sql}: ${JSON.stringify(messages)}`);
  }

  /** The tags of CommandComplete, in order. Throws if the text ends with an error. */
  async tags(sql: string): Promise<string[]> {
    const messages = await this.query(sql);
    const tags: string[] = [];
    for (const message of messages) {
      if (message.type === "CommandComplete") tags.push(message.tag);
      if (message.type === "ErrorResponse") throw new Error(`${message.fields.message} in ${sql}`);
    }
    return tags;
  }

  /**
   * The error of parsing a text, if any, without running it: PostgreSQL parses all of a Query before it runs the first
   * statement, and the first one here divides by zero.
   */
  async parseError(sql: string): Promise<ErrorFields | undefined> {
    const error = await this.error(`${divisionByZero}${sql}`);
    if (error === undefined) throw new Error(`nothing failed: ${sql}`);
    if (error.code === "22012") return undefined;
    return error.position === undefined
      ? error
      : { ...error, position: error.position - divisionByZero.length };
  }
}

const divisionByZero = "select 1/0;\n";
