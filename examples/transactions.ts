// A store of keys and values with transactions and savepoints. Its language is not SQL: only what begins and ends a
// transaction is understood by edgewire, and everything else is the upstream's own.
//
//   node examples/transactions.ts
//   => put apples 3;
//   => begin;
//   => put apples 2;
//   => rollback;
//   => get apples;
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { serve } from "../adapters/node/mod.ts";
import { PgError, type Result, type StatementSession, sqlstate } from "../src/mod.ts";

/** What is committed. */
let store = new Map<string, string>();

function session(): StatementSession {
  /** The client's own copy while it is in a transaction, and those that it can go back to. */
  let draft: Map<string, string> | undefined;
  let base = store;
  let savepoints: { name: string; content: Map<string, string> }[] = [];

  function run(sql: string): Result {
    const [verb, key = "", value = ""] = sql.split(/\s+/);
    const content = draft ?? store;
    switch (verb?.toLowerCase()) {
      case "put":
        content.set(key, value);
        return { type: "command", tag: "PUT" };
      case "get": {
        const found = content.get(key);
        return { type: "rows", columns: [{ name: key }], rows: found === undefined ? [] : [[found]] };
      }
      default:
        throw new PgError(sqlstate.syntaxError, `"${verb}" is neither put nor get`, { position: 1 });
    }
  }

  return {
    query: ({ sql }) => run(sql),
    begin() {
      base = store;
      draft = new Map(store);
      savepoints = [];
    },
    commit() {
      const mine = draft ?? store;
      draft = undefined;
      // Two transactions at a time: the first one to commit wins, and the other one is to try again.
      if (store !== base) throw new PgError(sqlstate.serializationFailure, "the store was changed meanwhile");
      store = mine;
    },
    rollback() {
      draft = undefined;
    },
    savepoint({ type, name }) {
      if (type === "savepoint") return void savepoints.push({ name, content: new Map(draft) });
      const at = savepoints.findLastIndex((savepoint) => savepoint.name === name);
      const found = savepoints[at];
      if (!found)
        throw new PgError(sqlstate.invalidSavepointSpecification, `savepoint "${name}" does not exist`);
      savepoints.length = type === "release" ? at : at + 1;
      if (type === "rollbackTo") draft = new Map(found.content);
    },
  };
}

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream: { connect: session },
});

console.log(`psql postgresql://me@${server.host}:${server.port}/any`);
