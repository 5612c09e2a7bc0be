import { describe, expect, test } from "vitest";
import { fatal, PgError, sqlstate } from "../../src/wire/mod.ts";

describe("PgError", () => {
  test("is an ERROR unless said otherwise", () => {
    const error = new PgError("42601", "no", { hint: "try", position: 3 });
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("PgError");
    expect(error.code).toBe("42601");
    expect(error.severity).toBe("ERROR");
    expect(error.fields).toEqual({
      severity: "ERROR",
      code: "42601",
      message: "no",
      hint: "try",
      position: 3,
    });
  });

  test("code and message are the arguments', whatever the fields say", () => {
    const { fields } = new PgError("42601", "no", { code: "00000", message: "yes", severity: "PANIC" });
    expect(fields).toEqual({ severity: "PANIC", code: "42601", message: "no" });
  });

  test("fatal() is FATAL", () => {
    expect(fatal("57P01", "bye", { severity: "ERROR", detail: "d" }).fields).toEqual({
      severity: "FATAL",
      code: "57P01",
      message: "bye",
      detail: "d",
    });
  });

  test("from() keeps a PgError and wraps strangers as XX000", () => {
    const error = new PgError("42601", "no");
    expect(PgError.from(error)).toBe(error);
    const stranger = new TypeError("boom");
    const wrapped = PgError.from(stranger);
    expect(wrapped.fields).toEqual({ severity: "ERROR", code: "XX000", message: "boom" });
    expect(wrapped.cause).toBe(stranger);
    expect(PgError.from("text").message).toBe("text");
    expect(PgError.from(new Error("")).message).toBe("unknown error");
  });

  test("fromFields() is what a peer reported", () => {
    const fields = { severity: "FATAL", code: "28P01", message: "no", routine: "auth_failed" } as const;
    expect(PgError.fromFields(fields).fields).toEqual(fields);
  });
});

test("every SQLSTATE is five digits and capitals", () => {
  for (const [name, code] of Object.entries(sqlstate)) {
    expect(code, name).toMatch(/^[0-9A-Z]{5}$/);
    expect(name).toMatch(/^[a-z][A-Za-z]+$/);
  }
  expect(sqlstate).toMatchObject({
    protocolViolation: "08P01",
    queryCanceled: "57014",
    invalidSqlStatementName: "26000",
    inFailedSqlTransaction: "25P02",
    stringDataRightTruncation: "22001",
    internalError: "XX000",
  });
});
