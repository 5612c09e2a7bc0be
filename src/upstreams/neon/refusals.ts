/** What is refused before it is sent anywhere. */
import { characterPosition, type StatementClass, tokenize } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { requireUtf8 } from "./settings.ts";

/** Text in another encoding would be garbled on its way. */
export function checkEncoding(kind: StatementClass): void {
  if (kind.type === "set" && kind.name.toLowerCase() === "client_encoding") {
    requireUtf8(kind.value?.join() ?? "");
  }
}

/** A simple query has no parameters: PostgreSQL says so with their place, which Bind would not. */
export function refuseParameters(sql: string): void {
  if (!/\$\d/.test(sql)) return;
  const token = tokenize(sql).find(({ type }) => type === "parameter");
  if (!token) return;
  throw new PgError(sqlstate.undefinedParameter, `there is no parameter ${token.text}`, {
    position: characterPosition(sql, token.start),
  });
}
