// SQLite behind the PostgreSQL protocol: an in-memory database for all clients, its SQL unchanged.
//
//   node examples/sqlite.ts
//   => create table fruit (name text, price real);
//   => insert into fruit values ('apple', 1.5) returning *;
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { serve } from "../adapters/node/mod.ts";
import {
  type Cell,
  type Column,
  commandTag,
  oid,
  type Parameter,
  PgError,
  type Result,
  type Statement,
  type StatementSession,
  type StatementText,
  sqlstate,
} from "../src/mod.ts";

/** One database for all connections, as long as one of them is open. */
const location = "file:edgewire?mode=memory&cache=shared";
const keeper = new DatabaseSync(location);

function connect(): StatementSession {
  const database = new DatabaseSync(location);
  const exec = (sql: string) => (): void => guarded(() => database.exec(sql));
  return {
    query: (statement) => guarded(() => run(database, statement)),
    describe: (statement) => guarded(() => describe(database, statement)),
    begin: exec("begin"),
    commit: exec("commit"),
    rollback: exec("rollback"),
    savepoint({ type, name }) {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      const verb = { savepoint: "savepoint", release: "release", rollbackTo: "rollback to" }[type];
      exec(`${verb} ${quoted}`)();
    },
    close: () => database.close(),
  };
}

function prepare(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  // $2 without $1 is allowed.
  statement.setAllowUnknownNamedParameters(true);
  return statement;
}

function run(database: DatabaseSync, { sql, parameters, parameterTypes }: Statement): Result {
  const statement = prepare(database, sql);
  const named = Object.fromEntries(
    parameters.map((value, at) => [`$${at + 1}`, input(value, parameterTypes[at])]),
  );
  if (statement.columns().length === 0) {
    const { changes } = statement.run(named);
    return { type: "command", tag: commandTag(sql, changes) };
  }
  // With setReturnArrays rows are arrays, which the types of Node do not know.
  const rows = statement.all(named) as unknown as SQLOutputValue[][];
  const columns = columnsOf(statement, rows[0]);
  return {
    type: "rows",
    columns,
    rows: rows.map((row) => row.map((value, at) => output(value, columns[at]?.typeOid))),
    // Of INSERT … RETURNING and the like; the number of rows comes behind it.
    tag: commandTag(sql).replace(/ 0$/, ""),
  };
}

function describe(database: DatabaseSync, { sql, parameterTypes }: StatementText) {
  const statement = prepare(database, sql);
  const columns = columnsOf(statement, undefined);
  return { parameterTypes, columns: columns.length > 0 ? columns : undefined };
}

/** Types as columns were declared; those of expressions as their first value, where there is one, has it. */
function columnsOf(statement: StatementSync, first: SQLOutputValue[] | undefined): Column[] {
  return statement.columns().map(({ name, type }, at) => ({
    name,
    typeOid: type === null ? typeOfValue(first?.[at]) : typeOfDeclaration(type),
  }));
}

/** As SQLite reads declarations (https://sqlite.org/datatype3.html, 3.1). */
function typeOfDeclaration(declared: string): number {
  if (/int/i.test(declared)) return oid.int8;
  if (/blob/i.test(declared)) return oid.bytea;
  if (/real|floa|doub/i.test(declared)) return oid.float8;
  if (/bool/i.test(declared)) return oid.bool;
  return oid.text;
}

function typeOfValue(value: SQLOutputValue | undefined): number {
  if (typeof value === "bigint") return oid.int8;
  if (typeof value === "number") return oid.float8;
  return value instanceof Uint8Array ? oid.bytea : oid.text;
}

/** A parameter as SQLite's kind of value. Text that is compared with a column takes the column's type by itself. */
function input(value: Parameter, type: number | undefined) {
  if (typeof value !== "string") return value;
  if (type === oid.int2 || type === oid.int4 || type === oid.int8) return BigInt(value);
  if (type === oid.bool) return /^(t|true|on|1)$/i.test(value) ? 1 : 0;
  if (type === oid.float4 || type === oid.float8) return Number(value);
  if (type === oid.bytea && value.startsWith("\\x")) return Buffer.from(value.slice(2), "hex");
  return value;
}

/** A value in PostgreSQL's text form. */
function output(value: SQLOutputValue, type: number | undefined): Cell {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  if (value === null) return null;
  if (type === oid.bool) return value ? "t" : "f";
  return String(value);
}

/** SQLite's errors by their codes (https://sqlite.org/rescode.html), as those of PostgreSQL that clients know. */
const states: Readonly<Record<number, string>> = {
  5: sqlstate.lockNotAvailable, // SQLITE_BUSY
  6: sqlstate.lockNotAvailable, // SQLITE_LOCKED
  19: sqlstate.integrityConstraintViolation, // SQLITE_CONSTRAINT
  1299: sqlstate.notNullViolation,
  1555: sqlstate.uniqueViolation, // of a primary key
  2067: sqlstate.uniqueViolation,
  787: sqlstate.foreignKeyViolation,
  275: sqlstate.checkViolation,
};

function guarded<Value>(work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode === undefined) throw error;
    const state = states[errcode] ?? states[errcode & 0xff] ?? sqlstate.syntaxErrorOrAccessRuleViolation;
    throw new PgError(state, message);
  }
}

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream: { connect, close: () => keeper.close() },
});

console.log(`psql postgresql://me@${server.host}:${server.port}/any`);
