"""psycopg2: libpq underneath, simple Query messages with the values written into the text by the client."""

import datetime
import decimal
import io
import select
import threading
import time
import uuid

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool

from harness import DIRECT_TLS, HAS_PASSWORD, SLOW, URL, Skip, check, equal, main, true
from harness import with_database, with_parameter, with_password

TABLE = "ew_psycopg2"


def connect(url=URL, autocommit=True):
    connection = psycopg2.connect(url, connect_timeout=20)
    connection.autocommit = autocommit
    return connection


def fetch(connection, query, values=None):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def run(connection, query, values=None):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.statusmessage


def make_table(connection, columns="id int primary key, name text"):
    run(connection, f"drop table if exists {TABLE}")
    run(connection, f"create table {TABLE} ({columns})")


def fails(code, function):
    try:
        function()
    except psycopg2.Error as error:
        equal(error.pgcode, code, "SQLSTATE")
        return error
    raise AssertionError(f"no error, expected {code}")


@check("connects and reports the server version")
def _():
    connection = connect()
    number = int(fetch(connection, "show server_version_num")[0][0])
    equal(connection.server_version, number, "server_version")
    true(fetch(connection, "select version()")[0][0].startswith("PostgreSQL "), "version()")
    equal(connection.info.protocol_version, 3, "protocol version")
    true(connection.info.backend_pid > 0, "no backend pid")
    connection.close()


@check("refuses an unknown database with 3D000")
def _():
    try:
        connect(with_database(URL, "no_such_database"))
    except psycopg2.OperationalError as error:
        true('database "no_such_database" does not exist' in str(error), str(error))
    else:
        raise AssertionError("connected")


@check("authenticates with SCRAM over TLS, bound to the channel", when=HAS_PASSWORD)
def _():
    connection = connect(with_parameter(URL, "channel_binding", "require"))
    true(connection.info.ssl_in_use, "no TLS")
    equal(fetch(connection, "select 1"), [(1,)])
    connection.close()
    try:
        connect(with_password(URL, "wrong"))
    except psycopg2.OperationalError as error:
        true("password authentication failed for user" in str(error), str(error))
    else:
        raise AssertionError("connected with a wrong password")


@check("connects by direct TLS", when=DIRECT_TLS)
def _():
    if psycopg2.__libpq_version__ < 170000:
        raise Skip("this libpq does not know sslnegotiation")
    connection = connect(with_parameter(URL, "sslnegotiation", "direct"))
    equal(fetch(connection, "select 1"), [(1,)])
    connection.close()


@check("simple queries, names, types and command tags")
def _():
    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute("select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d")
        equal([column.name for column in cursor.description], ["a", "b", "a", "d"], "names")
        equal([column.type_code for column in cursor.description], [23, 25, 23, 1700], "types")
        equal((cursor.description[3].precision, cursor.description[3].scale), (8, 2), "type modifier")
        equal(cursor.fetchall(), [(1, "x", 1, None)])
        equal(cursor.statusmessage, "SELECT 1", "tag")
    make_table(connection)
    equal(run(connection, f"insert into {TABLE} values (1, 'a'), (2, 'b'), (3, 'c')"), "INSERT 0 3", "tag")
    equal(run(connection, f"update {TABLE} set name = 'z' where id > 1"), "UPDATE 2", "tag")
    equal(run(connection, f"delete from {TABLE} where id = 3"), "DELETE 1", "tag")
    equal(run(connection, f"drop table {TABLE}"), "DROP TABLE", "tag")
    connection.close()


@check("empty queries and several statements in one query")
def _():
    connection = connect()
    try:
        run(connection, "")
    except psycopg2.ProgrammingError as error:
        true("can't execute an empty query" in str(error), str(error))
    try:
        run(connection, "-- only a comment")
    except psycopg2.ProgrammingError as error:
        true("can't execute an empty query" in str(error), str(error))
    equal(fetch(connection, "select 1; select 2 as last"), [(2,)])
    make_table(connection)
    # The statements of one Query are one transaction: the first insert goes with the second's error.
    fails("23505", lambda: run(connection, f"insert into {TABLE} values (1); insert into {TABLE} values (1)"))
    equal(fetch(connection, f"select count(*) from {TABLE}"), [(0,)])
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("values of every common type")
def _():
    connection = connect()
    psycopg2.extras.register_uuid(conn_or_curs=connection)
    utc = datetime.timezone.utc
    values = (
        42,
        -(2**40),
        1.5,
        True,
        None,
        "it's \\ a \"test\" é 😀",
        datetime.datetime(2024, 2, 29, 12, 34, 56, 789012),
        datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=utc),
        datetime.date(2024, 2, 29),
        datetime.timedelta(days=3, seconds=4),
        decimal.Decimal("12345678901234567890.123456789"),
        uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        [1, 2, 3],
        ["a", "b c", 'q"uote'],
    )
    row = fetch(
        connection,
        "select %s::int, %s::bigint, %s::float8, %s::bool, %s::text, %s::text, %s::timestamp, %s::timestamptz,"
        " %s::date, %s::interval, %s::numeric, %s::uuid, %s::int[], %s::text[]",
        values,
    )[0]
    for actual, expected in zip(row, values, strict=True):
        equal(actual, expected)
    data = bytes(range(256))
    row = fetch(connection, "select %s::bytea, %s::json, %s::jsonb",
                (psycopg2.Binary(data), psycopg2.extras.Json({"a": [1, None]}), psycopg2.extras.Json([True])))[0]
    equal((bytes(row[0]), row[1], row[2]), (data, {"a": [1, None]}, [True]))
    connection.close()


@check("commit, rollback, savepoint")
def _():
    connection = connect(autocommit=False)
    make_table(connection)
    connection.commit()
    equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_IDLE, "status")
    run(connection, f"insert into {TABLE} values (1)")
    equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INTRANS, "status")
    connection.rollback()
    run(connection, f"insert into {TABLE} values (2)")
    run(connection, "savepoint s")
    run(connection, f"insert into {TABLE} values (3)")
    run(connection, "rollback to savepoint s")
    run(connection, f"insert into {TABLE} values (4)")
    connection.commit()
    equal(fetch(connection, f"select id from {TABLE} order by id"), [(2,), (4,)])
    run(connection, f"drop table {TABLE}")
    connection.commit()
    connection.close()


@check("isolation levels and read only transactions")
def _():
    connection = psycopg2.connect(URL, connect_timeout=20)
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    equal(fetch(connection, "show transaction_isolation"), [("serializable",)])
    fails("25006", lambda: run(connection, f"create table {TABLE} (id int)"))
    connection.rollback()
    connection.set_session(isolation_level="DEFAULT", readonly=False, autocommit=True)
    equal(fetch(connection, "show transaction_isolation"), [("read committed",)])
    connection.close()


@check("a failed transaction answers 25P02 until ROLLBACK")
def _():
    connection = connect(autocommit=False)
    fails("22012", lambda: run(connection, "select 1/0"))
    equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INERROR, "status")
    fails("25P02", lambda: run(connection, "select 1"))
    equal(run(connection, "commit"), "ROLLBACK", "tag of COMMIT")
    equal(fetch(connection, "select 1"), [(1,)])
    connection.close()


@check("SQLSTATEs with their fields, and work after them")
def _():
    connection = connect()
    error = fails("42P01", lambda: run(connection, "select *\nfrom no_such_table"))
    equal(error.diag.statement_position, "15", "position")
    equal(error.diag.severity_nonlocalized, "ERROR", "severity")
    make_table(connection)
    run(connection, f"insert into {TABLE} values (1)")
    error = fails("23505", lambda: run(connection, f"insert into {TABLE} values (1)"))
    equal((error.diag.table_name, error.diag.constraint_name), (TABLE, f"{TABLE}_pkey"), "fields")
    equal(error.diag.message_detail, "Key (id)=(1) already exists.", "detail")
    fails("22012", lambda: fetch(connection, "select 1/0"))
    fails("42601", lambda: fetch(connection, "selec 1"))
    equal(fetch(connection, "select 1"), [(1,)])
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("an error after the first rows of a result")
def _():
    connection = connect()
    fails("22012", lambda: fetch(connection, "select 10 / (5000 - i) from generate_series(1, 10000) i"))
    equal(fetch(connection, "select 1"), [(1,)])
    connection.close()


@check("named cursors, forwards, scrolling and WITH HOLD")
def _():
    connection = connect(autocommit=False)
    with connection.cursor("forward") as cursor:
        cursor.itersize = 7
        cursor.execute("select i from generate_series(1, 100) i")
        equal(sum(row[0] for row in cursor), 5050)
    with connection.cursor("scrolling", scrollable=True) as cursor:
        cursor.execute("select i from generate_series(1, 10) i")
        equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
        cursor.scroll(-2)
        equal(cursor.fetchone(), (2,))
        cursor.scroll(9, mode="absolute")
        equal(cursor.fetchall(), [(10,)])
    holding = connection.cursor("holding", withhold=True)
    holding.execute("select i from generate_series(1, 5) i")
    equal(holding.fetchone(), (1,))
    connection.commit()
    equal(holding.fetchall(), [(2,), (3,), (4,), (5,)])
    holding.close()
    connection.commit()
    connection.close()


@check("COPY in and out")
def _():
    connection = connect()
    make_table(connection)
    with connection.cursor() as cursor:
        text = io.StringIO("1\tone\n2\t\\N\n3\ttab\\there\n")
        cursor.copy_expert(f"copy {TABLE} from stdin", text)
        equal(cursor.rowcount, 3, "rows")
        csv = io.StringIO('id,name\n4,"quoted, ""four"""\n5,\n')
        cursor.copy_expert(f"copy {TABLE} from stdin (format csv, header)", csv)
        out = io.StringIO()
        cursor.copy_expert(f"copy (select * from {TABLE} order by id) to stdout", out)
        equal(out.getvalue(), '1\tone\n2\t\\N\n3\ttab\\there\n4\tquoted, "four"\n5\t\\N\n')
        out = io.StringIO()
        cursor.copy_expert(f"copy (select * from {TABLE} where id > 3 order by id) to stdout (format csv)", out)
        equal(out.getvalue(), '4,"quoted, ""four"""\n5,\n')
        binary = io.BytesIO()
        cursor.copy_expert(f"copy (select id, name from {TABLE} where id < 3 order by id) to stdout (format binary)", binary)
        true(binary.getvalue().startswith(b"PGCOPY\n\xff\r\n\0"), "no binary signature")
        run(connection, f"truncate {TABLE}")
        binary.seek(0)
        cursor.copy_expert(f"copy {TABLE} from stdin (format binary)", binary)
        equal(fetch(connection, f"select * from {TABLE} order by id"), [(1, "one"), (2, None)])
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("COPY that fails in the middle, by the server and by the client")
def _():
    connection = connect()
    make_table(connection)

    class Broken:
        def read(self, size):
            raise RuntimeError("source broke")

    with connection.cursor() as cursor:
        rows = "".join(f"{i}\tx\n" for i in range(5000)) + "bad\tx\n" + "".join(f"{i}\tx\n" for i in range(5000, 9000))
        error = fails("22P02", lambda: cursor.copy_expert(f"copy {TABLE} from stdin", io.StringIO(rows)))
        true(f"COPY {TABLE}, line 5001, column id" in error.diag.context, error.diag.context)
        error = fails("57014", lambda: cursor.copy_expert(f"copy {TABLE} from stdin", Broken()))
        true("COPY from stdin failed" in str(error), str(error))
        equal(fetch(connection, f"select count(*) from {TABLE}"), [(0,)])
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("COPY of 100,000 rows each way")
def _():
    connection = connect()
    make_table(connection)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"copy {TABLE} from stdin", io.StringIO("".join(f"{i}\trow {i}\n" for i in range(100_000))))
        equal(cursor.rowcount, 100_000, "rows")
        out = io.StringIO()
        cursor.copy_expert(f"copy {TABLE} to stdout", out)
        equal(out.getvalue().count("\n"), 100_000, "lines")
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("many rows in one statement (execute_values) and a batch (execute_batch)")
def _():
    connection = connect()
    make_table(connection)
    with connection.cursor() as cursor:
        rows = [(i, f"name {i}") for i in range(1000)]
        returned = psycopg2.extras.execute_values(
            cursor, f"insert into {TABLE} values %s returning id", rows, page_size=300, fetch=True
        )
        equal(len(returned), 1000, "rows")
        psycopg2.extras.execute_batch(cursor, f"update {TABLE} set name = %s where id = %s", [(f"n{i}", i) for i in range(500)])
        equal(fetch(connection, f"select count(*) from {TABLE} where name like 'n%%' and name not like 'name%%'"), [(500,)])
    run(connection, f"drop table {TABLE}")
    connection.close()


@check("LISTEN and NOTIFY")
def _():
    listener = connect()
    other = connect()
    run(listener, "listen ew_psycopg2_channel")
    run(other, "select pg_notify('ew_psycopg2_channel', 'first')")
    run(other, "notify ew_psycopg2_channel, 'second'")
    run(other, "notify ew_psycopg2_elsewhere, 'not for us'")
    deadline = time.monotonic() + 15
    while len(listener.notifies) < 2 and time.monotonic() < deadline:
        select.select([listener], [], [], 1)
        listener.poll()
    equal([(n.channel, n.payload) for n in listener.notifies],
          [("ew_psycopg2_channel", "first"), ("ew_psycopg2_channel", "second")])
    run(listener, "unlisten *")
    run(other, "notify ew_psycopg2_channel, 'third'")
    equal(fetch(listener, "select 1"), [(1,)])
    equal(len(listener.notifies), 2, "notifications after UNLISTEN")
    listener.close()
    other.close()


@check("cancel gives 57014, and the session goes on")
def _():
    connection = connect()
    for query in (SLOW, "select pg_sleep(60)"):
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        began = time.monotonic()
        error = fails("57014", lambda query=query: fetch(connection, query))
        timer.join()
        true("canceling statement due to user request" in str(error), str(error))
        true(time.monotonic() - began < 15, "the cancel took too long")
        equal(fetch(connection, "select 1"), [(1,)])
    connection.close()


@check("a cancel while idle does nothing")
def _():
    connection = connect()
    connection.cancel()
    time.sleep(0.3)
    equal(fetch(connection, "select 1"), [(1,)])
    connection.close()


@check("notices and warnings")
def _():
    connection = connect()
    run(connection, "do $$ begin raise notice 'hello %', 42; raise warning 'careful'; end $$")
    equal(connection.notices, ["NOTICE:  hello 42\n", "WARNING:  careful\n"])
    del connection.notices[:]
    run(connection, "commit")
    equal(connection.notices, ["WARNING:  there is no transaction in progress\n"])
    connection.close()


@check("ParameterStatus follows SET, RESET and ROLLBACK")
def _():
    connection = connect(with_parameter(URL, "application_name", "first%20name"))
    status = connection.get_parameter_status
    equal(status("application_name"), "first name")
    equal(status("server_encoding"), "UTF8")
    equal(status("client_encoding"), "UTF8")
    equal(status("integer_datetimes"), "on")
    equal(status("standard_conforming_strings"), "on")
    run(connection, "set application_name = 'second'")
    equal(status("application_name"), "second")
    run(connection, "set timezone to 'Asia/Tokyo'")
    equal(status("TimeZone"), "Asia/Tokyo")
    run(connection, "begin; set timezone to 'America/Lima'")
    equal(status("TimeZone"), "America/Lima")
    run(connection, "rollback")
    equal(status("TimeZone"), "Asia/Tokyo")
    run(connection, "reset application_name")
    equal(status("application_name"), "first name")
    run(connection, "set datestyle to 'German'")
    equal(status("DateStyle"), "German, DMY")
    equal(fetch(connection, "select '2024-02-29'::date::text"), [("29.02.2024",)])
    connection.close()


@check("options in the startup packet")
def _():
    connection = connect(with_parameter(URL, "options", "-c%20search_path%3Dpg_catalog%20-c%20work_mem%3D5MB"))
    equal(fetch(connection, "show search_path"), [("pg_catalog",)])
    equal(fetch(connection, "show work_mem"), [("5MB",)])
    connection.close()
    connection = connect()
    true(fetch(connection, "show work_mem") != [("5MB",)], "work_mem leaked to the next connection")
    connection.close()


@check("two connections do not share settings or statements")
def _():
    one = connect()
    two = connect()
    before = fetch(two, "show work_mem")
    run(one, "set work_mem = '7MB'")
    run(one, "set timezone = 'Asia/Tokyo'")
    equal(fetch(two, "show work_mem"), before)
    true(two.get_parameter_status("TimeZone") != "Asia/Tokyo", "the time zone leaked")
    equal(fetch(one, "show work_mem"), [("7MB",)])
    run(one, "prepare same as select 'one'")
    equal(fetch(one, "execute same"), [("one",)])
    one.close()
    fails("26000", lambda: fetch(two, "execute same"))
    run(two, "prepare same as select 'two'")
    equal(fetch(two, "execute same"), [("two",)])
    two.close()


@check("a temporary table is gone with its connection")
def _():
    one = connect()
    run(one, "create temporary table ew_psycopg2_temp as select 1 as a")
    equal(fetch(one, "select a from ew_psycopg2_temp"), [(1,)])
    one.close()
    two = connect()
    fails("42P01", lambda: fetch(two, "select * from ew_psycopg2_temp"))
    two.close()


@check("DISCARD ALL (reset)")
def _():
    connection = connect(autocommit=False)
    run(connection, "set work_mem = '9MB'")
    connection.commit()
    connection.reset()
    true(fetch(connection, "show work_mem") != [("9MB",)], "work_mem is still set")
    connection.rollback()
    connection.close()


@check("a connection dropped in a transaction is rolled back")
def _():
    one = connect()
    make_table(one)
    two = connect(autocommit=False)
    run(two, f"insert into {TABLE} values (1)")
    two.close()  # Terminate, without COMMIT
    deadline = time.monotonic() + 10
    run(one, "set lock_timeout = '10s'")
    run(one, f"insert into {TABLE} values (1)")
    true(time.monotonic() < deadline, "waited too long")
    run(one, f"drop table {TABLE}")
    one.close()


@check("100,000 rows")
def _():
    connection = connect()
    rows = fetch(connection, "select i, 'row ' || i from generate_series(1, 100000) i")
    equal(len(rows), 100_000, "rows")
    equal(rows[99_999], (100_000, "row 100000"))
    connection.close()


@check("values of 1 MB and 8 MB")
def _():
    connection = connect()
    for size in (1 << 20, 8 << 20):
        text = "0123456789abcdef" * (size // 16)
        equal(fetch(connection, "select length(%s), %s", (text, text)), [(size, text)])
    data = bytes(range(256)) * 4096
    equal(bytes(fetch(connection, "select %s::bytea", (psycopg2.Binary(data),))[0][0]) == data, True)
    connection.close()


@check("8 concurrent connections")
def _():
    setup = connect()
    make_table(setup, "id int primary key, n int not null")
    run(setup, f"insert into {TABLE} select i, 0 from generate_series(0, 7) i")
    errors = []

    def work(number):
        try:
            connection = connect(autocommit=False)
            for _ in range(10):
                equal(fetch(connection, "select %s::int", (number,)), [(number,)])
                run(connection, f"update {TABLE} set n = n + 1 where id = %s", (number,))
                connection.commit()
            connection.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(errors, [])
    equal(fetch(setup, f"select sum(n) from {TABLE}"), [(80,)])
    run(setup, f"drop table {TABLE}")
    setup.close()


@check("asynchronous connection")
def _():
    connection = psycopg2.connect(URL, async_=True)

    def wait():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            state = connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            reading, writing = ([connection], []) if state == psycopg2.extensions.POLL_READ else ([], [connection])
            select.select(reading, writing, [], 5)
        raise AssertionError("not ready")

    wait()
    cursor = connection.cursor()
    cursor.execute("select %s + 1", (41,))
    wait()
    equal(cursor.fetchall(), [(42,)])
    connection.close()


main()
