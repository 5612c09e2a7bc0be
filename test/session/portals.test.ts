/** Portals and cursors are the same to PostgreSQL, whichever way they were made; and what a portal's columns may be. */
import { expect, test } from "vitest";
import { PgError } from "../../src/wire/mod.ts";
import { answer, scripted, transactional } from "./scripted-upstream.ts";
import { bind, connect, describePortal, execute, parse, query, sync } from "./test-client.ts";

const one = bind([], { portal: "p" });

test("FETCH, MOVE and CLOSE on a portal of the protocol", async () => {
  const client = await connect(transactional());
  await client.ask(query("begin"));
  expect(await client.ask(parse("rows 7"), one, execute(1, "p"), sync)).toEqual([
    "ParseComplete",
    "BindComplete",
    "DataRow 1",
    "PortalSuspended",
    "ReadyForQuery T",
  ]);
  expect(await client.ask(query("move forward 2 in p"))).toEqual([
    "CommandComplete MOVE 2",
    "ReadyForQuery T",
  ]);
  expect(await client.ask(query("fetch 2 from p"))).toEqual([
    "RowDescription a",
    "DataRow 4",
    "DataRow 5",
    "CommandComplete FETCH 2",
    "ReadyForQuery T",
  ]);
  expect(await client.ask(execute(1, "p"), sync)).toContain("DataRow 6");
  expect(await client.ask(query("move all in p"))).toContain("CommandComplete MOVE 1");
  expect(await client.ask(query("fetch p"))).toContain("CommandComplete FETCH 0");
  expect(await client.ask(query("close p"))).toContain("CommandComplete CLOSE CURSOR");
  expect(await client.ask(execute(1, "p"), sync)).toContain(
    'ErrorResponse ERROR 34000 portal "p" does not exist',
  );
});

test("a portal that was only bound is run by FETCH", async () => {
  const client = await connect(transactional());
  await client.ask(query("begin"));
  await client.ask(parse("rows 3"), one, sync);
  expect(await client.ask(query("fetch all from p"))).toContain("CommandComplete FETCH 3");
});

test("a portal goes forward only, and gives text only where it has text", async () => {
  const client = await connect(transactional());
  await client.ask(query("begin"));
  await client.ask(parse("rows 3"), one, execute(1, "p"), sync);
  expect(await client.ask(query("fetch backward 1 from p"))).toContain(
    "ErrorResponse ERROR 55000 cursor can only scan forward",
  );
  await client.ask(query("rollback"));
  await client.ask(query("begin"));
  await client.ask(parse("rows 3"), bind([], { portal: "p", results: [1] }), sync);
  expect(await client.ask(query("fetch p"))).toContain(
    'ErrorResponse ERROR 0A000 portal "p" has binary results, and FETCH text ones',
  );
});

test("Describe of a cursor that DECLARE made is the upstream's", async () => {
  const asked: string[] = [];
  const client = await connect(
    transactional({
      describe({ sql }) {
        asked.push(sql);
        if (sql.includes("none")) throw new PgError("34000", 'cursor "none" does not exist');
        return { parameterTypes: [], columns: [{ name: "n", typeOid: 23 }] };
      },
    }),
  );
  await client.ask(query("begin"));
  expect(await client.ask(describePortal('a"b'), sync)).toEqual(["RowDescription n", "ReadyForQuery T"]);
  expect(asked).toEqual(['FETCH 0 FROM "a""b"']);
  expect(await client.ask(describePortal("none"), sync)).toContain(
    'ErrorResponse ERROR 34000 portal "none" does not exist',
  );
  await client.ask(query("rollback"));
  expect(await client.ask(describePortal(), sync)).toContain(
    'ErrorResponse ERROR 34000 portal "" does not exist',
  );
  expect(asked).toHaveLength(2);
});

test("a statement whose columns change is refused as PostgreSQL does, but not when it changed data", async () => {
  let type = 23;
  const client = await connect(
    scripted({
      query(statement) {
        const tag = statement.sql.split(" ")[0]?.toUpperCase();
        if (tag !== "SELECT" && tag !== "UPDATE") return answer(statement);
        return { type: "rows", columns: [{ name: "a", typeOid: type }], rows: [["1"]], tag };
      },
    }),
  );
  const run = [bind([], { statement: "s" }), execute(), sync] as const;
  const again = [bind([], { statement: "t" }), execute(), sync] as const;
  await client.ask(parse("select a", "s"), ...run);
  type = 25;
  void client.send(...run);
  await client.until("ReadyForQuery");
  expect(client.last("ErrorResponse").fields).toMatchObject({
    code: "0A000",
    message: "cached plan must not change result type",
    routine: "RevalidateCachedQuery",
  });
  await client.ask(parse("update a", "t"), ...again);
  type = 23;
  expect(await client.ask(...again)).toContain("CommandComplete UPDATE 1");
});
