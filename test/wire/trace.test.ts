import { describe, expect, test } from "vitest";
import {
  type BackendInput,
  backendLimits,
  encodeStartup,
  type Frame,
  Framer,
  type FrontendInput,
  type PasswordKind,
  type StartupPacket,
  traceAnswer,
  traceFrame,
  Writer,
} from "../../src/wire/mod.ts";
import { backendBytes, bytes, frontendBytes } from "./bytes.ts";

function frameOf(message: Uint8Array, framer: Framer): Frame {
  framer.push(message);
  const frame = framer.next();
  if (frame === undefined) throw new Error("not a whole message");
  return frame;
}

const frontend = (message: FrontendInput) => frameOf(frontendBytes(message), new Framer());
const backend = (message: BackendInput) =>
  frameOf(backendBytes(message), new Framer({ limits: backendLimits() }));

function startup(packet: StartupPacket): Frame {
  const writer = new Writer();
  encodeStartup(writer, packet);
  return frameOf(writer.take(), new Framer({ startup: true }));
}

const field = { tableOid: 0, columnAttribute: 0, typeOid: 23, typeSize: 4, typeModifier: -1, format: 0 };
const source = { file: "scan.l", line: 1188, routine: "scanner_yyerror" };

// The lines of libpq 18, talking to PostgreSQL 15 (some cut down to one column or field): plainly, and in regress mode
// where that differs.
const frontendLines: [FrontendInput, string, string?][] = [
  [{ type: "Query", query: "SELECT 1" }, 'F\t13\tQuery\t "SELECT 1"'],
  [{ type: "Query", query: "" }, 'F\t5\tQuery\t ""'],
  [{ type: "Query", query: 'SELECT "né"' }, 'F\t17\tQuery\t "SELECT "né""'],
  [
    {
      type: "Parse",
      statement: "",
      query: "SELECT $1::int, $2::text, $3::bytea",
      parameterTypes: [23, 25, 17],
    },
    'F\t55\tParse\t "" "SELECT $1::int, $2::text, $3::bytea" 3 23 25 17',
    'F\t55\tParse\t "" "SELECT $1::int, $2::text, $3::bytea" 3 NNNN NNNN NNNN',
  ],
  [
    { type: "Parse", statement: "st", query: "SELECT $1::int + 1", parameterTypes: [] },
    'F\t28\tParse\t "st" "SELECT $1::int + 1" 0',
  ],
  [
    {
      type: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [0, 0, 1],
      parameters: ["5", null, bytes("7801ff")],
      resultFormats: [1],
    },
    "F\t36\tBind\t \"\" \"\" 3 0 0 1 3 1 '5' -1 3 'x\\x01\\xff' 1 1",
  ],
  [{ type: "Describe", kind: "P", name: "" }, 'F\t6\tDescribe\t P ""'],
  [{ type: "Describe", kind: "S", name: "st" }, 'F\t8\tDescribe\t S "st"'],
  [{ type: "Execute", portal: "", maxRows: 0 }, 'F\t9\tExecute\t "" 0'],
  [{ type: "Close", kind: "S", name: "st" }, 'F\t8\tClose\t S "st"'],
  [{ type: "Sync" }, "F\t4\tSync"],
  [{ type: "Flush" }, "F\t4\tFlush"],
  [{ type: "Terminate" }, "F\t4\tTerminate"],
  [
    { type: "CopyData", data: bytes("'1' 09 'one' 0a") },
    "F\t10\tCopyData\t '1\\x09one\\x0a'",
    "F\t10\tCopyData\t 'BBBB'",
  ],
  [{ type: "CopyDone" }, "F\t4\tCopyDone"],
  [{ type: "CopyFail", message: "no thanks" }, 'F\t14\tCopyFail\t "no thanks"'],
  [
    {
      type: "FunctionCall",
      functionOid: 1397,
      argumentFormats: [1],
      arguments: [bytes("00000007")],
      resultFormat: 1,
    },
    "F\t24\tFunctionCall\t 1397 1 1 1 4 '\\x00\\x00\\x00\\x07' 1",
    "F\t24\tFunctionCall\t NNNN 1 1 1 4 '\\x00\\x00\\x00\\x07' 1",
  ],
];

const backendLines: [BackendInput, string, string?][] = [
  [
    { type: "RowDescription", fields: [{ ...field, name: "?column?" }] },
    'B\t33\tRowDescription\t 1 "?column?" 0 0 23 4 -1 0',
    'B\t33\tRowDescription\t 1 "?column?" NNNN 0 NNNN 4 -1 0',
  ],
  [
    { type: "RowDescription", fields: [{ ...field, name: "né", typeOid: 25, typeSize: -1 }] },
    'B\t28\tRowDescription\t 1 "né" 0 0 25 65535 -1 0',
    'B\t28\tRowDescription\t 1 "né" NNNN 0 NNNN 65535 -1 0',
  ],
  [{ type: "DataRow", values: ["1"] }, "B\t11\tDataRow\t 1 1 '1'"],
  [
    { type: "DataRow", values: ["héß", "a\tb", null, "1.5", "é"] },
    "B\t39\tDataRow\t 5 5 'h\\xc3\\xa9\\xc3\\x9f' 3 'a\\x09b' -1 3 '1.5' 2 '\\xc3\\xa9'",
  ],
  [{ type: "CommandComplete", tag: "SELECT 1" }, 'B\t13\tCommandComplete\t "SELECT 1"'],
  [{ type: "ReadyForQuery", status: "I" }, "B\t5\tReadyForQuery\t I"],
  [{ type: "EmptyQueryResponse" }, "B\t4\tEmptyQueryResponse"],
  [{ type: "ParseComplete" }, "B\t4\tParseComplete"],
  [{ type: "BindComplete" }, "B\t4\tBindComplete"],
  [{ type: "CloseComplete" }, "B\t4\tCloseComplete"],
  [{ type: "NoData" }, "B\t4\tNoData"],
  [{ type: "PortalSuspended" }, "B\t4\tPortalSuspended"],
  [
    { type: "ParameterDescription", parameterTypes: [23] },
    "B\t10\tParameterDescription\t 1 23",
    "B\t10\tParameterDescription\t 1 NNNN",
  ],
  [
    {
      type: "ErrorResponse",
      fields: {
        severity: "ERROR",
        code: "42601",
        message: 'syntax error at or near "SELEC"',
        position: 1,
        ...source,
      },
    },
    'B\t93\tErrorResponse\t S "ERROR" V "ERROR" C "42601" M "syntax error at or near "SELEC"" P "1" F "scan.l" L "1188" R "scanner_yyerror" \\x00',
    'B\tNN\tErrorResponse\t S "ERROR" V "ERROR" C "42601" M "syntax error at or near "SELEC"" P "1" F "SSSS" L "SSSS" R "SSSS" \\x00',
  ],
  [
    { type: "NoticeResponse", fields: { severity: "NOTICE", code: "00000", message: "hi" } },
    'B\t32\tNoticeResponse\t S "NOTICE" V "NOTICE" C "00000" M "hi" \\x00',
    'B\tNN\tNoticeResponse\t S "NOTICE" V "NOTICE" C "00000" M "hi" \\x00',
  ],
  [{ type: "CopyInResponse", format: 0, columnFormats: [0, 0] }, "B\t11\tCopyInResponse\t \\x00 2 0 0"],
  [{ type: "CopyOutResponse", format: 0, columnFormats: [0, 0] }, "B\t11\tCopyOutResponse\t \\x00 2 0 0"],
  [
    { type: "CopyData", data: bytes("'1' 09 'a\\tb' 0a") },
    "B\t11\tCopyData\t '1\\x09a\\tb\\x0a'",
    "B\t11\tCopyData\t 'BBBB'",
  ],
  [
    { type: "NotificationResponse", processId: 19365, channel: "ch", payload: "pay" },
    'B\t15\tNotificationResponse\t 19365 "ch" "pay"',
    'B\t15\tNotificationResponse\t NNNN "ch" "pay"',
  ],
  [
    { type: "ParameterStatus", name: "application_name", value: "x y" },
    'B\t25\tParameterStatus\t "application_name" "x y"',
  ],
  [
    { type: "FunctionCallResponse", value: bytes("00000007") },
    "B\t12\tFunctionCallResponse\t 4 '\\x00\\x00\\x00\\x07'",
  ],
  [
    { type: "BackendKeyData", processId: 17333, secretKey: bytes("a67bd442") },
    "B\t12\tBackendKeyData\t 17333 '\\xa6{\\xd4B'",
    "B\t12\tBackendKeyData\t NNNN 'BBBB'",
  ],
  [
    { type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] },
    'B\t23\tAuthenticationSASL\t "SCRAM-SHA-256" ""',
  ],
  [{ type: "AuthenticationCleartextPassword" }, "B\t8\tAuthenticationCleartextPassword"],
];

describe("libpq's lines", () => {
  test.each(frontendLines)("%o", (message, plain, regress = plain) => {
    expect(traceFrame("F", frontend(message))).toBe(plain);
    expect(traceFrame("F", frontend(message), { regress: true })).toBe(regress);
  });

  test.each(backendLines)("%o", (message, plain, regress = plain) => {
    expect(traceFrame("B", backend(message))).toBe(plain);
    expect(traceFrame("B", backend(message), { regress: true })).toBe(regress);
  });

  test("the startup family", () => {
    const parameters = new Map([
      ["user", "u"],
      ["database", "postgres"],
    ]);
    expect(traceFrame("F", startup({ type: "StartupMessage", version: 196608, parameters }))).toBe(
      'F\t34\tStartupMessage\t 3 0 "user" "u" "database" "postgres"',
    );
    expect(traceFrame("F", startup({ type: "SSLRequest" }))).toBe("F\t8\tSSLRequest\t 1234 5679");
    expect(traceFrame("F", startup({ type: "GSSENCRequest" }))).toBe("F\t8\tGSSENCRequest\t 1234 5680");
    expect(traceAnswer("SSLResponse", "N")).toBe("B\t1\tSSLResponse\t N");
    const cancel = startup({ type: "CancelRequest", processId: 7, secretKey: bytes("'abcd'") });
    expect(traceFrame("F", cancel)).toBe("F\t16\tCancelRequest\t 1234 5678 7 'abcd'");
    expect(traceFrame("F", cancel, { regress: true })).toBe("F\t16\tCancelRequest\t 1234 5678 NNNN 'BBBB'");
  });

  test("messages that no libpq prints whole", () => {
    expect(traceFrame("B", backend({ type: "AuthenticationOk" }))).toBe("B\t8\tAuthenticationOk");
    expect(traceFrame("B", backend({ type: "AuthenticationMD5Password", salt: bytes("01020304") }))).toBe(
      "B\t12\tAuthenticationMD5Password",
    );
    expect(traceFrame("B", backend({ type: "CopyBothResponse", format: 0, columnFormats: [0] }))).toBe(
      "B\t9\tCopyBothResponse\t \\x00 1 0",
    );
    expect(
      traceFrame("B", backend({ type: "NegotiateProtocolVersion", version: 196610, options: ["_pq_.x"] })),
    ).toBe('B\t19\tNegotiateProtocolVersion\t 196610 1 "_pq_.x"');
  });
});

describe("secrets", () => {
  test.each<[PasswordKind, FrontendInput, string]>([
    ["PasswordMessage", { type: "PasswordMessage", password: "s3cret" }, 'F\t11\tPasswordMessage\t "SSSS"'],
    [
      "SASLInitialResponse",
      { type: "SASLInitialResponse", mechanism: "OAUTHBEARER", data: bytes("'s3cret'") },
      "F\t26\tSASLInitialResponse\t \"OAUTHBEARER\" 6 'BBBB'",
    ],
    ["SASLResponse", { type: "SASLResponse", data: bytes("'s3cret'") }, "F\t10\tSASLResponse\t 'BBBB'"],
    ["GSSResponse", { type: "GSSResponse", data: bytes("'s3cret'") }, "F\t10\tGSSResponse\t 'BBBB'"],
  ])("of %s are never printed", (password, message, line) => {
    expect(traceFrame("F", frontend(message), { password })).toBe(line);
    expect(traceFrame("F", frontend(message))).not.toContain("s3cret");
  });

  test("nor what could be used to guess a password", () => {
    const final = backend({ type: "AuthenticationSASLFinal", data: bytes("'v=abc'") });
    expect(traceFrame("B", final)).toBe("B\t13\tAuthenticationSASLFinal\t 'BBBB'");
  });
});

test("a timestamp comes first, in local time", () => {
  const timestamp = new Date(2026, 10, 22, 9, 26, 5, 7);
  expect(traceFrame("F", frontend({ type: "Sync" }), { timestamp })).toBe(
    "2026-11-22 09:26:05.007000\tF\t4\tSync",
  );
});

describe("messages that make no sense are printed as far as they do", () => {
  const raw = (code: string, body: string): Frame => ({
    code: code.charCodeAt(0),
    body: bytes(body),
    bytes: new Uint8Array(0),
  });

  test.each([
    ["Q", "'SELECT'", "F\t10\tQuery\nmismatched message length: consumed 4, expected 10"],
    ["Q", "'a' 00 'b'", 'F\t7\tQuery\t "a"\nmismatched message length: consumed 6, expected 7'],
    [
      "B",
      "00 00 0000 ffff 00000001 '1'",
      'F\t15\tBind\t "" "" 0 65535 1 \'1\'\nmismatched message length: consumed 15, expected 15',
    ],
    ["z", "", "F\t4\tUnknown message: 7a"],
  ])("%s %s", (code, body, lines) => {
    expect(traceFrame("F", raw(code, body))).toBe(lines);
  });

  test("an unknown authentication", () => {
    expect(traceFrame("B", raw("R", "00000063"))).toBe("B\t8\tUnknown authentication message 99");
  });
});
