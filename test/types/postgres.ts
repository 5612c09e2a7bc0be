/** PostgreSQL's own text and binary forms of values, asked of PGlite or of a server. */
import { once } from "node:events";
import { connect } from "node:net";
import { type Extensions, PGlite } from "@electric-sql/pglite";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeFrontend,
  encodeStartup,
  Framer,
  type FrontendInput,
  protocol30,
  Writer,
} from "../../src/wire/mod.ts";

/** What PostgreSQL makes of a value: `typsend` and `typoutput` of what it read, or the error. */
export type Forms = Value | { readonly error: string };

/** A value in both of PostgreSQL's forms. */
export interface Value {
  readonly binary: Uint8Array;
  readonly text: string;
}

/** Whole messages there, and all that is said up to ReadyForQuery back. */
interface Server {
  exchange(bytes: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

type Row = Record<string, string | number>;

export class Postgres {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(extensions: Extensions = {}): Promise<Postgres> {
    const db = await PGlite.create({ extensions });
    return new Postgres({
      exchange: (bytes) => db.execProtocolRaw(bytes.slice()),
      close: () => db.close(),
    });
  }

  /** A server that lets everyone in. */
  static async connect(port: number): Promise<Postgres> {
    const postgres = new Postgres(await openServer(port));
    const { rows } = await postgres.query("show server_version_num");
    if (Number(Object.values(rows[0] ?? {})[0]) < 160_000) await postgres.run(inputIsValid);
    return postgres;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  /** The rows of a statement; integers and OIDs are numbers, all else is text. */
  async query<Shape extends Row>(sql: string): Promise<{ rows: Shape[] }> {
    const rows: Row[] = [];
    let columns: { name: string; typeOid: number }[] = [];
    for (const message of await this.#ask([{ type: "Query", query: sql }])) {
      if (message.type === "ErrorResponse") throw new Error(message.fields.message);
      if (message.type === "RowDescription") columns = message.fields;
      if (message.type !== "DataRow") continue;
      const cells = message.values.map((value, at): [string, string | number] => {
        const { name, typeOid } = columns[at] ?? { name: "", typeOid: 0 };
        const text = value === null ? "" : decoder.decode(value);
        return [name, [20, 21, 23, 26].includes(typeOid) ? Number(text) : text];
      });
      rows.push(Object.fromEntries(cells));
    }
    return { rows: rows as Shape[] };
  }

  /** The cells of a statement's rows, in text form. */
  async rows(sql: string): Promise<(string | null)[][]> {
    const messages = await this.#ask([{ type: "Query", query: sql }]);
    return messages.flatMap((message) =>
      message.type === "DataRow"
        ? [message.values.map((value) => (value === null ? null : decoder.decode(value)))]
        : [],
    );
  }

  /** Runs statements that give nothing. */
  async run(sql: string): Promise<void> {
    await this.query(sql);
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

  async #execute(
    query: string,
    parameterTypes: number[],
    parameter: string | Uint8Array,
  ): Promise<(Value & { readonly number: string })[] | { readonly error: string }> {
    const messages = await this.#ask([
      { type: "Parse", statement: "", query, parameterTypes },
      {
        type: "Bind",
        portal: "",
        statement: "",
        parameterFormats: [typeof parameter === "string" ? 0 : 1],
        parameters: [parameter],
        resultFormats: query.startsWith("select v, v, n") ? [1, 0, 0] : [1, 0],
      },
      { type: "Execute", portal: "", maxRows: 0 },
      { type: "Sync" },
    ]);
    const rows: (Value & { number: string })[] = [];
    for (const message of messages) {
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

  async #ask(messages: readonly FrontendInput[]): Promise<BackendMessage[]> {
    const writer = new Writer();
    for (const message of messages) encodeFrontend(writer, message);
    return decode(await this.#server.exchange(writer.take()));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Since PostgreSQL 16 it is there. */
const inputIsValid = `
  create function pg_input_is_valid(value text, type text) returns bool language plpgsql as $$
  begin
    execute format('select %L::%s', value, type);
    return true;
  exception when others then
    return false;
  end $$`;

function decode(bytes: Uint8Array): BackendMessage[] {
  const framer = new Framer({ limits: backendLimits() });
  framer.push(bytes);
  const messages: BackendMessage[] = [];
  for (let frame = framer.next(); frame; frame = framer.next()) {
    messages.push(decodeBackend(frame.code, frame.body));
  }
  return messages;
}

async function openServer(port: number): Promise<Server> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const exchange = async (bytes: Uint8Array): Promise<Uint8Array> => {
    socket.write(bytes);
    const chunks: Buffer[] = [];
    for (;;) {
      const [chunk] = (await once(socket, "data", { signal: AbortSignal.timeout(20_000) })) as [Buffer];
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      // ReadyForQuery, or an error instead of it.
      if (all.subarray(-6, -1).toString("hex") === "5a00000005" || socket.destroyed) return all;
    }
  };
  const writer = new Writer();
  encodeStartup(writer, {
    type: "StartupMessage",
    version: protocol30,
    parameters: new Map([
      ["user", "postgres"],
      ["database", "postgres"],
      ["client_encoding", "UTF8"],
    ]),
  });
  await exchange(writer.take());
  return {
    exchange,
    close: async () => {
      socket.destroy();
    },
  };
}
