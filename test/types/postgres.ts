/** PostgreSQL's own text and binary forms of values, asked of PGlite. */
import { PGlite } from "@electric-sql/pglite";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeFrontend,
  Framer,
  Writer,
} from "../../src/wire/mod.ts";

/** What PostgreSQL makes of a value: `typsend` and `typoutput` of what it read, or the error. */
export type Forms = { readonly binary: Uint8Array; readonly text: string } | { readonly error: string };

export class Postgres {
  readonly #db: PGlite;

  private constructor(db: PGlite) {
    this.#db = db;
  }

  static async start(): Promise<Postgres> {
    return new Postgres(await PGlite.create());
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  query<Row>(sql: string): Promise<{ rows: Row[] }> {
    return this.#db.query<Row>(sql);
  }

  /** The forms of `parameter`, given in text or in binary, as a value of the type. */
  async forms(typeOid: number, parameter: string | Uint8Array): Promise<Forms> {
    const writer = new Writer();
    encodeFrontend(writer, {
      type: "Parse",
      statement: "",
      query: "select $1, $1",
      parameterTypes: [typeOid],
    });
    encodeFrontend(writer, {
      type: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [typeof parameter === "string" ? 0 : 1],
      parameters: [parameter],
      resultFormats: [1, 0],
    });
    encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
    encodeFrontend(writer, { type: "Sync" });
    const messages = decode(await this.#db.execProtocolRaw(writer.take().slice()));
    for (const message of messages) {
      if (message.type === "ErrorResponse")
        return { error: `${message.fields.code} ${message.fields.message}` };
      if (message.type !== "DataRow") continue;
      const [binary, text] = message.values;
      if (binary && text) return { binary, text: new TextDecoder().decode(text) };
    }
    throw new Error(`no row for ${String(parameter)}`);
  }
}

function decode(bytes: Uint8Array): BackendMessage[] {
  const framer = new Framer({ limits: backendLimits() });
  framer.push(bytes);
  const messages: BackendMessage[] = [];
  for (let frame = framer.next(); frame; frame = framer.next()) {
    messages.push(decodeBackend(frame.code, frame.body));
  }
  return messages;
}
