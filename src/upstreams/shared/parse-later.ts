/**
 * Parse and Sync while another client has its turn. They are answered at once: the backend gets the statements before
 * their first use, and only then finds their errors. pgbench prepares its clients' statements one by one in a single
 * thread, while another of its clients is in a transaction: if it had to wait, it would wait for itself.
 */
import { splitStatements } from "../../sql/split.ts";
import { PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import { constantFrames, decodeFrontend, frontendCodes, writeErrorResponse } from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Writer } from "../../wire/writer.ts";
import { type ClientStatements, parsedStatement } from "./statements.ts";

/** Writes the answers, and keeps the statements. An error is what ends the client's session. */
export function parseLater(
  frames: readonly Frame[],
  statements: ClientStatements,
  answers: Writer,
): PgError | undefined {
  let failed = false;
  for (const frame of frames) {
    if (frame.code === frontendCodes.Sync) {
      failed = false;
      answers.raw(constantFrames.readyForQueryIdle);
    } else if (!failed) {
      try {
        keep(frame, statements);
        answers.raw(constantFrames.parseComplete);
      } catch (error) {
        if (error instanceof PgError && error.severity === "FATAL") return error;
        failed = true;
        writeErrorResponse(answers, PgError.from(error).fields);
      }
    }
  }
  return undefined;
}

function keep(frame: Frame, statements: ClientStatements): void {
  const message = decodeFrontend(frame.code, frame.body);
  if (message.type !== "Parse") return;
  const { statement: name, query, parameterTypes } = message;
  if (name !== "" && statements.has(name)) {
    throw new PgError(sqlstate.duplicatePreparedStatement, `prepared statement "${name}" already exists`);
  }
  if (splitStatements(query).length > 1) {
    throw new PgError(sqlstate.syntaxError, "cannot insert multiple commands into a prepared statement");
  }
  const statement = parsedStatement(name, query, parameterTypes);
  statements.checkLimits(statement);
  statements.adopt(statement);
}
