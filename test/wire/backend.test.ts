import { describe, expect, test } from "vitest";
import {
  type BackendMessage,
  constantFrames,
  decodeBackend,
  type ErrorFields,
  Writer,
  writeCommandComplete,
  writeCopyData,
  writeDataRow,
  writeErrorResponse,
  writeNoticeResponse,
  writeNotificationResponse,
  writeParameterStatus,
  writeReadyForQuery,
  writeRowDescription,
} from "../../src/wire/mod.ts";
import { backendBytes, bytes, concat, errorOf } from "./bytes.ts";

/** Every field there is. */
const fullError: ErrorFields = {
  severity: "FATAL",
  localizedSeverity: "FATAL ERREUR",
  code: "23505",
  message: "m",
  detail: "d",
  hint: "h",
  where: "w",
  schema: "s",
  table: "t",
  column: "c",
  dataType: "dt",
  constraint: "n",
  position: 7,
  internalPosition: 8,
  internalQuery: "q",
  file: "f.c",
  line: 99,
  routine: "r",
  unknown: { z: "later" },
};

const goldens: [BackendMessage, string][] = [
  [{ type: "AuthenticationOk" }, "52 00000008 00000000"],
  [{ type: "AuthenticationKerberosV5" }, "52 00000008 00000002"],
  [{ type: "AuthenticationCleartextPassword" }, "52 00000008 00000003"],
  [{ type: "AuthenticationMD5Password", salt: bytes("01020304") }, "52 0000000c 00000005 01020304"],
  [{ type: "AuthenticationSCMCredential" }, "52 00000008 00000006"],
  [{ type: "AuthenticationGSS" }, "52 00000008 00000007"],
  [{ type: "AuthenticationGSSContinue", data: bytes("ff00") }, "52 0000000a 00000008 ff00"],
  [{ type: "AuthenticationSSPI" }, "52 00000008 00000009"],
  [
    { type: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] },
    "52 0000002a 0000000a 'SCRAM-SHA-256-PLUS' 00 'SCRAM-SHA-256' 00 00",
  ],
  [{ type: "AuthenticationSASL", mechanisms: [] }, "52 00000009 0000000a 00"],
  [{ type: "AuthenticationSASLContinue", data: bytes("'r=a'") }, "52 0000000b 0000000b 'r=a'"],
  [{ type: "AuthenticationSASLFinal", data: bytes("'v=b'") }, "52 0000000b 0000000c 'v=b'"],
  [
    { type: "BackendKeyData", processId: 1234, secretKey: bytes("deadbeef") },
    "4b 0000000c 000004d2 deadbeef",
  ],
  [
    { type: "BackendKeyData", processId: -1, secretKey: new Uint8Array(256).fill(7) },
    `4b 00000108 ffffffff ${"07".repeat(256)}`,
  ],
  [{ type: "BindComplete" }, "32 00000004"],
  [{ type: "CloseComplete" }, "33 00000004"],
  [{ type: "CommandComplete", tag: "SELECT 1" }, "43 0000000d 'SELECT 1' 00"],
  [{ type: "CopyInResponse", format: 0, columnFormats: [0, 0] }, "47 0000000b 00 0002 0000 0000"],
  [{ type: "CopyOutResponse", format: 1, columnFormats: [1] }, "48 00000009 01 0001 0001"],
  [{ type: "CopyBothResponse", format: 0, columnFormats: [] }, "57 00000007 00 0000"],
  [{ type: "CopyData", data: bytes("'1' 09 'a' 0a") }, "64 00000008 '1' 09 'a' 0a"],
  [{ type: "CopyDone" }, "63 00000004"],
  [
    { type: "DataRow", values: [bytes("'1'"), null, new Uint8Array(0)] },
    "44 00000013 0003 00000001 '1' ffffffff 00000000",
  ],
  [{ type: "DataRow", values: [] }, "44 00000006 0000"],
  [{ type: "EmptyQueryResponse" }, "49 00000004"],
  [
    {
      type: "ErrorResponse",
      fields: { severity: "ERROR", code: "42601", message: 'syntax error at or near "SELEC"', position: 1 },
    },
    "45 0000003e 'S' 'ERROR' 00 'V' 'ERROR' 00 'C' '42601' 00 'M' 'syntax error at or near \"SELEC\"' 00 'P' '1' 00 00",
  ],
  [
    { type: "ErrorResponse", fields: fullError },
    `45 00000059 'SFATAL ERREUR' 00 'VFATAL' 00 'C23505' 00 'Mm' 00 'Dd' 00 'Hh' 00 'Ww' 00 'ss' 00 'tt' 00 'cc' 00
     'ddt' 00 'nn' 00 'P7' 00 'p8' 00 'qq' 00 'Ff.c' 00 'L99' 00 'Rr' 00 'zlater' 00 00`,
  ],
  [
    { type: "NoticeResponse", fields: { severity: "NOTICE", code: "00000", message: "hi" } },
    "4e 00000020 'SNOTICE' 00 'VNOTICE' 00 'C00000' 00 'Mhi' 00 00",
  ],
  [{ type: "FunctionCallResponse", value: bytes("0007") }, "56 0000000a 00000002 0007"],
  [{ type: "FunctionCallResponse", value: null }, "56 00000008 ffffffff"],
  [
    { type: "NegotiateProtocolVersion", version: 196610, options: ["_pq_.a", "_pq_.b"] },
    "76 0000001a 00030002 00000002 '_pq_.a' 00 '_pq_.b' 00",
  ],
  [{ type: "NegotiateProtocolVersion", version: 196608, options: [] }, "76 0000000c 00030000 00000000"],
  [{ type: "NoData" }, "6e 00000004"],
  [
    { type: "NotificationResponse", processId: 77, channel: "ch", payload: "pay" },
    "41 0000000f 0000004d 'ch' 00 'pay' 00",
  ],
  [{ type: "ParameterDescription", parameterTypes: [23, 4294967295] }, "74 0000000e 0002 00000017 ffffffff"],
  [{ type: "ParameterStatus", name: "TimeZone", value: "UTC" }, "53 00000011 'TimeZone' 00 'UTC' 00"],
  [{ type: "ParseComplete" }, "31 00000004"],
  [{ type: "PortalSuspended" }, "73 00000004"],
  [{ type: "ReadyForQuery", status: "I" }, "5a 00000005 49"],
  [{ type: "ReadyForQuery", status: "T" }, "5a 00000005 54"],
  [{ type: "ReadyForQuery", status: "E" }, "5a 00000005 45"],
  [
    {
      type: "RowDescription",
      fields: [
        {
          name: "id",
          tableOid: 16384,
          columnAttribute: -6,
          typeOid: 23,
          typeSize: 4,
          typeModifier: -1,
          format: 1,
        },
        {
          name: "é",
          tableOid: 4294967295,
          columnAttribute: 2,
          typeOid: 25,
          typeSize: -1,
          typeModifier: 36,
          format: 0,
        },
      ],
    },
    `54 00000030 0002 'id' 00 00004000 fffa 00000017 0004 ffffffff 0001
                      'é' 00 ffffffff 0002 00000019 ffff 00000024 0000`,
  ],
  [{ type: "RowDescription", fields: [] }, "54 00000006 0000"],
];

function decode(message: Uint8Array): BackendMessage {
  return decodeBackend(message[0] as number, message.subarray(5));
}

describe("golden bytes of backend messages", () => {
  test.each(goldens)("%o", (message, notation) => {
    const golden = bytes(notation);
    expect(new DataView(golden.buffer).getInt32(1), "the golden's own length").toBe(golden.length - 1);
    expect(backendBytes(message)).toEqual(golden);
    expect(decode(golden)).toEqual(message);
  });

  test.each(goldens)("%o with one byte less or more is malformed", (message, notation) => {
    const golden = bytes(notation);
    if (["CopyData", "AuthenticationGSSContinue"].includes(message.type)) return;
    if (["AuthenticationSASLContinue", "AuthenticationSASLFinal"].includes(message.type)) return;
    if (message.type === "BackendKeyData" && message.secretKey.length < 256) return;
    expect(errorOf(() => decode(concat(golden, Uint8Array.of(1))))).toMatch(/^ERROR 08P01 /);
    if (golden.length === 5 || message.type === "BackendKeyData") return;
    expect(errorOf(() => decode(golden.subarray(0, -1)))).toMatch(/^ERROR 08P01 /);
  });
});

test("the functions of the hot paths write the same bytes", () => {
  const writer = new Writer();
  const written = (write: () => void) => {
    write();
    return writer.take();
  };
  const fields: ErrorFields = { severity: "WARNING", code: "25001", message: "there is a transaction" };
  expect(written(() => writeDataRow(writer, ["1", null, bytes("ff")]))).toEqual(
    bytes("44 00000014 0003 00000001 '1' ffffffff 00000001 ff"),
  );
  expect(written(() => writeRowDescription(writer, []))).toEqual(bytes("54 00000006 0000"));
  expect(written(() => writeCommandComplete(writer, "BEGIN"))).toEqual(bytes("43 0000000a 'BEGIN' 00"));
  expect(written(() => writeReadyForQuery(writer, "E"))).toEqual(constantFrames.readyForQueryFailed);
  expect(written(() => writeErrorResponse(writer, fields))[0]).toBe(0x45);
  expect(written(() => writeNoticeResponse(writer, fields))).toEqual(
    backendBytes({ type: "NoticeResponse", fields }),
  );
  expect(written(() => writeParameterStatus(writer, "a", "b"))).toEqual(bytes("53 00000008 'a' 00 'b' 00"));
  expect(written(() => writeNotificationResponse(writer, 1, "c", ""))).toEqual(
    bytes("41 0000000b 00000001 'c' 00 00"),
  );
  expect(written(() => writeCopyData(writer, "é\n"))).toEqual(bytes("64 00000007 'é' 0a"));
});

test("constant frames are what the encoder writes", () => {
  expect(constantFrames.authenticationOk).toEqual(backendBytes({ type: "AuthenticationOk" }));
  expect(constantFrames.authenticationCleartextPassword).toEqual(
    backendBytes({ type: "AuthenticationCleartextPassword" }),
  );
  for (const status of ["I", "T", "E"] as const) {
    const name = (
      { I: "readyForQueryIdle", T: "readyForQueryInTransaction", E: "readyForQueryFailed" } as const
    )[status];
    expect(constantFrames[name]).toEqual(backendBytes({ type: "ReadyForQuery", status }));
  }
  for (const [name, code] of [
    ["bindComplete", "2"],
    ["closeComplete", "3"],
    ["copyDone", "c"],
    ["emptyQueryResponse", "I"],
    ["flush", "H"],
    ["noData", "n"],
    ["parseComplete", "1"],
    ["portalSuspended", "s"],
    ["sync", "S"],
    ["terminate", "X"],
  ] as const) {
    expect(constantFrames[name]).toEqual(bytes(`'${code}' 00000004`));
  }
});

const malformed: [string, string, string, string][] = [
  ["an unknown authentication method", "R", "00000063", "ERROR 08P01 authentication method 99 not supported"],
  ["Authentication without a method", "R", "0000", "ERROR 08P01 insufficient data left in message"],
  ["MD5 with a short salt", "R", "00000005 0102", "ERROR 08P01 insufficient data left in message"],
  ["an open list of SASL mechanisms", "R", "0000000a 'X' 00", "ERROR 08P01 invalid string in message"],
  ["BackendKeyData with 3 bytes", "K", "00000001 010203", "ERROR 08P01 invalid length of cancel key"],
  [
    "BackendKeyData with 257 bytes",
    "K",
    `00000001 ${"00".repeat(257)}`,
    "ERROR 08P01 invalid length of cancel key",
  ],
  ["DataRow, 65,535 values in none", "D", "ffff", "ERROR 08P01 insufficient data left in message"],
  ["DataRow, a length of -2", "D", "0001 fffffffe", "ERROR 08P01 insufficient data left in message"],
  ["RowDescription, 65,535 fields in none", "T", "ffff 00", "ERROR 08P01 insufficient data left in message"],
  ["CopyInResponse, 65,535 columns in none", "G", "00 ffff", "ERROR 08P01 insufficient data left in message"],
  ["ParameterDescription, types in none", "t", "ffff 00", "ERROR 08P01 insufficient data left in message"],
  [
    "NegotiateProtocolVersion, 2^31 options",
    "v",
    "00030002 7fffffff",
    "ERROR 08P01 insufficient data left in message",
  ],
  [
    "NegotiateProtocolVersion, -1 options",
    "v",
    "00030002 ffffffff",
    "ERROR 08P01 insufficient data left in message",
  ],
  ["a transaction status of X", "Z", "58", "ERROR 08P01 invalid transaction status 88"],
  ["an open error", "E", "'SERROR' 00", "ERROR 08P01 no data left in message"],
  ["FunctionCallResponse of -2", "V", "fffffffe", "ERROR 08P01 insufficient data left in message"],
  ["a type that does not exist", "z", "", "FATAL 08P01 invalid backend message type 122"],
  ["invalid UTF-8", "C", "c328 00", 'ERROR 22021 invalid byte sequence for encoding "UTF8": 0xc3 0x28'],
];

test.each(malformed)("%s", (_, code, body, error) => {
  expect(errorOf(() => decodeBackend(code.charCodeAt(0), bytes(body)))).toBe(error);
});

describe("error fields", () => {
  const fieldsOf = (body: string) => {
    const message = decodeBackend(0x45, bytes(body));
    if (message.type !== "ErrorResponse") throw new Error(message.type);
    return message.fields;
  };

  test("severity is V's, S is kept when it is a translation", () => {
    expect(fieldsOf("'SERREUR' 00 'VERROR' 00 'C42P01' 00 'Mx' 00 00")).toEqual({
      severity: "ERROR",
      localizedSeverity: "ERREUR",
      code: "42P01",
      message: "x",
    });
  });

  test("servers before 9.6 send S alone", () => {
    expect(fieldsOf("'SFATAL' 00 'C57P01' 00 'Mx' 00 00")).toEqual({
      severity: "FATAL",
      code: "57P01",
      message: "x",
    });
  });

  test("an error without fields is still one", () => {
    expect(fieldsOf("00")).toEqual({ severity: "ERROR", code: "XX000", message: "" });
  });

  test("numbers that are none are kept as they came", () => {
    expect(fieldsOf("'C1' 00 'P-1' 00 'Lx' 00 'p007' 00 00")).toMatchObject({
      unknown: { P: "-1", L: "x", p: "007" },
    });
  });

  test("an error always gets through: U+0000 is replaced", () => {
    const fields: ErrorFields = { severity: "ERROR", code: "XX000", message: "a\0b" };
    expect(decode(backendBytes({ type: "ErrorResponse", fields }))).toEqual({
      type: "ErrorResponse",
      fields: { ...fields, message: "a\u{fffd}b" },
    });
  });
});

test("a minor version alone is taken for 3.x", () => {
  expect(decode(bytes("76 0000000c 00000002 00000000"))).toEqual({
    type: "NegotiateProtocolVersion",
    version: 196610,
    options: [],
  });
});
