// Whatever comes in, or out of a database: an answer in JSON, and never an error of another kind.
import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonOfValue } from "../../src/http/json-values.ts";
import { readCredentials } from "../../src/http/sql-credentials.ts";
import { RequestError } from "../../src/http/sql-error.ts";
import { parseRequest, readModes } from "../../src/http/sql-request.ts";
import { PgError } from "../../src/wire/mod.ts";
import { inputs } from "./settings.ts";

const none = readModes(() => null);

test("a value of any type is JSON", () => {
  const typeOid = fc.constantFrom(
    16,
    21,
    23,
    700,
    701,
    114,
    3802,
    25,
    1000,
    1007,
    1009,
    1020,
    1022,
    3807,
    199,
  );
  const arrayish = fc
    .array(fc.constantFrom("{", "}", ",", ";", '"', "\\", "NULL", "1", " ", "[1:2]=", "é\n", "\u{1f600}"))
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(typeOid, fc.oneof(arrayish, fc.string({ unit: "binary" })), (type, text) => {
      JSON.parse(jsonOfValue(type, text));
    }),
    inputs(2_000),
  );
});

test("JSON of any form is a request, or refused", () => {
  const member = fc.constantFrom("query", "params", "queries", "arrayMode", "__proto__", "x");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(member, tie("value"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(
      fc.oneof(
        value.map((json) => JSON.stringify(json)),
        fc.string(),
      ),
      (body) => {
        try {
          const { statements } = parseRequest(body, none);
          for (const { sql, parameters } of statements) {
            expect(typeof sql).toBe("string");
            for (const parameter of parameters)
              expect(parameter === null || typeof parameter === "string").toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
        }
      },
    ),
    inputs(2_000),
  );
});

test("headers of any text say who asks, or are refused", () => {
  const url = fc.array(
    fc.constantFrom(
      "postgres://",
      "user",
      ":",
      "@",
      "h",
      "/",
      "d",
      "?",
      "&",
      "=",
      "%20",
      "%",
      "options",
      "[",
      "]",
      "é",
    ),
  );
  const header = fc.record({
    url: fc.option(
      fc.oneof(
        url.map((parts) => `postgres://${parts.join("")}`),
        fc.string(),
      ),
    ),
    authorization: fc.option(
      fc.oneof(
        fc.base64String().map((text) => `Basic ${text}`),
        fc.string(),
      ),
    ),
  });
  fc.assert(
    fc.property(header, ({ url, authorization }) => {
      try {
        const { user } = readCredentials((name) => (name === "authorization" ? authorization : url));
        expect(user).not.toBe("");
      } catch (error) {
        expect(error).toBeInstanceOf(PgError);
      }
    }),
    inputs(2_000),
  );
});
