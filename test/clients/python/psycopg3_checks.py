"""psycopg 3: extended protocol, automatic preparation, binary parameters and results, pipelines, async."""

import asyncio
import datetime
import decimal
import threading
import time
import uuid

import psycopg
from psycopg import pq, sql
from psycopg.rows import dict_row
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo
from psycopg.types.json import Json, Jsonb

from harness import DIRECT_TLS, HAS_PASSWORD, SLOW, URL, Skip, check, equal, main, true
from harness import with_database, with_parameter, with_password

TABLE = "ew_psycopg3"
Status = pq.TransactionStatus


def connect(url=URL, autocommit=True, **options):
    return psycopg.connect(url, autocommit=autocommit, connect_timeout=20, **options)


def make_table(connection, columns="id int primary key, name text"):
    connection.execute(f"drop table if exists {TABLE}")
    connection.execute(f"create table {TABLE} ({columns})")


def fails(code, function):
    try:
        function()
    except psycopg.Error as error:
        equal(error.sqlstate, code, "SQLSTATE")
        return error
    raise AssertionError(f"no error, expected {code}")


@check("connects and reports the server version")
def _():
    with connect() as connection:
        row = connection.execute("select current_setting('server_version_num')::int").fetchone()
        equal(connection.info.server_version, row[0], "server_version")
        equal(connection.info.encoding, "utf-8", "encoding")


@check("refuses an unknown database with 3D000")
def _():
    try:
        connect(with_database(URL, "no_such_database"))
    except psycopg.OperationalError as error:
        true('database "no_such_database" does not exist' in str(error), str(error))
    else:
        raise AssertionError("connected")


@check("authenticates with SCRAM over TLS, bound to the channel", when=HAS_PASSWORD)
def _():
    with connect(with_parameter(URL, "channel_binding", "require")) as connection:
        true(connection.pgconn.ssl_in_use, "no TLS")
        true(connection.pgconn.used_password, "no password was asked for")
    with connect(with_parameter(URL, "channel_binding", "disable")) as connection:
        equal(connection.execute("select 1").fetchone(), (1,))
    try:
        connect(with_password(URL, "wrong"))
    except psycopg.OperationalError as error:
        true("password authentication failed for user" in str(error), str(error))
    else:
        raise AssertionError("connected with a wrong password")


@check("connects by direct TLS", when=DIRECT_TLS)
def _():
    if pq.version() < 170000:
        raise Skip("this libpq does not know sslnegotiation")
    with connect(with_parameter(URL, "sslnegotiation", "direct")) as connection:
        equal(connection.execute("select 1").fetchone(), (1,))


@check("asks for protocol 3.2, and cancels with its longer key")
def _():
    if pq.version() < 180000:
        raise Skip("this libpq does not know max_protocol_version")
    with connect(with_parameter(URL, "max_protocol_version", "3.2")) as connection:
        # A server before PostgreSQL 18 answers NegotiateProtocolVersion, and 3.0 is spoken.
        timer = threading.Timer(0.5, connection.cancel_safe)
        timer.start()
        fails("57014", lambda: connection.execute(SLOW))
        timer.join()
        equal(connection.execute("select %s::int", (1,)).fetchone(), (1,))


@check("asks for the latest protocol version")
def _():
    if pq.version() < 180000:
        raise Skip("this libpq does not know max_protocol_version")
    with connect(with_parameter(URL, "max_protocol_version", "latest")) as connection:
        equal(connection.execute("select 1").fetchone(), (1,))


@check("simple queries, names, types and command tags")
def _():
    with connect() as connection:
        cursor = connection.execute("select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d, 'v'::varchar(7) as e")
        equal([column.name for column in cursor.description], ["a", "b", "a", "d", "e"], "names")
        equal([column.type_code for column in cursor.description], [23, 25, 23, 1700, 1043], "types")
        equal((cursor.description[3].precision, cursor.description[3].scale), (8, 2), "type modifier")
        equal(cursor.description[4].display_size, 7, "type modifier")
        equal(cursor.fetchall(), [(1, "x", 1, None, "v")])
        make_table(connection)
        equal(connection.execute(f"insert into {TABLE} values (1), (2)").statusmessage, "INSERT 0 2", "tag")
        cursor = connection.execute(f"select id from {TABLE} order by id")
        oid = connection.execute("select %s::regclass::oid::int8", (TABLE,)).fetchone()[0]
        equal((cursor.pgresult.ftable(0), cursor.pgresult.ftablecol(0)), (oid, 1), "table and column")
        connection.execute(f"drop table {TABLE}")


@check("empty queries, and several statements with several results")
def _():
    with connect() as connection:
        equal(connection.execute("").pgresult.status, pq.ExecStatus.EMPTY_QUERY)
        equal(connection.execute("-- only a comment").pgresult.status, pq.ExecStatus.EMPTY_QUERY)
        cursor = connection.execute("select 1; select 'two', 2; create temporary table ew_psycopg3_many (a int); drop table ew_psycopg3_many")
        results = [cursor.statusmessage]
        rows = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.statusmessage)
            if cursor.description:
                rows.append(cursor.fetchall())
        equal(results, ["SELECT 1", "SELECT 1", "CREATE TABLE", "DROP TABLE"], "tags")
        equal(rows, [[(1,)], [("two", 2)]])


@check("values of every common type, text and binary, both ways")
def _():
    utc = datetime.timezone.utc
    values = (
        42,
        70_000,
        -(2**40),
        2**70,
        1.5,
        float("inf"),
        True,
        None,
        "it's \\ a \"test\" é 😀",
        bytes(range(256)),
        datetime.datetime(2024, 2, 29, 12, 34, 56, 789012),
        datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=utc),
        datetime.date(2024, 2, 29),
        datetime.time(23, 59, 59, 999999),
        datetime.timedelta(days=3, seconds=4, microseconds=5),
        decimal.Decimal("12345678901234567890.123456789"),
        decimal.Decimal("NaN"),
        uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        [1, 2, 3],
        ["a", None, 'q"uote', "b c"],
        [[1, 2], [3, 4]],
    )
    casts = (
        "int,int,int8,numeric,float8,float8,bool,text,text,bytea,timestamp,timestamptz,date,time,interval,numeric,"
        "numeric,uuid,int[],text[],int8[]"
    ).split(",")
    with connect() as connection:
        connection.execute("set timezone to 'UTC'")
        for placeholder in ("%s", "%t", "%b"):
            for binary in (False, True):
                columns = ", ".join(f"{placeholder}::{cast}" for cast in casts)
                if placeholder == "%b":
                    # There is no binary form of None or of an int beyond 64 bits but as a numeric.
                    columns = columns.replace("%b::text", "%s::text", 1)
                row = connection.cursor(binary=binary).execute(f"select {columns}", values).fetchone()
                for actual, expected, cast in zip(row, values, casts, strict=True):
                    if expected != expected:
                        true(actual.is_nan(), f"{cast} is {actual}, expected NaN")
                    else:
                        equal(actual, expected, f"{cast} as {placeholder}, binary={binary}")
        for binary in (False, True):
            row = connection.cursor(binary=binary).execute(
                "select %s::json, %s::jsonb, %b::jsonb", (Json({"a": [1, None]}), Jsonb([True]), Jsonb({"é": 1.5}))
            ).fetchone()
            equal(row, ({"a": [1, None]}, [True], {"é": 1.5}))


@check("network, range and multirange types")
def _():
    import ipaddress

    from psycopg.types.multirange import Multirange
    from psycopg.types.range import Range

    values = (
        ipaddress.ip_address("192.168.0.1"),
        ipaddress.ip_network("2001:db8::/32"),
        Range(1, 5),
        Range(datetime.date(2024, 1, 1), None),
        Multirange([Range(1, 3), Range(5, 9)]),
    )
    with connect() as connection:
        for binary in (False, True):
            row = connection.cursor(binary=binary).execute(
                "select %s::inet, %s::cidr, %s::int4range, %s::daterange, %s::int4multirange", values
            ).fetchone()
            equal(row, values)


@check("enum and composite types looked up in the catalog")
def _():
    with connect() as connection:
        connection.execute("drop type if exists ew_psycopg3_point; drop type if exists ew_psycopg3_mood")
        connection.execute("create type ew_psycopg3_mood as enum ('sad', 'happy'); create type ew_psycopg3_point as (x int, label text)")
        info = EnumInfo.fetch(connection, "ew_psycopg3_mood")
        equal(list(info.labels), ["sad", "happy"], "labels")
        point = CompositeInfo.fetch(connection, "ew_psycopg3_point")
        register_composite(point, connection)
        for binary in (False, True):
            row = connection.cursor(binary=binary).execute("select row(1, 'a')::ew_psycopg3_point").fetchone()[0]
            equal((row.x, row.label), (1, "a"))
        equal(connection.execute("select 'happy'::ew_psycopg3_mood").fetchone(), ("happy",))
        connection.execute("drop type ew_psycopg3_point; drop type ew_psycopg3_mood")


@check("a statement used 12 times is prepared and goes on working")
def _():
    with connect() as connection:
        for number in range(12):
            equal(connection.execute("select %s::int + 1", (number,)).fetchone(), (number + 1,))
            row = connection.cursor(binary=True).execute("select %s::text || 'x'", (str(number),)).fetchone()
            equal(row, (f"{number}x",))


@check("pg_prepared_statements lists what the client has prepared")
def _():
    with connect() as connection:
        for number in range(6):
            connection.execute("select %s::int + 1", (number,))
        names = connection.execute("select name from pg_prepared_statements where statement like 'select $1::int%'").fetchall()
        equal(names, [("_pg3_0",)], "prepared statements")


@check("prepared at once, more statements than the cache holds, and after DDL")
def _():
    with connect() as connection:
        connection.prepared_max = 3
        for round in range(2):
            for number in range(6):
                row = connection.execute(f"select {number} + %s::int", (1,), prepare=True).fetchone()
                equal(row, (number + 1,))
        make_table(connection)
        for number in range(7):
            connection.execute(f"insert into {TABLE} values (%s, %s)", (number, "x"))
        equal(len(connection.execute(f"select * from {TABLE}", prepare=True).fetchone()), 2, "columns")
        # psycopg drops its prepared statements when it sees an ALTER of its own, so another connection does it.
        with connect() as other:
            other.execute(f"alter table {TABLE} add column extra int")
        fails("0A000", lambda: connection.execute(f"select * from {TABLE}", prepare=True))
        connection.execute("deallocate all")
        equal(len(connection.execute(f"select * from {TABLE}", prepare=True).fetchone()), 3, "columns")
        connection.execute(f"drop table {TABLE}")


@check("commit, rollback, savepoint")
def _():
    with connect() as connection:
        make_table(connection)
        with connection.transaction():
            connection.execute(f"insert into {TABLE} values (1)")
            equal(connection.info.transaction_status, Status.INTRANS, "status")
            try:
                with connection.transaction():
                    connection.execute(f"insert into {TABLE} values (2)")
                    connection.execute("select 1/0")
            except psycopg.errors.DivisionByZero:
                pass
            with connection.transaction():
                connection.execute(f"insert into {TABLE} values (3)")
        with connection.transaction(force_rollback=True):
            connection.execute(f"insert into {TABLE} values (4)")
        equal(connection.info.transaction_status, Status.IDLE, "status")
        equal(connection.execute(f"select id from {TABLE} order by id").fetchall(), [(1,), (3,)])
        connection.execute(f"drop table {TABLE}")


@check("a failed transaction answers 25P02 until ROLLBACK")
def _():
    with connect(autocommit=False) as connection:
        fails("22012", lambda: connection.execute("select 1/%s::int", (0,)))
        equal(connection.info.transaction_status, Status.INERROR, "status")
        fails("25P02", lambda: connection.execute("select 1"))
        fails("25P02", lambda: connection.execute("select %s::int", (1,)))
        connection.rollback()
        equal(connection.execute("select 1").fetchone(), (1,))


@check("SQLSTATEs with their fields, and work after them")
def _():
    with connect() as connection:
        error = fails("42P01", lambda: connection.execute("select * from no_such_table where a = %s", (1,)))
        equal(error.diag.statement_position, "15", "position")
        make_table(connection)
        connection.execute(f"insert into {TABLE} values (1)")
        error = fails("23505", lambda: connection.execute(f"insert into {TABLE} values (%s)", (1,)))
        equal((error.diag.schema_name, error.diag.table_name, error.diag.constraint_name), ("public", TABLE, f"{TABLE}_pkey"))
        error = fails("23502", lambda: connection.execute(f"insert into {TABLE} values (%s)", (None,)))
        equal(error.diag.column_name, "id", "column")
        fails("22012", lambda: connection.execute("select 1/%s::int", (0,)))
        fails("22P02", lambda: connection.execute("select %s::int", ("x",)))
        fails("08P01", lambda: bind_too_few(connection))
        equal(connection.execute("select %s::int", (1,)).fetchone(), (1,))
        connection.execute(f"drop table {TABLE}")


def bind_too_few(connection):
    """psycopg counts the values itself; its libpq layer sends what it is given."""
    result = connection.pgconn.exec_params(b"select $1::int, $2::int", [b"1"])
    raise psycopg.errors.error_from_result(result)


@check("server-side cursors, forwards, scrolling, binary and WITH HOLD")
def _():
    with connect(autocommit=False) as connection:
        with connection.cursor("forward") as cursor:
            cursor.itersize = 7
            cursor.execute("select i from generate_series(1, %s) i", (100,))
            equal(sum(row[0] for row in cursor), 5050)
        with connection.cursor("scrolling", scrollable=True, binary=True) as cursor:
            cursor.execute("select i from generate_series(1, 10) i")
            equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
            cursor.scroll(-2)
            equal(cursor.fetchone(), (2,))
        holding = connection.cursor("holding", withhold=True)
        holding.execute("select i from generate_series(1, 3) i")
        connection.commit()
        equal(holding.fetchall(), [(1,), (2,), (3,)])
        holding.close()
        connection.commit()


@check("rows one at a time (single row and chunked mode)")
def _():
    with connect() as connection:
        cursor = connection.cursor()
        equal(sum(row[0] for row in cursor.stream("select i from generate_series(1, %s) i", (1000,))), 500500)
        if pq.version() >= 170000:
            rows = cursor.stream("select i from generate_series(1, %s) i", (1000,), size=64)
            equal(sum(row[0] for row in rows), 500500)
        equal(connection.execute("select 1").fetchone(), (1,))


@check("COPY in and out, text, csv and binary")
def _():
    with connect() as connection:
        make_table(connection, "id int, name text, data bytea")
        cursor = connection.cursor()
        with cursor.copy(f"copy {TABLE} from stdin") as copy:
            for number in range(1000):
                copy.write_row((number, f"tab\there {number}" if number % 2 else None, b"\0\xff"))
        equal(cursor.rowcount, 1000, "rows")
        with cursor.copy(f"copy {TABLE} (id, name) to stdout") as copy:
            rows = list(copy.rows())
        equal(len(rows), 1000, "rows")
        equal(sorted(rows)[1], ("1", "tab\there 1"))
        with cursor.copy(f"copy {TABLE} to stdout (format binary)") as copy:
            copy.set_types(["int4", "text", "bytea"])
            first = next(copy.rows())
            equal(first, (0, None, b"\0\xff"))
            rest = sum(1 for _ in copy.rows())
        equal(rest, 999, "rows")
        connection.execute(f"truncate {TABLE}")
        with cursor.copy(f"copy {TABLE} from stdin (format binary)") as copy:
            copy.set_types(["int4", "text", "bytea"])
            for number in range(1000):
                copy.write_row((number, "é", None))
        with cursor.copy(f"copy {TABLE} from stdin (format csv, header)") as copy:
            copy.write('id,name,data\n-1,"a ""b"",\nc",\\x00ff\n')
        equal(connection.execute(f"select * from {TABLE} where id = -1").fetchone(), (-1, 'a "b",\nc', b"\0\xff"))
        with cursor.copy(f"copy (select id from {TABLE} where false) to stdout (format binary)") as copy:
            equal(len(b"".join(copy)), 21, "header and trailer of an empty result")
        equal(connection.execute(f"select count(*) from {TABLE}").fetchone(), (1001,))
        connection.execute(f"drop table {TABLE}")


@check("COPY that fails in the middle, by the server and by the client")
def _():
    def bad_row():
        with connection.cursor().copy(f"copy {TABLE} from stdin") as copy:
            for number in range(5000):
                copy.write_row((number, "x"))
            copy.write("bad\tx\n")
            for number in range(5000, 9000):
                copy.write_row((number, "x"))

    def broken_source():
        with connection.cursor().copy(f"copy {TABLE} from stdin") as copy:
            copy.write_row((1, "x"))
            raise RuntimeError("source broke")

    with connect() as connection:
        make_table(connection)
        fails("22P02", bad_row)
        try:
            broken_source()
        except RuntimeError as error:
            equal(str(error), "source broke")
        equal(connection.execute(f"select count(*) from {TABLE}").fetchone(), (0,))
        # A COPY OUT that its reader leaves early.
        try:
            with connection.cursor().copy("copy (select generate_series(1, 100000)) to stdout") as copy:
                for _ in copy:
                    raise RuntimeError("seen enough")
        except RuntimeError as error:
            equal(str(error), "seen enough")
        equal(connection.execute("select 1").fetchone(), (1,))
        connection.execute(f"drop table {TABLE}")


@check("pipeline")
def _():
    with connect() as connection:
        make_table(connection)
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("select %s::int", (number,)) for number in range(50)]
            connection.execute(f"insert into {TABLE} values (%s, %s)", (1, "a"))
            pipeline.sync()
            last = connection.execute(f"select name from {TABLE}")
            equal(last.fetchone(), ("a",))
        equal([cursor.fetchone()[0] for cursor in cursors], list(range(50)))
        connection.cursor().executemany(f"insert into {TABLE} values (%s, %s)", [(i, "b") for i in range(2, 302)])
        equal(connection.execute(f"select count(*) from {TABLE}").fetchone(), (301,))
        cursor = connection.cursor()
        cursor.executemany(f"insert into {TABLE} values (%s) returning id", [(1000,), (1001,)], returning=True)
        ids = [cursor.fetchone()]
        while cursor.nextset():
            ids.append(cursor.fetchone())
        equal(ids, [(1000,), (1001,)])
        connection.execute(f"drop table {TABLE}")


@check("an error in a pipeline rolls back to its Sync, and the next part runs")
def _():
    with connect() as connection:
        make_table(connection)
        try:
            with connection.pipeline() as pipeline:
                connection.execute(f"insert into {TABLE} values (1)")
                bad = connection.execute("select 1/%s::int", (0,))
                skipped = connection.execute(f"insert into {TABLE} values (2)")
                pipeline.sync()
        except psycopg.errors.DivisionByZero:
            pass
        else:
            raise AssertionError("no error")
        equal(connection.execute(f"select count(*) from {TABLE}").fetchone(), (0,))
        with connection.pipeline() as pipeline:
            connection.execute(f"insert into {TABLE} values (3)")
            pipeline.sync()
            equal(connection.execute(f"select id from {TABLE}").fetchone(), (3,))
        connection.execute(f"drop table {TABLE}")


@check("a pipeline that fails with an explicit transaction open")
def _():
    with connect() as connection:
        try:
            with connection.pipeline(), connection.transaction():
                connection.execute("select 1")
                connection.execute("select 1/%s::int", (0,))
                connection.execute("select 2")
        except psycopg.errors.DivisionByZero:
            pass
        equal(connection.info.transaction_status, Status.IDLE, "status")
        equal(connection.execute("select 1").fetchone(), (1,))


@check("LISTEN and NOTIFY")
def _():
    with connect() as listener, connect() as other:
        listener.execute("listen ew_psycopg3_channel")
        other.execute("select pg_notify('ew_psycopg3_channel', %s)", ("first",))
        with other.transaction():
            other.execute("notify ew_psycopg3_channel, 'second'")
            other.execute("notify ew_psycopg3_channel, 'second'")  # folded into one within a transaction
            other.execute("notify ew_psycopg3_channel")
        got = list(listener.notifies(timeout=15, stop_after=3))
        equal([(n.channel, n.payload) for n in got],
              [("ew_psycopg3_channel", "first"), ("ew_psycopg3_channel", "second"), ("ew_psycopg3_channel", "")])
        listener.execute("notify ew_psycopg3_channel, 'own'")
        equal([n.payload for n in listener.notifies(timeout=5, stop_after=1)], ["own"])
        with other.transaction(force_rollback=True):
            other.execute("notify ew_psycopg3_channel, 'rolled back'")
        equal(list(listener.notifies(timeout=0.5)), [])


@check("cancel gives 57014, and the session goes on")
def _():
    with connect() as connection:
        for query in (SLOW, "select pg_sleep(60)"):
            timer = threading.Timer(0.5, connection.cancel_safe)
            timer.start()
            began = time.monotonic()
            error = fails("57014", lambda query=query: connection.execute(query))
            timer.join()
            true("canceling statement due to user request" in str(error), str(error))
            true(time.monotonic() - began < 15, "the cancel took too long")
            equal(connection.execute("select %s::int", (1,)).fetchone(), (1,))


@check("cancel while rows stream")
def _():
    with connect() as connection:

        def stream():
            for number, _ in enumerate(connection.cursor().stream("select i, repeat('x', 500) from generate_series(1, 3000000) i")):
                if number == 10:
                    connection.cancel_safe()

        fails("57014", stream)
        equal(connection.execute("select 1").fetchone(), (1,))


@check("statement_timeout gives 57014")
def _():
    with connect() as connection:
        connection.execute("set statement_timeout = '300ms'")
        error = fails("57014", lambda: connection.execute(SLOW))
        true("statement timeout" in str(error), str(error))
        connection.execute("reset statement_timeout")
        equal(connection.execute("select 1").fetchone(), (1,))


@check("notices and warnings")
def _():
    with connect() as connection:
        seen = []
        connection.add_notice_handler(lambda diag: seen.append((diag.severity, diag.sqlstate, diag.message_primary)))
        connection.execute("do $$ begin raise notice 'hello'; raise warning 'careful'; end $$")
        equal(seen, [("NOTICE", "00000", "hello"), ("WARNING", "01000", "careful")])


@check("the notice of a statement by itself")
def _():
    with connect() as connection:
        seen = []
        connection.add_notice_handler(lambda diag: seen.append((diag.severity, diag.message_primary)))
        connection.execute("drop table if exists ew_psycopg3_none")
        equal(seen, [("NOTICE", 'table "ew_psycopg3_none" does not exist, skipping')])


@check("ParameterStatus follows SET")
def _():
    with connect(with_parameter(URL, "application_name", "first")) as connection:
        status = lambda name: connection.info.parameter_status(name)
        equal(status("application_name"), "first")
        connection.execute("select set_config('application_name', %s, false)", ("second",))
        equal(status("application_name"), "second")
        connection.execute("set timezone to 'Asia/Tokyo'")
        equal(status("TimeZone"), "Asia/Tokyo")
        equal(str(connection.info.timezone), "Asia/Tokyo")
        with connection.transaction(force_rollback=True):
            connection.execute("set local timezone to 'America/Lima'")
            equal(status("TimeZone"), "America/Lima")
        equal(status("TimeZone"), "Asia/Tokyo")


@check("text converted for a LATIN1 client")
def _():
    with connect(with_parameter(URL, "client_encoding", "LATIN1")) as connection:
        equal(connection.info.parameter_status("client_encoding"), "LATIN1")
        equal(connection.info.encoding, "iso8859-1")
        equal(connection.execute("select 'é', length('é')").fetchone(), ("é", 1))
        equal(connection.execute("select %s::text", ("é",)).fetchone(), ("é",))
        fails("22P05", lambda: connection.execute("select chr(128512)"))
        connection.execute("set client_encoding to 'UTF8'")
        equal(connection.execute("select %s::text, 'é'", ("😀",)).fetchone(), ("😀", "é"))


@check("two connections do not share settings or statements")
def _():
    with connect() as one, connect() as two:
        before = two.execute("show work_mem").fetchone()
        one.execute("set work_mem = '7MB'")
        equal(two.execute("show work_mem").fetchone(), before)
        # Both name their first prepared statement _pg3_0.
        for number in range(8):
            equal(one.execute("select %s::int * 2", (number,)).fetchone(), (number * 2,))
            equal(two.execute("select %s::text || '!'", (str(number),)).fetchone(), (f"{number}!",))
        equal(one.execute("show work_mem").fetchone(), ("7MB",))


@check("a temporary table is gone with its connection")
def _():
    with connect() as one:
        one.execute("create temporary table ew_psycopg3_temp as select 1 as a")
        equal(one.execute("select a from ew_psycopg3_temp").fetchone(), (1,))
    with connect() as two:
        fails("42P01", lambda: two.execute("select * from ew_psycopg3_temp"))


@check("100,000 rows, text and binary")
def _():
    with connect() as connection:
        for binary in (False, True):
            cursor = connection.cursor(binary=binary, row_factory=dict_row)
            rows = cursor.execute("select i, 'row ' || i as name from generate_series(1, %s) i", (100_000,)).fetchall()
            equal(len(rows), 100_000, "rows")
            equal(rows[-1], {"i": 100_000, "name": "row 100000"})


@check("values of 1 MB and 8 MB")
def _():
    with connect() as connection:
        for size in (1 << 20, 8 << 20):
            data = bytes(range(256)) * (size // 256)
            row = connection.cursor(binary=True).execute("select length(%b::bytea), %b::bytea", (data, data)).fetchone()
            equal(row[0], size)
            true(row[1] == data, "the bytes differ")
            text = "é" * (size // 2)
            true(connection.execute("select %s::text", (text,)).fetchone()[0] == text, "the text differs")


@check("1,600 columns and 2,000 parameters")
def _():
    with connect() as connection:
        row = connection.execute("select " + ", ".join(["1"] * 1600)).fetchone()
        equal(len(row), 1600)
        values = list(range(2000))
        row = connection.execute(f"select array[{', '.join(['%s::int'] * 2000)}]", values).fetchone()
        equal(row[0], values)


@check("8 concurrent connections (async)")
def _():
    async def work(number):
        async with await psycopg.AsyncConnection.connect(URL, autocommit=True, connect_timeout=20) as connection:
            for turn in range(10):
                cursor = await connection.execute("select %s::int, %s::text", (number, f"turn {turn}"))
                equal(await cursor.fetchone(), (number, f"turn {turn}"))
                async with connection.transaction():
                    await connection.execute(f"update {TABLE} set n = n + 1 where id = %s", (number,))

    async def all_of_them():
        async with asyncio.timeout(35):
            await asyncio.gather(*(work(number) for number in range(8)))

    with connect() as connection:
        make_table(connection, "id int primary key, n int not null")
        connection.execute(f"insert into {TABLE} select i, 0 from generate_series(0, 7) i")
        asyncio.run(all_of_them())
        equal(connection.execute(f"select sum(n) from {TABLE}").fetchone(), (80,))
        connection.execute(f"drop table {TABLE}")


@check("identifiers and literals quoted by the client")
def _():
    with connect() as connection:
        name = 'ew "odd" name'
        connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create table {} ({} text)").format(sql.Identifier(name), sql.Identifier("Col é")))
        connection.execute(sql.SQL("insert into {} values ({})").format(sql.Identifier(name), sql.Literal("it's \\ é")))
        equal(connection.execute(sql.SQL("select * from {}").format(sql.Identifier(name))).fetchone(), ("it's \\ é",))
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))


main()
