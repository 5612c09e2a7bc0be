/**
 * RESET on a shared backend. It goes back to the database's default there, for the settings of a client's startup packet
 * were only set by the gateway: they have to be set again before the client is told that its RESET is done. What runs
 * behind a RESET in the same text or pipeline still finds the default.
 */
import { classify } from "../../sql/classify.ts";
import { splitStatements } from "../../sql/split.ts";
import { constantFrames, encodeFrontend } from "../../wire/mod.ts";
import type { Writer } from "../../wire/writer.ts";
import { literal } from "./state.ts";

const mayReset = /\b(?:reset|discard)\b|\bset\b[^;]*\bdefault\b/i;

/** Whether SQL takes settings back to their defaults. That of a function that is called cannot be seen. */
export function resetsSettings(text: string): boolean {
  if (!mayReset.test(text)) return false;
  try {
    return splitStatements(text).some((statement) => {
      const kind = classify(statement.text);
      switch (kind.type) {
        case "reset":
          return true;
        case "discard":
          return kind.what === "all";
        case "set":
          // SET LOCAL ends with its transaction, which what is set behind it would not.
          return kind.value === undefined && kind.scope === "session";
        case "other":
          return kind.verb === "DO";
        default:
          return false;
      }
    });
  } catch {
    // A syntax error: nothing of it will run.
    return false;
  }
}

/**
 * The SQL that sets those settings again that a RESET has taken; undefined: there are none to set. In a transaction it
 * takes a snapshot, so that SET TRANSACTION comes too late behind it.
 */
export function startupAgain(startup: ReadonlyMap<string, string>): string | undefined {
  if (startup.size === 0) return undefined;
  const values = [...startup].map(([name, value]) => `(${literal(name)}, ${literal(value)})`);
  // RESET ALL resets what only a superuser may set, whatever role the client has taken on. pg_settings has no custom
  // settings; those are empty when they are reset.
  return `
    SELECT pg_catalog.set_config(s.name, s.value, false) FROM (VALUES ${values.join(", ")}) AS s (name, value)
      LEFT JOIN pg_catalog.pg_settings AS p ON pg_catalog.lower(p.name) = pg_catalog.lower(s.name)
      WHERE CASE WHEN p.name IS NULL THEN coalesce(pg_catalog.current_setting(s.name, true), '') = ''
        ELSE p.source <> 'session' AND (p.context = 'user' OR pg_catalog.current_setting('is_superuser') = 'on') END`;
}

/** Of a statement and a portal of the gateway's own: the unnamed ones are the client's. */
const name = "edgewire: startup settings";

/** Writes what runs that SQL, with a Sync. */
export function writeStartupAgain(writer: Writer, query: string): void {
  encodeFrontend(writer, { type: "Parse", statement: name, query, parameterTypes: [] });
  encodeFrontend(writer, {
    type: "Bind",
    portal: name,
    statement: name,
    parameterFormats: [],
    parameters: [],
    resultFormats: [],
  });
  encodeFrontend(writer, { type: "Execute", portal: name, maxRows: 0 });
  encodeFrontend(writer, { type: "Close", kind: "S", name });
  encodeFrontend(writer, { type: "Close", kind: "P", name });
  writer.raw(constantFrames.sync);
}
