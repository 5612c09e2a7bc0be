// `edgewire query <url> <sql>`: one text of SQL through the client half, printed as psql prints it.
import { type QueryResult, query } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { connectUrl } from "./connect-url.ts";
import { readUrl } from "./connection-url.ts";
import { printError, printNotice } from "./print-error.ts";
import { printTable } from "./print-table.ts";

/** The lines that go to standard output and standard error. */
export interface Console {
  log(text: string): void;
  error(text: string): void;
}

/**
 * @param connect another runtime's, in place of Node's
 * @returns the exit code: 0, or 1 after an error of the server or of the connection, which is printed
 * @throws ConfigError for arguments or a URL that make no sense
 */
export async function queryCommand(
  args: readonly string[],
  output: Console = console,
  connect: typeof connectUrl = connectUrl,
): Promise<number> {
  const [url, sql, ...rest] = args;
  if (url === undefined || sql === undefined || rest.length > 0) {
    throw new ConfigError('usage: edgewire query <url> "<sql>"');
  }
  readUrl(url);
  try {
    const connection = await connect(
      url,
      { onNotice: (fields) => output.error(printNotice(fields)) },
      { application_name: "edgewire query" },
    );
    try {
      await query(connection, sql, (result) => {
        const text = printResult(result);
        if (text !== "") output.log(text);
      });
    } finally {
      connection.close();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    output.error(printError(error.fields, sql));
    return 1;
  }
}

/** A table for rows, the command tag for everything else, both for INSERT … RETURNING and its kin; without the last newline. */
function printResult({ fields, rows, tag }: QueryResult): string {
  // `SELECT` without columns has rows, too.
  if (fields.length === 0 && !tag.startsWith("SELECT ")) return tag;
  const table = printTable(fields, rows);
  return /^(INSERT|UPDATE|DELETE|MERGE) /.test(tag) ? `${table}${tag}` : table.slice(0, -1);
}
