// `edgewire query <url> <sql>`: one statement through the client half, printed as psql prints it.
import { connect, parseUrl, type QueryResult, query } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { openSocket } from "./socket-stream.ts";

export async function queryCommand(args: readonly string[]): Promise<number> {
  const [url, sql, ...rest] = args;
  if (url === undefined || sql === undefined || rest.length > 0) {
    throw new ConfigError('usage: edgewire query <url> "<sql>"');
  }
  const { options, ...address } = parseUrl(url);
  const password = options.password ?? process.env.PGPASSWORD;
  try {
    const stream = await openSocket(address, options.sslMode ?? "prefer");
    const connection = await connect(
      stream,
      { ...options, ...(password !== undefined && { password }) },
      { onNotice: ({ severity, message }) => console.error(`${severity}:  ${message}`) },
    );
    try {
      for (const result of await query(connection, sql)) console.log(printResult(result));
    } finally {
      connection.close();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    console.error(printError(error, sql));
    return 1;
  }
}

/** The table that psql prints: headers centred, numbers to the right, a count below. */
export function printResult({ fields, rows, tag }: QueryResult): string {
  if (fields.length === 0 && rows.length === 0) return tag;
  const cells = rows.map((row) => row.map((value) => String(value ?? "")));
  const widths = fields.map(({ name }, at) =>
    Math.max(width(name), ...cells.flatMap((row) => (row[at] ?? "").split("\n").map(width))),
  );
  const lines = [
    ` ${fields.map(({ name }, at) => centre(name, widths[at] ?? 0)).join(" | ")} `.trimEnd(),
    fields.map((_, at) => "-".repeat((widths[at] ?? 0) + 2)).join("+"),
    ...cells.map((row) =>
      ` ${row.map((cell, at) => align(cell, widths[at] ?? 0, numeric.has(fields[at]?.typeOid ?? 0))).join(" | ")}`.trimEnd(),
    ),
    `(${rows.length} ${rows.length === 1 ? "row" : "rows"})`,
  ];
  return lines.join("\n");
}

function printError({ fields }: PgError, sql: string): string {
  const lines = [`${fields.severity}:  ${fields.message}`];
  if (fields.position !== undefined) {
    const before = [...sql].slice(0, fields.position - 1).join("").split("\n");
    const line = sql.split("\n")[before.length - 1] ?? "";
    const prefix = `LINE ${before.length}: `;
    lines.push(prefix + line, `${" ".repeat(prefix.length + width(before.at(-1) ?? ""))}^`);
  }
  if (fields.detail) lines.push(`DETAIL:  ${fields.detail}`);
  if (fields.hint) lines.push(`HINT:  ${fields.hint}`);
  return lines.join("\n");
}

/** int8, int2, int4, oid, float4, float8, money, numeric. */
const numeric: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 790, 1700]);

function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += /\p{Mn}/u.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

/** East Asian wide characters and emoji take two columns of a terminal. */
const wide = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}]/u;

function centre(text: string, columns: number): string {
  const space = columns - width(text);
  return " ".repeat(Math.floor(space / 2)) + text + " ".repeat(Math.ceil(space / 2));
}

function align(text: string, columns: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, columns - width(text)));
  return right ? space + text : text + space;
}
