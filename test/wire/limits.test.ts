import { expect, test } from "vitest";
import { backendCodes, backendLimits, frontendCodes, frontendLimits } from "../../src/wire/mod.ts";
import { errorOf } from "./bytes.ts";

const large = 0x3ffffffe;

test("PostgreSQL's limits for each frontend message", () => {
  const limits = frontendLimits();
  const expected: Record<keyof typeof frontendCodes, number> = {
    Bind: large,
    Close: 10_000,
    CopyData: large,
    CopyDone: 10_000,
    CopyFail: 10_000,
    Describe: 10_000,
    Execute: 10_000,
    Flush: 10_000,
    FunctionCall: large,
    GSSResponse: 65_535,
    Parse: large,
    PasswordMessage: 65_535,
    Query: large,
    SASLInitialResponse: 65_535,
    SASLResponse: 65_535,
    Sync: 10_000,
    Terminate: 10_000,
  };
  for (const [name, limit] of Object.entries(expected)) {
    expect(limits(frontendCodes[name as keyof typeof frontendCodes]), name).toBe(limit);
  }
});

test("every other code is refused", () => {
  const known = new Set<number>(Object.values(frontendCodes));
  const knownBackend = new Set<number>(Object.values(backendCodes));
  for (let code = 0; code < 256; code++) {
    expect(errorOf(() => frontendLimits()(code))).toBe(
      known.has(code) ? "no error" : `FATAL 08P01 invalid frontend message type ${code}`,
    );
    expect(errorOf(() => backendLimits()(code))).toBe(
      knownBackend.has(code) ? "no error" : `FATAL 08P01 invalid backend message type ${code}`,
    );
  }
});

test("rows, errors and notifications of a server may be long, the rest not", () => {
  const limits = backendLimits();
  expect(limits(backendCodes.DataRow)).toBe(large);
  expect(limits(backendCodes.ErrorResponse)).toBe(large);
  expect(limits(backendCodes.NotificationResponse)).toBe(large);
  expect(limits(backendCodes.Authentication)).toBe(30_000);
  expect(limits(backendCodes.ReadyForQuery)).toBe(30_000);
});

test("overrides, of one message or of the password family", () => {
  const limits = frontendLimits({ Query: 5, SASLResponse: 7, Sync: 0 });
  expect(limits(frontendCodes.Query)).toBe(5);
  expect(limits(frontendCodes.PasswordMessage)).toBe(7);
  expect(limits(frontendCodes.Parse)).toBe(large);
  expect(errorOf(() => limits(frontendCodes.Sync))).toBe("FATAL 08P01 invalid frontend message type 83");
  expect(backendLimits({ DataRow: 9 })(backendCodes.DataRow)).toBe(9);
});
