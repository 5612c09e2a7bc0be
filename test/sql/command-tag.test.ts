import { expect, test } from "vitest";
import { classify, commandTag } from "../../src/sql/mod.ts";

test.each([
  ["select 1", 3, "SELECT 3"],
  ["select 1", undefined, "SELECT 0"],
  ["insert into t values (1)", 2, "INSERT 0 2"],
  ["update t set a = 1", 0, "UPDATE 0"],
  ["delete from t", 12345678901234567890n, "DELETE 12345678901234567890"],
  ["merge into t using s on true when matched then delete", 1, "MERGE 1"],
  ["create table t as select 1", 1, "SELECT 1"],
  ["create table if not exists t as select 1", undefined, "CREATE TABLE AS"],
  ["create table t as select 1 with no data", 0, "CREATE TABLE AS"],
  ["create table t (a int)", 7, "CREATE TABLE"],
  ["select 1 into t", 1, "SELECT 1"],
  ["fetch 2 from c", 2, "FETCH 2"],
  ["move c", 1, "MOVE 1"],
  ["copy t to stdout", 9, "COPY 9"],
  ["begin", undefined, "BEGIN"],
  ["start transaction", undefined, "START TRANSACTION"],
  ["end", undefined, "COMMIT"],
  ["abort", undefined, "ROLLBACK"],
  ["rollback to a", undefined, "ROLLBACK"],
  ["execute p", undefined, "EXECUTE"],
  ["", undefined, ""],
])("%s", (sql, rowCount, tag) => {
  expect(commandTag(sql, rowCount)).toBe(tag);
  expect(commandTag(classify(sql), rowCount)).toBe(tag);
});
