/** The answer must not depend on how the client's bytes are cut. */
import { describe, expect, test } from "vitest";
import { type AuthSource, staticAuthSource } from "../../src/auth/mod.ts";
import type { StatementSession } from "../../src/session/mod.ts";
import { bytes, concat } from "../wire/bytes.ts";
import { answer, type Scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  copyData,
  copyDone,
  describePortal,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

/** Answers at once, or after a turn of the event loop. */
function upstream(later: boolean): Scripted {
  const wait = async <Value>(value: Value): Promise<Value> => {
    await settled();
    return value;
  };
  const methods: Partial<StatementSession> = {
    query: (statement) => {
      if (statement.sql !== "copy")
        return later ? wait(null).then(() => answer(statement)) : answer(statement);
      return {
        type: "copyIn",
        format: 0,
        columnFormats: [0],
        async receive(data) {
          let size = 0;
          for await (const chunk of data) size += chunk.length;
          return `COPY ${size}`;
        },
      };
    },
    describe: ({ sql }) => {
      const described = {
        parameterTypes: [],
        columns: sql.startsWith("select") ? [{ name: "a" }] : undefined,
      };
      return later ? wait(described) : described;
    },
  };
  return transactional(methods);
}

const login = startup();
const terminate: Sent = { type: "Terminate" };

/** Everything that a client sends in its life. */
const transcripts: [string, Uint8Array][] = [
  ["a query", concat(login, bytesOf([query("select 1"), terminate]))],
  [
    "several queries",
    concat(login, bytesOf([query("select 1; select 2"), query(""), query("fail"), terminate])),
  ],
  [
    "a transaction",
    concat(login, bytesOf([query("begin"), query("fail"), query("x"), query("commit"), terminate])),
  ],
  [
    "pipelines",
    concat(
      login,
      bytesOf([
        ...run("select $1", "é😀"),
        ...run("rows 3"),
        sync,
        parse("select 1", "s"),
        describeStatement("s"),
        flush,
        bind([], { statement: "s", portal: "p" }),
        describePortal("p"),
        execute(1, "p"),
        { type: "Close", kind: "P", name: "p" },
        sync,
        terminate,
      ]),
    ),
  ],
  [
    "errors in pipelines",
    concat(
      login,
      bytesOf([
        ...run("fail"),
        ...run("x"),
        query("skipped"),
        sync,
        execute(0, "nosuch"),
        flush,
        parse("a; b"),
        sync,
        query("select 1"),
        terminate,
      ]),
    ),
  ],
  [
    "COPY",
    concat(
      login,
      bytesOf([
        query("copy"),
        copyData("1\n2\n"),
        copyData("3\n"),
        copyDone,
        ...run("copy"),
        copyData("4\n"),
        copyDone,
        sync,
        query("copy"),
        { type: "CopyFail", message: "no" },
        copyData("stray"),
        copyDone,
        query("x"),
        terminate,
      ]),
    ),
  ],
  [
    "settings",
    concat(
      login,
      bytesOf([query("set application_name = 'a'; show application_name"), query("reset all"), terminate]),
    ),
  ],
  [
    "a malformed message",
    concat(
      login,
      bytes("51 00000008 'sel' ff"),
      bytes("50 00000006 00 00"),
      bytesOf([sync, query("x"), terminate]),
    ),
  ],
  [
    "a type that does not exist",
    concat(login, bytesOf([query("select 1"), parse("x")]), bytes("7a 00000004"), bytesOf([query("y")])),
  ],
  ["a length that is too short", concat(login, bytesOf([query("select 1")]), bytes("51 00000003"))],
  [
    "a message that is cut off",
    concat(login, bytesOf([query("select 1")]), bytesOf([query("select 2")]).subarray(0, 9)),
  ],
  ["an unsupported version", concat(startup({}, 0x20000), bytesOf([query("select 1")]))],
  ["no startup packet", bytesOf([query("select 1")])],
];

const passwords: AuthSource = staticAuthSource({ postgres: "sesame" }, { method: "password" });
const password = (text: string): Uint8Array => bytesOf([{ type: "PasswordMessage", password: text }]);
const guarded: [string, Uint8Array][] = [
  [
    "a password with a query behind it",
    concat(login, password("sesame"), bytesOf([query("select 1"), terminate])),
  ],
  [
    "a wrong password with a query behind it",
    concat(login, password("x"), bytesOf([query("select 1"), terminate])),
  ],
];

async function play(sent: Uint8Array, later: boolean, cut: "whole" | "bytes" | "odd", auth?: AuthSource) {
  const script = upstream(later);
  const client = new TestClient({
    ...script,
    byteByByte: cut === "bytes",
    ...(auth && { auth }),
  });
  if (cut === "odd") {
    // Views into the middle of other memory, as sockets give them.
    for (let at = 0; at < sent.length; at += 7) {
      const padded = concat(
        new Uint8Array(3).fill(0xff),
        sent.subarray(at, at + 7),
        new Uint8Array(2).fill(0xff),
      );
      void client.sendBytes(padded.subarray(3, padded.length - 2));
    }
  } else await client.sendBytes(sent.slice());
  client.session.finish();
  await client.untilClosed();
  return { lines: client.take(), calls: script.calls };
}

for (const [kind, list, auth] of [
  ["a session", transcripts, undefined],
  ["a session with passwords", guarded, passwords],
] as const) {
  describe(kind, () => {
    for (const [name, sent] of list) {
      for (const later of [false, true]) {
        test(`${name}, with an upstream that answers ${later ? "later" : "at once"}`, async () => {
          const whole = await play(sent, later, "whole", auth);
          expect(whole.lines.length).toBeGreaterThan(0);
          expect(await play(sent, later, "bytes", auth)).toEqual(whole);
          expect(await play(sent, later, "odd", auth)).toEqual(whole);
        });
      }
    }

    test("an upstream that answers later changes nothing", async () => {
      for (const [, sent] of list) {
        expect(await play(sent, true, "whole", auth)).toEqual(await play(sent, false, "whole", auth));
      }
    });
  });
}
