/** Transactions, settings, and what a session holds. */
import type { ContractClient } from "../client.ts";
import type { Cases } from "../contract.ts";

async function withNumbers(client: ContractClient, work: () => Promise<void>): Promise<void> {
  await client.quietly(
    "drop table if exists contract_numbers",
    "create table contract_numbers (n int primary key)",
  );
  await work();
  await client.query("rollback");
  await client.quietly("drop table contract_numbers");
}

export const sessions: Cases = {
  "BEGIN … COMMIT": [
    {
      name: "COMMIT keeps, ROLLBACK undoes, an error fails the transaction",
      run: (client) =>
        withNumbers(client, () =>
          client.queries(
            "begin",
            "insert into contract_numbers values (1)",
            "commit",
            "start transaction isolation level repeatable read, read only",
            "select current_setting('transaction_isolation'), current_setting('transaction_read_only')",
            "show transaction_isolation",
            "insert into contract_numbers values (2)",
            "select 1",
            "commit",
            "begin",
            "insert into contract_numbers values (3)",
            "rollback",
            "select n from contract_numbers",
          ),
        ),
    },
    {
      name: "in one text",
      run: (client) =>
        withNumbers(client, () =>
          client.queries(
            "begin; insert into contract_numbers values (1); insert into contract_numbers values (2); commit",
            "begin isolation level serializable; insert into contract_numbers values (3); rollback",
            "select n from contract_numbers order by n",
          ),
        ),
    },
    {
      name: "what was committed is there for others",
      async run(client) {
        // PGlite is one session, where another one waits for its turn: it can only be asked behind.
        await withNumbers(client, async () => {
          await client.queries("begin", "insert into contract_numbers values (1)", "commit");
          const other = await client.other();
          await other.query("select n from contract_numbers");
          client.take(other);
        });
      },
    },
    {
      name: "ends with a client that leaves",
      async run(client) {
        await withNumbers(client, async () => {
          const other = await client.other();
          await other.queries("begin", "insert into contract_numbers values (1)");
          client.take(other);
          await client.query("select n from contract_numbers");
        });
      },
    },
    {
      name: "AND CHAIN, and warnings",
      async run(client) {
        client.attention.notices = true;
        await client.queries("begin isolation level serializable", "begin", "commit and chain");
        await client.queries("select current_setting('transaction_isolation')", "rollback", "rollback");
      },
    },
  ],
  "SET TRANSACTION": [
    {
      name: "sets the modes of a transaction",
      run: (client) =>
        client.queries(
          "begin",
          "set transaction isolation level serializable, read only",
          "select current_setting('transaction_isolation'), current_setting('transaction_read_only')",
          "rollback",
        ),
    },
  ],
  savepoints: [
    {
      name: "SAVEPOINT, ROLLBACK TO, RELEASE",
      run: (client) =>
        withNumbers(client, () =>
          client.queries(
            "begin",
            "insert into contract_numbers values (1)",
            "savepoint a",
            "insert into contract_numbers values (1)",
            "rollback to a",
            "insert into contract_numbers values (2)",
            "savepoint b",
            "insert into contract_numbers values (3)",
            "rollback to savepoint b",
            "release a",
            "rollback to b",
            "rollback",
            "begin",
            "savepoint a",
            "insert into contract_numbers values (4)",
            "release savepoint a",
            "commit",
            "select n from contract_numbers order by n",
          ),
        ),
    },
  ],
  "SET, SHOW, RESET": [
    {
      name: "hold for the session, and are told",
      async run(client) {
        client.attention.parameters = true;
        await client.queries(
          "set application_name = 'contract'",
          "set timezone = 'Asia/Tokyo'",
          "show timezone",
          "select '2024-01-01 00:00:00+00'::timestamptz, current_setting('timezone')",
          "set intervalstyle = 'iso_8601'",
          "select interval '1 day 2 hours'",
          "set search_path = pg_catalog, public",
          "select current_schemas(false)",
          "set my.setting = 'mine'",
          "select current_setting('my.setting')",
          "set statement_timeout = '1min'",
          "show statement_timeout",
          "reset timezone",
          "show timezone",
          "begin",
          "set local timezone = 'Europe/Paris'",
          "show timezone",
          "set intervalstyle = 'postgres_verbose'",
          "rollback",
          "show timezone",
          "show intervalstyle",
          "reset all",
          "show search_path",
          "set nosuch = 1",
          "set timezone = 'Nosuch/Place'",
          "show nosuch",
        );
      },
    },
  ],
  "settings of the StartupMessage": [
    {
      name: "hold",
      async run(client) {
        const other = await client.other({ TimeZone: "Asia/Tokyo", options: "-c search_path=pg_catalog" });
        await other.queries(
          "select current_setting('timezone'), current_setting('search_path')",
          "set timezone = 'UTC'",
          "reset timezone",
          "show timezone",
        );
        client.take(other);
      },
    },
  ],
  "set_config()": [
    {
      name: "of the session",
      run: (client) =>
        client.queries(
          "select set_config('timezone', 'Asia/Tokyo', false)",
          "select current_setting('timezone')",
          "reset timezone",
        ),
    },
  ],
  "SET ROLE": [
    {
      name: "takes another role",
      run: (client) =>
        client.queries(
          "set role pg_monitor",
          "select current_user",
          "reset role",
          "select current_user = session_user",
        ),
    },
  ],
  "DISCARD ALL": [
    {
      name: "makes the session new",
      run: (client) =>
        client.queries(
          "set timezone = 'Asia/Tokyo'",
          "discard all",
          "show timezone",
          "begin",
          "discard all",
          "rollback",
        ),
    },
  ],
  "temporary tables": [
    {
      name: "are the session's",
      run: (client) =>
        client.queries(
          "create temporary table contract_mine as select 1 as n",
          "insert into contract_mine values (2)",
          "select n from contract_mine order by n",
          "drop table contract_mine",
        ),
    },
  ],
  "temporary tables ON COMMIT DROP": [
    {
      name: "in one text",
      run: (client) =>
        client.query(
          "begin; create temporary table contract_mine (n int) on commit drop; insert into contract_mine values (1); select n from contract_mine; commit",
        ),
    },
    {
      name: "are the transaction's",
      run: (client) =>
        client.queries(
          "begin",
          "create temporary table contract_mine (n int) on commit drop",
          "insert into contract_mine values (1)",
          "select n from contract_mine",
          "commit",
          "select n from contract_mine",
        ),
    },
  ],
  "PREPARE, EXECUTE": [
    {
      name: "keep a statement in the session",
      run: (client) =>
        client.queries(
          "prepare contract_twice as select $1::int * 2 as n",
          "execute contract_twice(21)",
          "deallocate contract_twice",
          "execute contract_twice(21)",
        ),
    },
  ],
  cursors: [
    {
      name: "live in their transaction, beside other statements",
      run: (client) =>
        client.queries(
          "begin",
          "declare c scroll cursor for select n from generate_series(1, 10) n",
          "fetch 2 from c",
          "select 'between'",
          "fetch forward 3 from c",
          "fetch prior from c",
          "fetch all from c",
          "close c",
          "fetch 1 from c",
          "rollback",
          "declare c cursor for select 1",
        ),
    },
    {
      name: "MOVE tells how far",
      run: (client) =>
        client.queries(
          "begin",
          "declare c cursor for select n from generate_series(1, 10) n",
          "move 3 from c",
          "fetch 1 from c",
          "commit",
        ),
    },
  ],
  "cursors WITH HOLD": [
    {
      name: "outlive it",
      run: (client) =>
        client.queries(
          "begin",
          "declare c cursor with hold for select n from generate_series(1, 3) n",
          "commit",
          "fetch all from c",
          "close c",
        ),
    },
  ],
  "LISTEN, NOTIFY": [
    {
      name: "from client to client, and to oneself, when the transaction ends",
      async run(client) {
        await client.query("listen contract_news");
        const other = await client.other();
        await other.query("notify contract_news, 'of another'");
        await heard(client, "of another");
        await client.queries("begin", "notify contract_news, 'of its own'", "select 1", "commit");
        await client.queries("begin", "notify contract_news, 'undone'", "rollback");
        await client.queries("unlisten *", "notify contract_news, 'too late'", "select 1");
        client.take(other);
      },
    },
  ],
  "pg_notify()": [
    {
      name: "is heard by who listens",
      async run(client) {
        await client.query("listen contract_news");
        await client.query("select pg_notify('contract_news', 'by function')");
        await client.queries("select 1", "unlisten *");
      },
    },
  ],
  "advisory locks of the session": [
    {
      name: "are held until they are released",
      run: (client) =>
        client.queries(
          "select pg_try_advisory_lock(4711)",
          "select pg_advisory_unlock(4711)",
          "select pg_advisory_unlock(4711)",
        ),
    },
  ],
  "advisory locks of the transaction": [
    {
      name: "in one text",
      run: (client) =>
        client.queries(
          "begin; select pg_try_advisory_xact_lock(4711); commit",
          "select count(*) from pg_locks where locktype = 'advisory'",
        ),
    },
    {
      name: "end with it",
      run: (client) =>
        client.queries(
          "begin",
          "select pg_try_advisory_xact_lock(4711)",
          "select count(*) from pg_locks where locktype = 'advisory'",
          "commit",
          "select count(*) from pg_locks where locktype = 'advisory'",
        ),
    },
  ],
  "currval(), lastval()": [
    {
      name: "in a transaction",
      async run(client) {
        await client.quietly("create sequence contract_numbers_seq");
        await client.queries(
          "begin",
          "select nextval('contract_numbers_seq')",
          "select currval('contract_numbers_seq'), lastval()",
          "commit",
        );
        await client.quietly("drop sequence contract_numbers_seq");
      },
    },
    {
      name: "in autocommit",
      async run(client) {
        await client.quietly("create sequence contract_numbers_seq");
        await client.queries("select nextval('contract_numbers_seq')", "select lastval()");
        await client.quietly("drop sequence contract_numbers_seq");
      },
    },
  ],
  "DO, CALL": [
    {
      name: "run",
      run: (client) =>
        withNumbers(client, async () => {
          await client.quietly(
            "create procedure contract_add(n int, inout twice int default 0) language plpgsql as $$ begin insert into contract_numbers values (n); twice := n * 2; end $$",
          );
          await client.queries(
            "do $$ begin insert into contract_numbers values (1); end $$",
            "call contract_add(2)",
            "select n from contract_numbers order by n",
          );
          await client.quietly("drop procedure contract_add");
        }),
    },
  ],
};

/** A notification comes when it comes; bounded by the test's time-out. */
async function heard(client: ContractClient, payload: string): Promise<void> {
  for (let wait = 5; !client.lines.some((line) => line.endsWith(payload)); wait *= 2) {
    if (wait > 2_000) return;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
