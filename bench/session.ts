// The constant upstream without sockets: pgbench's bytes into sessions, their answers out, in one process. Microseconds
// of CPU for a transaction, so that a change to the session shows within seconds and on a busy machine.
// Run: node bench/session.ts [mode]

import { trustAuthSource } from "../src/auth/source.ts";
import { Session, type Transport } from "../src/session/mod.ts";
import { encodeFrontend, encodeStartup, type FrontendMessage, protocol30, Writer } from "../src/wire/mod.ts";
import { type Mode, modes } from "./options.ts";
import { extendedAnswer, preparedAnswer, queryAnswer } from "./targets/canned.ts";
import { constantUpstream } from "./targets/constant-upstream.ts";

/** As many as pgbench's most: they fill one turn of the event loop. */
const sessions = 32;
const transactionsPerSample = 32_000;
const samples = 9;

const sql = "SELECT 1;";
const parse: FrontendMessage = { type: "Parse", statement: "", query: sql, parameterTypes: [] };
const named: FrontendMessage = { ...parse, statement: "P_0" };
const run = (statement: string): FrontendMessage[] => [
  { type: "Bind", portal: "", statement, parameterFormats: [], parameters: [], resultFormats: [0] },
  { type: "Describe", kind: "P", name: "" },
  { type: "Execute", portal: "", maxRows: 0 },
  { type: "Sync" },
];

const traffic: Record<Mode, { first?: Uint8Array; each: Uint8Array; answer: Uint8Array }> = {
  simple: { each: encode({ type: "Query", query: sql }), answer: queryAnswer },
  extended: { each: encode(parse, ...run("")), answer: extendedAnswer },
  prepared: { first: encode(named, { type: "Sync" }), each: encode(...run("P_0")), answer: preparedAnswer },
};

function encode(...messages: FrontendMessage[]): Uint8Array {
  const writer = new Writer();
  for (const message of messages) encodeFrontend(writer, message);
  return writer.take();
}

function startup(): Uint8Array {
  const writer = new Writer();
  const parameters = new Map([["user", "postgres"]]);
  encodeStartup(writer, { type: "StartupMessage", version: protocol30, parameters });
  return writer.take();
}

/** Every microtask that is due runs first: all sessions have answered then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function open(written: (bytes: Uint8Array) => void): Promise<Session> {
  const transport: Transport = { write: written, end() {}, destroy() {}, tls: undefined };
  const session = new Session(transport, { auth: trustAuthSource(), upstream: () => constantUpstream });
  session.receive(startup());
  for (let i = 0; i < 10; i++) await turn();
  return session;
}

async function measure(mode: Mode): Promise<number[]> {
  const { first, each, answer } = traffic[mode];
  let answered = 0;
  const opened: Session[] = [];
  const written = (bytes: Uint8Array): void => {
    answered += bytes.length;
  };
  for (let i = 0; i < sessions; i++) opened.push(await open(written));
  if (first) for (const session of opened) session.receive(first);
  await turn();

  const times: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    answered = 0;
    const before = process.threadCpuUsage();
    for (let done = 0; done < transactionsPerSample; done += sessions) {
      for (const session of opened) session.receive(each);
      await turn();
    }
    const { user, system } = process.threadCpuUsage(before);
    if (answered !== transactionsPerSample * answer.length) {
      throw new Error(
        `${mode}: ${answered / transactionsPerSample} bytes an answer instead of ${answer.length}`,
      );
    }
    times.push((user + system) / transactionsPerSample);
  }
  for (const session of opened) session.end();
  return times.sort((a, b) => a - b);
}

const [only] = process.argv.slice(2);
console.log("mode        us/tx, best   median   of the session alone, with a constant upstream");
for (const mode of modes) {
  if (only !== undefined && only !== mode) continue;
  const times = await measure(mode);
  const [best = 0, middle = 0] = [times[0], times[times.length >> 1]];
  console.log(`${mode.padEnd(10)}  ${best.toFixed(2).padStart(11)}  ${middle.toFixed(2).padStart(7)}`);
}
