"""asyncpg: a driver of its own; Parse, Describe and Flush before Bind, everything in binary, portals as cursors."""

import asyncio
import datetime
import decimal
import io
import json
import time
import uuid

import asyncpg

from harness import DIRECT_TLS, HAS_PASSWORD, SLOW, URL, check, equal, main, true
from harness import with_database, with_password

TABLE = "ew_asyncpg"


class connect:
    """`async with connect() as connection`, closed at the end also when the check fails."""

    def __init__(self, url=URL, **options):
        self.url = url
        self.options = options

    async def __aenter__(self):
        self.connection = await asyncpg.connect(self.url, timeout=20, **self.options)
        return self.connection

    async def __aexit__(self, *_):
        try:
            await self.connection.close(timeout=5)
        except Exception:
            self.connection.terminate()


async def make_table(connection, columns="id int primary key, name text"):
    await connection.execute(f"drop table if exists {TABLE}")
    await connection.execute(f"create table {TABLE} ({columns})")


async def fails(code, awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        equal(error.sqlstate, code, "SQLSTATE")
        return error
    raise AssertionError(f"no error, expected {code}")


@check("connects and reports the server version")
async def _():
    async with connect() as connection:
        number = await connection.fetchval("select current_setting('server_version_num')::int")
        equal(connection.get_server_version().major, number // 10000, "major version")
        true(connection.get_server_pid() > 0, "no pid")
        true(not connection.is_in_transaction(), "in a transaction")


@check("refuses an unknown database with 3D000")
async def _():
    await fails("3D000", asyncpg.connect(with_database(URL, "no_such_database"), timeout=20))


@check("authenticates with SCRAM over TLS", when=HAS_PASSWORD)
async def _():
    async with connect() as connection:
        true(connection._transport.get_extra_info("ssl_object") is not None, "no TLS")
        equal(await connection.fetchval("select 1"), 1)
    error = await fails("28P01", asyncpg.connect(with_password(URL, "wrong"), timeout=20))
    true("password authentication failed for user" in str(error), str(error))


@check("connects by direct TLS", when=DIRECT_TLS)
async def _():
    async with connect(direct_tls=True) as connection:
        equal(await connection.fetchval("select 1"), 1)


@check("simple queries and command tags")
async def _():
    async with connect() as connection:
        equal(await connection.execute("select 1; select 2, 3"), "SELECT 1", "tag")
        await make_table(connection)
        equal(await connection.execute(f"insert into {TABLE} values (1), (2), (3)"), "INSERT 0 3", "tag")
        equal(await connection.execute(f"update {TABLE} set name = $1 where id > $2", "z", 1), "UPDATE 2", "tag")
        equal(await connection.execute(f"delete from {TABLE}"), "DELETE 3", "tag")
        equal(await connection.fetch(f"drop table {TABLE}"), [])
        equal(await connection.fetch(""), [])
        equal(await connection.fetch("-- only a comment"), [])


@check("names and types of a prepared statement, described before it runs")
async def _():
    async with connect() as connection:
        statement = await connection.prepare("select $1::int as a, $2::text || 'x' as b, $3::numeric as a, now() as d")
        equal([p.name for p in statement.get_parameters()], ["int4", "text", "numeric"], "parameters")
        equal([(a.name, a.type.name) for a in statement.get_attributes()],
              [("a", "int4"), ("b", "text"), ("a", "numeric"), ("d", "timestamptz")], "columns")
        row = await statement.fetchrow(1, "y", decimal.Decimal("1.5"))
        equal(tuple(row)[:3], (1, "yx", decimal.Decimal("1.5")))
        await make_table(connection)
        statement = await connection.prepare(f"insert into {TABLE} values ($1, $2)")
        equal(len(statement.get_attributes()), 0, "columns of an INSERT")
        await statement.fetch(1, "a")
        equal(statement.get_statusmsg(), "INSERT 0 1", "tag")
        await connection.execute(f"drop table {TABLE}")


@check("values of every common type, in binary both ways")
async def _():
    utc = datetime.timezone.utc
    values = [
        ("int2", -32768),
        ("int4", 42),
        ("int8", -(2**40)),
        ("oid", 4_000_000_000),
        ("float4", 1.5),
        ("float8", 1e308),
        ("bool", True),
        ("text", "it's \\ a \"test\" é 😀"),
        ("varchar", ""),
        ("bytea", bytes(range(256))),
        ("timestamp", datetime.datetime(2024, 2, 29, 12, 34, 56, 789012)),
        ("timestamptz", datetime.datetime(1999, 12, 31, 23, 59, 59, tzinfo=utc)),
        ("date", datetime.date(2024, 2, 29)),
        ("time", datetime.time(23, 59, 59, 999999)),
        ("interval", datetime.timedelta(days=3, seconds=4, microseconds=5)),
        ("numeric", decimal.Decimal("-12345678901234567890.123456789")),
        ("numeric", decimal.Decimal("0.00001")),
        ("uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("json", '{"a": [1, null]}'),
        ("jsonb", '{"a": [1, null]}'),
        ("int4[]", [1, None, 3]),
        ("text[]", ["a", 'q"uote', "b c", ""]),
        ("int8[]", [[1, 2], [3, 4]]),
        ("int4range", asyncpg.Range(1, 5)),
        ("bit(5)", asyncpg.BitString("10101")),
        ("point", asyncpg.Point(1.5, -2)),
    ]
    async with connect() as connection:
        row = await connection.fetchrow(
            "select " + ", ".join(f"${i}::{kind}" for i, (kind, _) in enumerate(values, 1)), *(v for _, v in values)
        )
        for (kind, expected), actual in zip(values, row, strict=True):
            equal(actual, expected, kind)
        nulls = await connection.fetchrow("select " + ", ".join(f"${i}::{kind}" for i, (kind, _) in enumerate(values, 1)),
                                          *(None for _ in values))
        equal(set(nulls), {None})
        row = await connection.fetchrow("select '1 year 2 months'::interval, 'NaN'::float8::text, 'infinity'::timestamp, '[2020-01-01,)'::daterange")
        equal((row[0].days, row[1]), (425, "NaN"))


@check("enum, composite and domain types looked up in the catalog")
async def _():
    async with connect() as connection:
        await connection.execute("drop type if exists ew_asyncpg_thing; drop type if exists ew_asyncpg_mood; drop domain if exists ew_asyncpg_small")
        await connection.execute("create type ew_asyncpg_mood as enum ('sad', 'happy')")
        await connection.execute("create domain ew_asyncpg_small as int check (value < 100)")
        await connection.execute("create type ew_asyncpg_thing as (x ew_asyncpg_small, mood ew_asyncpg_mood)")
        row = await connection.fetchrow("select $1::ew_asyncpg_mood, $2::ew_asyncpg_thing, $3::ew_asyncpg_mood[]",
                                        "happy", (7, "sad"), ["sad", "happy"])
        equal((row[0], tuple(row[1]), row[2]), ("happy", (7, "sad"), ["sad", "happy"]))
        await connection.execute("drop type ew_asyncpg_thing; drop type ew_asyncpg_mood; drop domain ew_asyncpg_small")


@check("type codecs of the client")
async def _():
    async with connect() as connection:
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        await connection.set_type_codec("numeric", encoder=str, decoder=float, schema="pg_catalog", format="text")
        equal(await connection.fetchval("select $1::json", {"a": [1]}), {"a": [1]})
        row = await connection.fetchrow("select $1::numeric, $2::int", 1.5, 2)  # text and binary in one row
        equal(tuple(row), (1.5, 2))
        await connection.reset_type_codec("numeric", schema="pg_catalog")
        equal(await connection.fetchval("select 1.5"), decimal.Decimal("1.5"))


@check("statements used again, and more of them than the cache holds")
async def _():
    async with connect(statement_cache_size=5) as connection:
        for turn in range(3):
            for number in range(12):
                equal(await connection.fetchval(f"select $1::int + {number}", turn), turn + number)
        held = await connection.fetchval("select count(*) from pg_prepared_statements where statement like 'select $1%'")
        true(held <= 5, f"{held} statements are still prepared")
    async with connect(statement_cache_size=0) as connection:
        for number in range(10):
            equal(await connection.fetchval("select $1::int", number), number)


@check("a cached plan goes stale after DDL")
async def _():
    async with connect() as connection:
        await make_table(connection)
        await connection.execute(f"insert into {TABLE} values (1, 'a')")
        equal(len(await connection.fetchrow(f"select * from {TABLE}")), 2)
        async with connect() as other:
            await other.execute(f"alter table {TABLE} add column extra int")
        equal(len(await connection.fetchrow(f"select * from {TABLE}")), 3)
        await connection.execute(f"drop table {TABLE}")


@check("commit, rollback, savepoint")
async def _():
    async with connect() as connection:
        await make_table(connection)
        async with connection.transaction():
            await connection.execute(f"insert into {TABLE} values (1)")
            try:
                async with connection.transaction():
                    await connection.execute(f"insert into {TABLE} values (2)")
                    await connection.execute("select 1/0")
            except asyncpg.DivisionByZeroError:
                pass
            async with connection.transaction():
                await connection.execute(f"insert into {TABLE} values (3)")
            true(connection.is_in_transaction(), "not in a transaction")
        transaction = connection.transaction(isolation="repeatable_read", readonly=True)
        await transaction.start()
        equal(await connection.fetchval("show transaction_isolation"), "repeatable read")
        await fails("25006", connection.execute(f"insert into {TABLE} values (4)"))
        await transaction.rollback()
        rows = await connection.fetch(f"select id from {TABLE} order by id")
        equal([row["id"] for row in rows], [1, 3])
        await connection.execute(f"drop table {TABLE}")


@check("a failed transaction answers 25P02 until ROLLBACK")
async def _():
    async with connect() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await fails("22012", connection.fetch("select 1/$1::int", 0))
        await fails("25P02", connection.fetch("select 1"))
        await fails("25P02", connection.execute("select 1"))
        await transaction.rollback()
        equal(await connection.fetchval("select 1"), 1)


@check("SQLSTATEs with their fields, and work after them")
async def _():
    async with connect() as connection:
        error = await fails("42P01", connection.fetch("select * from no_such_table where a = $1", 1))
        equal(error.position, "15", "position")
        await make_table(connection)
        await connection.execute(f"insert into {TABLE} values (1)")
        error = await fails("23505", connection.execute(f"insert into {TABLE} values ($1)", 1))
        equal((error.table_name, error.constraint_name, error.detail),
              (TABLE, f"{TABLE}_pkey", "Key (id)=(1) already exists."))
        await fails("22012", connection.fetchval("select 1/$1::int", 0))
        await fails("42601", connection.fetchval("selec $1"))
        await fails("42P18", connection.fetch("select $2::int", 1, 2))
        equal(await connection.fetchval("select 1"), 1)
        await connection.execute(f"drop table {TABLE}")


@check("cursors: portals fetched in parts, across Syncs")
async def _():
    async with connect() as connection:
        async with connection.transaction():
            total = 0
            async for row in connection.cursor("select i from generate_series(1, $1::int) i", 100, prefetch=7):
                total += row[0]
            equal(total, 5050)
            cursor = await connection.cursor("select i from generate_series(1, 20) i")
            equal([r[0] for r in await cursor.fetch(3)], [1, 2, 3])
            other = await connection.cursor("select 'other' || i from generate_series(1, 2) i")  # interleaved
            equal((await other.fetchrow())[0], "other1")
            equal(await cursor.forward(5), 5)
            equal((await cursor.fetchrow())[0], 9)
            equal(len(await cursor.fetch(100)), 11)
            equal(await cursor.fetch(1), [])
        equal(await connection.fetchval("select count(*) from pg_cursors where name <> ''"), 0)
        try:
            await connection.cursor("select 1")
        except asyncpg.NoActiveSQLTransactionError:
            pass


@check("fetchrow and fetchval take one row of many")
async def _():
    async with connect() as connection:
        equal(await connection.fetchval("select i from generate_series(5, 100000) i"), 5)
        equal(tuple(await connection.fetchrow("select i, i from generate_series(5, $1::int) i", 9)), (5, 5))


@check("COPY in binary, csv and text, and out")
async def _():
    async with connect() as connection:
        await make_table(connection, "id int, name text, at timestamptz, data bytea, ids int[]")
        at = datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)
        records = [(i, f"name {i}", at, bytes([i % 256]), [i, i]) for i in range(5000)]
        equal(await connection.copy_records_to_table(TABLE, records=records), "COPY 5000", "tag")
        equal(tuple(await connection.fetchrow(f"select * from {TABLE} where id = 4999")), records[4999])

        async def source():
            yield b"id,name\n"
            yield b'-1,"with ""quotes"""\n'
            yield b"-2,\n"

        tag = await connection.copy_to_table(TABLE, source=source(), columns=["id", "name"], format="csv", header=True)
        equal(tag, "COPY 2", "tag")
        out = io.BytesIO()
        tag = await connection.copy_from_query(f"select id, name from {TABLE} where id < $1 order by id", 0, output=out, format="csv")
        equal((tag, out.getvalue()), ("COPY 2", b'-2,\n-1,"with ""quotes"""\n'))
        out = io.BytesIO()
        equal(await connection.copy_from_table(TABLE, output=out, columns=["id"]), "COPY 5002", "tag")
        equal(out.getvalue().count(b"\n"), 5002)
        await connection.execute(f"drop table {TABLE}")


@check("COPY that fails in the middle, by the server and by the client")
async def _():
    async def bad_row():
        for number in range(3000):
            yield b"%d\tx\n" % number
        yield b"bad\tx\n"
        for number in range(3000, 5000):
            yield b"%d\tx\n" % number

    async def broken():
        yield b"1\tx\n"
        raise RuntimeError("source broke")

    async with connect() as connection:
        await make_table(connection)
        await fails("22P02", connection.copy_to_table(TABLE, source=bad_row()))
        try:
            await connection.copy_to_table(TABLE, source=broken())
        except RuntimeError as error:
            equal(str(error), "source broke")
        else:
            raise AssertionError("no error")
        await fails("23505", connection.copy_records_to_table(TABLE, records=[(1, "a"), (1, "b")]))
        equal(await connection.fetchval(f"select count(*) from {TABLE}"), 0)
        await connection.execute(f"drop table {TABLE}")


@check("executemany: one pipeline, all or nothing")
async def _():
    async with connect() as connection:
        await make_table(connection)
        await connection.executemany(f"insert into {TABLE} values ($1, $2)", [(i, f"n{i}") for i in range(2000)])
        equal(await connection.fetchval(f"select count(*) from {TABLE}"), 2000)
        rows = [(i, "x") for i in range(3000, 3500)] + [(0, "again")] + [(i, "x") for i in range(3500, 4000)]
        await fails("23505", connection.executemany(f"insert into {TABLE} values ($1, $2)", rows))
        equal(await connection.fetchval(f"select count(*) from {TABLE}"), 2000)
        returned = await connection.fetchmany(f"insert into {TABLE} values ($1) returning id", [(5000,), (5001,)])
        equal([row[0] for row in returned], [5000, 5001])
        await connection.execute(f"drop table {TABLE}")


@check("LISTEN and NOTIFY")
async def _():
    async with connect() as listener, connect() as other:
        received = asyncio.Queue()
        await listener.add_listener("ew_asyncpg_channel", lambda _, pid, channel, payload: received.put_nowait((channel, payload)))
        await other.execute("select pg_notify('ew_asyncpg_channel', $1)", "first")
        await other.execute("notify ew_asyncpg_channel, 'second'")
        for payload in ("first", "second"):
            got = await asyncio.wait_for(received.get(), 15)
            equal(got, ("ew_asyncpg_channel", payload))
        await listener.reset()
        await other.execute("notify ew_asyncpg_channel, 'third'")
        equal(await listener.fetchval("select 1"), 1)
        await asyncio.sleep(0.2)
        true(received.empty(), "a notification after UNLISTEN")


@check("a client-side time-out cancels the statement, and the session goes on")
async def _():
    async with connect() as connection:
        for query in (SLOW, "select pg_sleep(60)"):
            began = time.monotonic()
            try:
                await connection.fetch(query, timeout=0.5)
            except TimeoutError:
                pass
            else:
                raise AssertionError("no time-out")
            equal(await connection.fetchval("select $1::int", 1), 1)
            true(time.monotonic() - began < 15, "the cancel took too long")


@check("a cancelled task cancels its statement")
async def _():
    async with connect() as connection:
        task = asyncio.create_task(connection.execute(SLOW))
        await asyncio.sleep(0.5)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        equal(await asyncio.wait_for(connection.fetchval("select 1"), 15), 1)


@check("statement_timeout gives 57014")
async def _():
    async with connect() as connection:
        await connection.execute("set statement_timeout = '400ms'")
        error = await fails("57014", connection.execute(SLOW))
        true("statement timeout" in str(error), str(error))
        await connection.execute("reset statement_timeout")
        equal(await connection.fetchval("select 1"), 1)


@check("notices and warnings")
async def _():
    async with connect() as connection:
        seen = []
        connection.add_log_listener(lambda _, message: seen.append((message.severity, message.message)))
        await connection.execute("do $$ begin raise notice 'hello'; raise warning 'careful'; end $$")
        await asyncio.sleep(0)
        equal(seen, [("NOTICE", "hello"), ("WARNING", "careful")])


@check("ParameterStatus follows SET")
async def _():
    async with connect(server_settings={"application_name": "first", "search_path": "pg_catalog"}) as connection:
        settings = connection.get_settings()
        equal(settings.application_name, "first")
        equal(settings.server_encoding, "UTF8")
        equal(await connection.fetchval("show search_path"), "pg_catalog")
        await connection.execute("set application_name = 'second'")
        equal(connection.get_settings().application_name, "second")
        await connection.execute("set timezone to 'Asia/Tokyo'")
        equal(connection.get_settings().TimeZone, "Asia/Tokyo")
        await connection.execute("reset all")
        equal(connection.get_settings().application_name, "first")


@check("two connections do not share settings or statements")
async def _():
    async with connect() as one, connect() as two:
        before = await two.fetchval("show work_mem")
        await one.execute("set work_mem = '7MB'")
        equal(await two.fetchval("show work_mem"), before)
        # prepare() ends with Flush: until a first use sends Sync, each of the two is in the middle of a request.
        first = await one.prepare("select $1::int * 2")
        second = await two.prepare("select $1::text || '!'")
        for number in range(3):
            equal(await first.fetchval(number), number * 2)
            equal(await second.fetchval(str(number)), f"{number}!")
        equal(await one.fetchval("show work_mem"), "7MB")


@check("a temporary table is gone with its connection")
async def _():
    async with connect() as one:
        await one.execute("create temporary table ew_asyncpg_temp as select 1 as a")
        equal(await one.fetchval("select a from ew_asyncpg_temp"), 1)
    async with connect() as two:
        await fails("42P01", two.fetch("select * from ew_asyncpg_temp"))


@check("100,000 rows")
async def _():
    async with connect() as connection:
        rows = await connection.fetch("select i, 'row ' || i from generate_series(1, $1::int) i", 100_000)
        equal(len(rows), 100_000)
        equal(tuple(rows[-1]), (100_000, "row 100000"))


@check("values of 1 MB and 8 MB")
async def _():
    async with connect() as connection:
        for size in (1 << 20, 8 << 20):
            data = bytes(range(256)) * (size // 256)
            row = await connection.fetchrow("select length($1::bytea), $1::bytea", data)
            equal(row[0], size)
            true(row[1] == data, "the bytes differ")


@check("8 concurrent connections from a pool")
async def _():
    async def work(pool, number):
        for _ in range(10):
            async with pool.acquire(timeout=20) as connection:
                equal(await connection.fetchval("select $1::int", number), number)
                async with connection.transaction():
                    await connection.execute(f"update {TABLE} set n = n + 1 where id = $1", number)

    async with connect() as connection:
        await make_table(connection, "id int primary key, n int not null")
        await connection.execute(f"insert into {TABLE} select i, 0 from generate_series(0, 15) i")
    # A pool resets each connection on release (DISCARD-like statements).
    async with asyncio.timeout(38), asyncpg.create_pool(URL, min_size=8, max_size=8) as pool:
        await asyncio.gather(*(work(pool, number) for number in range(16)))
        equal(await pool.fetchval(f"select sum(n) from {TABLE}"), 160)
        await pool.execute(f"drop table {TABLE}")


main(lambda function: asyncio.run(asyncio.wait_for(function(), 39)))
