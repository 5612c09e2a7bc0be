/** PostgreSQL's own COPY, asked of PGlite: what it makes of data, and the data that it makes. */
import { PGlite } from "@electric-sql/pglite";
import {
  type BackendMessage,
  decodeBackend,
  type ErrorFields,
  encodeFrontend,
  type FrontendInput,
  Writer,
} from "../../src/wire/mod.ts";
import { frames } from "../conformance/answer.ts";
import { startupPacket } from "../conformance/startup-packet.ts";

/** What is compared of an error. */
export type Told = Partial<Pick<ErrorFields, "code" | "message" | "detail" | "hint" | "where" | "position">>;

export class CopyOracle {
  readonly db: PGlite;

  private constructor(db: PGlite) {
    this.db = db;
  }

  static async start(setup: string): Promise<CopyOracle> {
    const oracle = new CopyOracle(await PGlite.create());
    await oracle.db.execProtocolRaw(startupPacket());
    await oracle.db.exec(setup);
    return oracle;
  }

  /** Asks a database that has seen its startup packet. */
  static over(db: PGlite): CopyOracle {
    return new CopyOracle(db);
  }

  close(): Promise<void> {
    return this.db.close();
  }

  async send(messages: readonly FrontendInput[]): Promise<BackendMessage[]> {
    const writer = new Writer();
    for (const message of messages) encodeFrontend(writer, message);
    const answer = await this.db.execProtocolRaw(writer.take().slice());
    return frames(answer).map(({ code, body }) => decodeBackend(code.charCodeAt(0), body));
  }

  /** The rows that a COPY FROM leaves in the table, or its error. */
  async read(copy: string, data: Uint8Array, table: string): Promise<(string | null)[][] | Told> {
    const answer = await this.send([
      { type: "Query", query: "begin" },
      { type: "Query", query: copy },
      { type: "CopyData", data },
      { type: "CopyDone" },
      { type: "Query", query: `select * from ${table}` },
      { type: "Query", query: "rollback" },
    ]);
    return errorIn(answer) ?? rowsIn(answer);
  }

  /** The chunks of a COPY TO, or its error. */
  async write(copy: string): Promise<Uint8Array[] | Told> {
    const answer = await this.send([{ type: "Query", query: copy }]);
    const error = errorIn(answer);
    if (error) return error;
    return answer.flatMap((message) => (message.type === "CopyData" ? [message.data.slice()] : []));
  }

  /** The error of a COPY, which gets no data at all. */
  async refusal(copy: string): Promise<Told | undefined> {
    const from = / from stdin/i.test(copy);
    const answer = await this.send([
      { type: "Query", query: copy },
      ...(from ? [{ type: "CopyFail", message: "enough" } as const] : []),
    ]);
    const error = errorIn(answer);
    // FREEZE asks for more than options.
    return error?.code === "57014" || error?.code === "55000" ? undefined : error;
  }
}

function rowsIn(answer: readonly BackendMessage[]): (string | null)[][] {
  return answer.flatMap((message) =>
    message.type === "DataRow"
      ? [message.values.map((value) => value && new TextDecoder("utf-8", { ignoreBOM: true }).decode(value))]
      : [],
  );
}

function errorIn(answer: readonly BackendMessage[]): Told | undefined {
  const error = answer.find((message) => message.type === "ErrorResponse");
  return error && told(error.fields);
}

export function told({ code, message, detail, hint, where, position }: ErrorFields): Told {
  return JSON.parse(JSON.stringify({ code, message, detail, hint, where, position })) as Told;
}
