/** Where transcripts are played, and the end mark that tells when a target has answered everything. */
import { createHash } from "node:crypto";
import { AnswerPrinter, type BackendFrame, frames } from "./answer.ts";
import { describeStatement, join, sync, type TargetName, type Transcript } from "./transcript.ts";

export interface Target {
  readonly name: TargetName;
  /** Starts from an empty database, runs the setup, and gives the answer as lines. */
  play(transcript: Transcript): Promise<string[]>;
  close(): Promise<void>;
}

const closed = "the connection is closed";

/** Describe of this statement is answered by an error that nothing else is answered by, in every state but COPY. */
const endName = "end of transcript";

/** Sent behind a transcript. Its own answer is ReadyForQuery, and the error that `isEnd` knows. */
export const endMark: Uint8Array = join([sync, describeStatement(endName), sync] as Uint8Array[]);

export function isEnd(frame: BackendFrame): boolean {
  return frame.code === "E" && new TextDecoder().decode(frame.body).includes(`"${endName}"`);
}

/** The lines of an answer, without those of the end mark. An answer without one ended with the connection. */
export function printAnswer(bytes: Uint8Array): string[] {
  const all = frames(bytes);
  const end = all.findIndex(isEnd);
  const printer = new AnswerPrinter();
  const own = end < 0 ? all : all.slice(0, end);
  // The Sync of the end mark was answered too.
  if (end >= 0 && own.pop()?.code !== "Z") throw new Error("no ReadyForQuery before the end mark");
  const lines = shorten(sortParameters(own.map(({ code, body }) => printer.line(code, body))));
  return end < 0 ? [...lines, closed] : lines;
}

/** Answers to SSLRequest and GSSENCRequest, before anything that is a message. */
const letters = /[NSG]/;

/** What came from the beginning of a connection on. */
export function printStartup(bytes: Uint8Array): string[] {
  let at = 0;
  const lines: string[] = [];
  // A message has its length behind its type, which begins with a zero.
  for (; letters.test(letterAt(bytes, at)) && bytes[at + 1] !== 0; at++) lines.push(letterAt(bytes, at));
  const rest = bytes.subarray(at);
  // To clients of protocol 2 PostgreSQL answers in protocol 2: no length, a text.
  if (rest.length > 1 && rest[1] !== 0)
    return [...lines, JSON.stringify(new TextDecoder().decode(rest)), closed];
  return [...lines, ...printAnswer(rest).flatMap(stableParameter)];
}

const letterAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(bytes[at] ?? 0);

/** Settings that 15 does not report are left out, and the version. */
function stableParameter(line: string): string[] {
  if (/^ParameterStatus "(search_path|scram_iterations)"/.test(line)) return [];
  return [line.replace(/^(ParameterStatus "server_version") .*/, "$1")];
}

/** PostgreSQL 15 and 18 report settings that change together in another order; it means nothing. */
function sortParameters(lines: readonly string[]): string[] {
  const sorted: string[] = [];
  let run: string[] = [];
  for (const line of [...lines, ""]) {
    if (line.startsWith("ParameterStatus")) {
      run.push(line);
    } else {
      sorted.push(...run.sort(), line);
      run = [];
    }
  }
  return sorted.slice(0, -1);
}

const longest = 400;
const longestRun = 60;

/** Long lines and long runs of rows are named by their hash, so that recorded answers stay readable. */
function shorten(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < lines.length; ) {
    const kind = lines[at]?.split(" ", 1)[0];
    let end = at + 1;
    while (end < lines.length && lines[end]?.split(" ", 1)[0] === kind) end++;
    const run = lines.slice(at, end).map(shortLine);
    if (run.length <= longestRun) kept.push(...run);
    else kept.push(...run.slice(0, 3), `(${run.length - 4} more, ${hash(run.join("\n"))})`, ...run.slice(-1));
    at = end;
  }
  return kept;
}

function shortLine(line: string): string {
  if (line.length <= longest) return line;
  return `${line.slice(0, longest / 2)}… (${line.length} characters, ${hash(line)})`;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Statements that bring a server back to an empty database; none of them may share a message with another one. */
export const resetStatements: readonly string[] = [
  "rollback",
  "discard all",
  "set client_min_messages = error",
  "drop schema public cascade",
  "create schema public",
  "reset client_min_messages",
];
