/** PostgreSQL's own text and binary forms of values, asked of PGlite. */
import { type Extensions, PGlite } from "@electric-sql/pglite";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeFrontend,
  Framer,
  Writer,
} from "../../src/wire/mod.ts";

/** What PostgreSQL makes of a value: `typsend` and `typoutput` of what it read, or the error. */
export type Forms = Value | { readonly error: string };

/** A value in both of PostgreSQL's forms. */
export interface Value {
  readonly binary: Uint8Array;
  readonly text: string;
}

export class Postgres {
  readonly #db: PGlite;

  private constructor(db: PGlite) {
    this.#db = db;
  }

  static async start(extensions: Extensions = {}): Promise<Postgres> {
    return new Postgres(await PGlite.create({ extensions }));
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  query<Row>(sql: string): Promise<{ rows: Row[] }> {
    return this.#db.query<Row>(sql);
  }

  /** Runs statements that give nothing. */
  async run(sql: string): Promise<void> {
    await this.#db.exec(sql);
  }

  /** The forms of `parameter`, given in text or in binary, as a value of the type. */
  async forms(typeOid: number, parameter: string | Uint8Array): Promise<Forms> {
    const answer = await this.#execute("select $1, $1", [typeOid], parameter);
    if ("error" in answer) return answer;
    const [row] = answer;
    if (!row) throw new Error(`no value for ${String(parameter)}`);
    return row;
  }

  /** The values that texts stand for, many at once; what the type's input function refuses is left out. */
  async read(type: string, texts: readonly string[]): Promise<(Value & { readonly input: string })[]> {
    const literal = `{${texts.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
    const name = type.replaceAll("'", "''");
    const rows = await this.#execute(
      `select v, v, n from (select case when pg_input_is_valid(s, '${name}') then s::${type} end, n
        from unnest($1::text[]) with ordinality u(s, n)) t(v, n) where v is distinct from null order by n`,
      [1009],
      literal,
    );
    if ("error" in rows) throw new Error(rows.error);
    return rows.map((row) => ({ ...row, input: texts[Number(row.number) - 1] as string }));
  }

  /** The values that binary forms stand for: elements of an array whose binary form is given. */
  async receive(arrayOid: number, array: Uint8Array): Promise<Value[]> {
    const rows = await this.#execute("select v, v from unnest($1) u(v)", [arrayOid], array);
    if ("error" in rows) throw new Error(rows.error);
    return rows;
  }

  async #execute(
    query: string,
    parameterTypes: number[],
    parameter: string | Uint8Array,
  ): Promise<(Value & { readonly number: string })[] | { readonly error: string }> {
    const writer = new Writer();
    encodeFrontend(writer, { type: "Parse", statement: "", query, parameterTypes });
    encodeFrontend(writer, {
      type: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [typeof parameter === "string" ? 0 : 1],
      parameters: [parameter],
      resultFormats: query.startsWith("select v, v, n") ? [1, 0, 0] : [1, 0],
    });
    encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
    encodeFrontend(writer, { type: "Sync" });
    const rows: (Value & { number: string })[] = [];
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (const message of decode(await this.#db.execProtocolRaw(writer.take().slice()))) {
      if (message.type === "ErrorResponse") {
        return { error: `${message.fields.code} ${message.fields.message}` };
      }
      if (message.type !== "DataRow") continue;
      const [binary, text, number] = message.values;
      if (!binary || !text) throw new Error(`no value: ${query}`);
      // Its own buffer, of its own length, as toEqual compares both.
      rows.push({
        binary: binary.slice(),
        text: decoder.decode(text),
        number: number ? decoder.decode(number) : "",
      });
    }
    return rows;
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
