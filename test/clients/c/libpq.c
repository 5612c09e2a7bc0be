/*
 * libpq from C: what psql, psycopg and most other drivers stand on, used directly for what they hide (binary
 * formats in each direction, portals described, single row mode, pipeline mode, COPY by hand, PQcancel).
 * What it prints is described in programs.ts. Needs libpq 14 (pipeline mode).
 */

#define _POSIX_C_SOURCE 200809L

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TABLE "ew_libpq"
/* Minutes of work in little memory, checked for interrupts at each row: what the cancel checks interrupt. */
#define SLOW "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b"
#define INT4OID 23
#define TEXTOID 25
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- how checks are run -------------------------------------------------------------------------------- */

static jmp_buf failed;
static char reason[2000];
static PGconn *open_connections[16];

#define FAIL(...) fail_at(__LINE__, __VA_ARGS__)
#define TRUE(condition, ...) do { if (!(condition)) FAIL(__VA_ARGS__); } while (0)
#define EQUAL(actual, expected) equal_at(__LINE__, (actual), (expected))
#define EQUAL_INT(actual, expected) equal_int_at(__LINE__, (actual), (expected))

static void fail_at(int line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(reason, sizeof reason - 40, format, values);
    va_end(values);
    if (length < 0 || (size_t) length > sizeof reason - 41) length = (int) sizeof reason - 41;
    while (length > 0 && reason[length - 1] == '\n') length--;
    sprintf(reason + length, " (line %d)", line);
    for (char *at = reason; *at; at++) if (*at == '\n') *at = ' ';
    longjmp(failed, 1);
}

static void equal_at(int line, const char *actual, const char *expected)
{
    if (strcmp(actual ? actual : "(null)", expected) != 0)
        fail_at(line, "value is \"%.300s\", expected \"%.300s\"", actual ? actual : "(null)", expected);
}

static void equal_int_at(int line, long long actual, long long expected)
{
    if (actual != expected) fail_at(line, "value is %lld, expected %lld", actual, expected);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static void close_all(void)
{
    for (size_t i = 0; i < COUNT(open_connections); i++) {
        if (open_connections[i]) PQfinish(open_connections[i]);
        open_connections[i] = NULL;
    }
}

static void check(const char *name, void (*body)(void))
{
    static int started = -1;
    if (started < 0) started = *environment("EDGEWIRE_AFTER") == '\0';
    if (!started) {
        started = strcmp(name, environment("EDGEWIRE_AFTER")) == 0;
        return;
    }
    if (!strstr(name, environment("EDGEWIRE_CHECK"))) return;
    printf("start %s\n", name);
    if (setjmp(failed) == 0) {
        body();
        printf("ok %s\n", name);
    } else {
        printf("FAIL %s: %s\n", name, reason);
    }
    close_all();
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* --- connections and results --------------------------------------------------------------------------- */

/* The connection to EDGEWIRE_URL with further options: name, value, ..., NULL. Closed at the end of the check. */
static PGconn *try_connect(const char *first, ...)
{
    const char *names[12] = {"dbname", "connect_timeout"};
    const char *values[12] = {environment("EDGEWIRE_URL"), "20"};
    size_t count = 2;
    va_list more;
    va_start(more, first);
    for (const char *name = first; name; name = va_arg(more, const char *)) {
        names[count] = name;
        values[count++] = va_arg(more, const char *);
    }
    va_end(more);
    PGconn *connection = PQconnectdbParams(names, values, 1);
    for (size_t i = 0; i < COUNT(open_connections); i++) {
        if (open_connections[i]) continue;
        open_connections[i] = connection;
        break;
    }
    return connection;
}

static PGconn *connected(PGconn *connection)
{
    TRUE(PQstatus(connection) == CONNECTION_OK, "%s", PQerrorMessage(connection));
    return connection;
}

#define connect_to() connected(try_connect(NULL))

static void finish(PGconn *connection)
{
    for (size_t i = 0; i < COUNT(open_connections); i++)
        if (open_connections[i] == connection) open_connections[i] = NULL;
    PQfinish(connection);
}

static PGresult *expect_at(int line, PGresult *result, ExecStatusType status)
{
    if (PQresultStatus(result) != status)
        fail_at(line, "%s, expected %s: %s", PQresStatus(PQresultStatus(result)), PQresStatus(status),
                PQresultErrorMessage(result));
    return result;
}

#define EXPECT(result, status) expect_at(__LINE__, (result), (status))

/* Runs a query that has to succeed, as a simple Query. */
static void run_at(int line, PGconn *connection, const char *query)
{
    PGresult *result = PQexec(connection, query);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail_at(line, "%s", PQresultErrorMessage(result));
    PQclear(result);
}

#define RUN(connection, query) run_at(__LINE__, (connection), (query))

/* The text of the first cell; valid until the next call. */
static const char *value_at(int line, PGconn *connection, const char *query)
{
    static char text[256];
    PGresult *result = expect_at(line, PQexec(connection, query), PGRES_TUPLES_OK);
    snprintf(text, sizeof text, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

#define VALUE(connection, query) value_at(__LINE__, (connection), (query))

static void state_at(int line, PGresult *result, const char *expected)
{
    expect_at(line, result, PGRES_FATAL_ERROR);
    equal_at(line, PQresultErrorField(result, PG_DIAG_SQLSTATE), expected);
    PQclear(result);
}

#define STATE(result, expected) state_at(__LINE__, (result), (expected))

static void make_table(PGconn *connection, const char *columns)
{
    char query[300];
    RUN(connection, "drop table if exists " TABLE);
    snprintf(query, sizeof query, "create table " TABLE " (%s)", columns);
    RUN(connection, query);
}

static uint32_t big_endian(const char *bytes)
{
    const unsigned char *at = (const unsigned char *) bytes;
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void) context;
    (void) result;
}

/* --- connecting ------------------------------------------------------------------------------------------ */

static void connects(void)
{
    PGconn *connection = connect_to();
    PGresult *result = EXPECT(PQexec(connection, "show server_version_num"), PGRES_TUPLES_OK);
    EQUAL_INT(PQserverVersion(connection), atoi(PQgetvalue(result, 0, 0)));
    PQclear(result);
    TRUE(PQbackendPID(connection) != 0, "no pid");
    EQUAL_INT(PQprotocolVersion(connection), 3);
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_IDLE);
    EQUAL_INT(PQping(environment("EDGEWIRE_URL")), PQPING_OK);
}

static void unknown_database(void)
{
    char url[1000];
    const char *query = strchr(environment("EDGEWIRE_URL"), '?');
    snprintf(url, sizeof url, "%s", environment("EDGEWIRE_URL"));
    if (query) url[query - environment("EDGEWIRE_URL")] = '\0';
    sprintf(strrchr(url, '/') + 1, "no_such_database%s", query ? query : "");
    PGconn *connection = PQconnectdb(url);
    open_connections[0] = connection;
    TRUE(PQstatus(connection) == CONNECTION_BAD, "connected");
    TRUE(strstr(PQerrorMessage(connection), "FATAL:  database \"no_such_database\" does not exist"), "%s",
         PQerrorMessage(connection));
}

static void authenticates(void)
{
    PGconn *connection = connected(try_connect("channel_binding", "require", NULL));
    TRUE(PQsslInUse(connection), "no TLS");
    TRUE(PQconnectionUsedPassword(connection), "no password was asked for");
    connection = try_connect("password", "wrong", NULL);
    TRUE(PQstatus(connection) == CONNECTION_BAD, "connected with a wrong password");
    TRUE(strstr(PQerrorMessage(connection), "password authentication failed for user"), "%s", PQerrorMessage(connection));
}

static void connects_asynchronously(void)
{
    PGconn *connection = open_connections[0] = PQconnectStart(environment("EDGEWIRE_URL"));
    double deadline = seconds() + 20;
    for (;;) {
        PostgresPollingStatusType step = PQconnectPoll(connection);
        if (step == PGRES_POLLING_OK) break;
        TRUE(step != PGRES_POLLING_FAILED, "%s", PQerrorMessage(connection));
        struct pollfd wait = {PQsocket(connection), step == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
        poll(&wait, 1, 1000);
        TRUE(seconds() < deadline, "not connected in time");
    }
    EQUAL(VALUE(connection, "select 1"), "1");
    PQresetStart(connection);
    while (PQresetPoll(connection) != PGRES_POLLING_OK) {
        struct pollfd wait = {PQsocket(connection), POLLIN, 0};
        poll(&wait, 1, 50);
        TRUE(seconds() < deadline, "not connected again in time");
    }
    EQUAL(VALUE(connection, "select 2"), "2");
}

/* --- queries ---------------------------------------------------------------------------------------------- */

static void simple_queries(void)
{
    PGconn *connection = connect_to();
    PGresult *result = EXPECT(PQexec(connection, "select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d"), PGRES_TUPLES_OK);
    EQUAL_INT(PQnfields(result), 4);
    EQUAL(PQfname(result, 2), "a");
    EQUAL_INT(PQftype(result, 3), 1700);
    EQUAL_INT(PQfmod(result, 3), (8 << 16 | 2) + 4);
    EQUAL_INT(PQfsize(result, 0), 4);
    EQUAL_INT(PQfsize(result, 1), -1);
    TRUE(PQgetisnull(result, 0, 3), "not null");
    EQUAL(PQcmdStatus(result), "SELECT 1");
    PQclear(result);
    make_table(connection, "id int primary key, name text");
    result = EXPECT(PQexec(connection, "insert into " TABLE " values (1, 'a'), (2, 'b')"), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "INSERT 0 2");
    EQUAL(PQcmdTuples(result), "2");
    PQclear(result);
    result = EXPECT(PQexec(connection, "select name from " TABLE), PGRES_TUPLES_OK);
    TRUE(PQftable(result, 0) != 0, "no table");
    EQUAL_INT(PQftablecol(result, 0), 2);
    PQclear(result);
    PQclear(EXPECT(PQexec(connection, ""), PGRES_EMPTY_QUERY));
    PQclear(EXPECT(PQexec(connection, "-- only a comment"), PGRES_EMPTY_QUERY));
    PQclear(EXPECT(PQexecParams(connection, "", 0, NULL, NULL, NULL, NULL, 0), PGRES_EMPTY_QUERY));
    RUN(connection, "drop table " TABLE);
}

static void several_statements(void)
{
    PGconn *connection = connect_to();
    TRUE(PQsendQuery(connection, "select 1; ; select 2 where false; set work_mem = '5MB'; select 1/0; select 3"), "%s",
         PQerrorMessage(connection));
    PGresult *result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "1");
    PQclear(result);
    result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL_INT(PQntuples(result), 0);
    PQclear(result);
    result = EXPECT(PQgetResult(connection), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "SET");
    PQclear(result);
    STATE(PQgetResult(connection), "22012");
    TRUE(!PQgetResult(connection), "a result after the error");
    TRUE(strcmp(VALUE(connection, "show work_mem"), "5MB") != 0, "the SET outlived the failed implicit transaction");
}

static void parameters_and_formats(void)
{
    PGconn *connection = connect_to();
    char number[4] = {0, 0, 1, 2};
    char data[5] = {'a', 0, 'b', (char) 255, '\\'};
    const char *values[] = {number, "it's \\ \xc3\xa9", NULL, data, "12345678901234567890.123456789", "{1,NULL,3}"};
    int lengths[] = {4, 0, 0, 5, 0, 0};
    int formats[] = {1, 0, 0, 1, 0, 0};
    const char *query = "select $1::int4, $2::text, $3::text, $4::bytea, $5::numeric, $6::int4[]";
    PGresult *result = EXPECT(PQexecParams(connection, query, 6, NULL, values, lengths, formats, 0), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "258");
    EQUAL(PQgetvalue(result, 0, 1), "it's \\ \xc3\xa9");
    TRUE(PQgetisnull(result, 0, 2), "not null");
    EQUAL(PQgetvalue(result, 0, 3), "\\x610062ff5c");
    EQUAL(PQgetvalue(result, 0, 4), "12345678901234567890.123456789");
    EQUAL(PQgetvalue(result, 0, 5), "{1,NULL,3}");
    PQclear(result);
    result = EXPECT(PQexecParams(connection, query, 6, NULL, values, lengths, formats, 1), PGRES_TUPLES_OK);
    for (int column = 0; column < 6; column++) EQUAL_INT(PQfformat(result, column), 1);
    EQUAL_INT(big_endian(PQgetvalue(result, 0, 0)), 258);
    EQUAL_INT(PQgetlength(result, 0, 3), 5);
    TRUE(memcmp(PQgetvalue(result, 0, 3), data, 5) == 0, "the bytes differ");
    EQUAL_INT(PQgetlength(result, 0, 5), 12 + 8 + 8 + 4 + 8);
    PQclear(result);
    Oid types[] = {INT4OID, TEXTOID};
    const char *bare[] = {"41", "x"};
    result = EXPECT(PQexecParams(connection, "select $1 + 1, $2 || 'y'", 2, types, bare, NULL, NULL, 0), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "42");
    EQUAL(PQgetvalue(result, 0, 1), "xy");
    PQclear(result);
}

static void prepared(void)
{
    PGconn *connection = connect_to();
    PQclear(EXPECT(PQprepare(connection, "p", "select $1::int4 as a, $2::text as b", 0, NULL), PGRES_COMMAND_OK));
    PGresult *result = EXPECT(PQdescribePrepared(connection, "p"), PGRES_COMMAND_OK);
    EQUAL_INT(PQnparams(result), 2);
    EQUAL_INT(PQparamtype(result, 0), INT4OID);
    EQUAL_INT(PQnfields(result), 2);
    EQUAL(PQfname(result, 1), "b");
    PQclear(result);
    for (int i = 0; i < 20; i++) {
        char number[12];
        sprintf(number, "%d", i);
        const char *values[] = {number, "x"};
        result = EXPECT(PQexecPrepared(connection, "p", 2, values, NULL, NULL, i % 2), PGRES_TUPLES_OK);
        EQUAL_INT(i % 2 ? (int) big_endian(PQgetvalue(result, 0, 0)) : atoi(PQgetvalue(result, 0, 0)), i);
        PQclear(result);
    }
    STATE(PQprepare(connection, "p", "select 1", 0, NULL), "42P05");
    STATE(PQexecPrepared(connection, "unknown", 0, NULL, NULL, NULL, 0), "26000");
    STATE(PQdescribePrepared(connection, "unknown"), "26000");
    STATE(PQdescribePortal(connection, "unknown"), "34000");
    const char *one[] = {"1"};
    STATE(PQexecPrepared(connection, "p", 1, one, NULL, NULL, 0), "08P01");
    RUN(connection, "deallocate p");
    STATE(PQdescribePrepared(connection, "p"), "26000");
}

static void sql_cursor_described(void)
{
    PGconn *connection = connect_to();
    RUN(connection, "begin");
    RUN(connection, "declare c cursor for select i, 'x'::text from generate_series(1, 10) i");
    PGresult *result = EXPECT(PQdescribePortal(connection, "c"), PGRES_COMMAND_OK);
    EQUAL_INT(PQnfields(result), 2);
    PQclear(result);
    result = EXPECT(PQexec(connection, "fetch 3 from c"), PGRES_TUPLES_OK);
    EQUAL_INT(PQntuples(result), 3);
    EQUAL(PQgetvalue(result, 2, 0), "3");
    PQclear(result);
    result = EXPECT(PQexec(connection, "move forward all from c"), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "MOVE 7");
    PQclear(result);
    RUN(connection, "close c");
    RUN(connection, "commit");
}

static void binary_sql_cursor(void)
{
    PGconn *connection = connect_to();
    RUN(connection, "begin");
    RUN(connection, "declare c binary cursor for select i from generate_series(1, 10) i");
    PGresult *result = EXPECT(PQexec(connection, "fetch 3 from c"), PGRES_TUPLES_OK);
    EQUAL_INT(PQfformat(result, 0), 1);
    EQUAL_INT(big_endian(PQgetvalue(result, 2, 0)), 3);
    PQclear(result);
    RUN(connection, "commit");
}

static void single_rows(void)
{
    PGconn *connection = connect_to();
    long sum = 0;
    TRUE(PQsendQuery(connection, "select i from generate_series(1, 1000) i"), "%s", PQerrorMessage(connection));
    TRUE(PQsetSingleRowMode(connection), "no single row mode");
    PGresult *result;
    while ((result = PQgetResult(connection)) && PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        sum += atol(PQgetvalue(result, 0, 0));
        PQclear(result);
    }
    PQclear(EXPECT(result, PGRES_TUPLES_OK));
    TRUE(!PQgetResult(connection), "a further result");
    EQUAL_INT(sum, 500500);
}

static void large_results(void)
{
    PGconn *connection = connect_to();
    for (int format = 0; format < 2; format++) {
        PGresult *result = EXPECT(PQexecParams(connection, "select i, 'row ' || i from generate_series(1, 100000) i", 0,
                                               NULL, NULL, NULL, NULL, format), PGRES_TUPLES_OK);
        EQUAL_INT(PQntuples(result), 100000);
        EQUAL(PQgetvalue(result, 99999, 1), "row 100000");
        PQclear(result);
    }
}

static void large_values(void)
{
    PGconn *connection = connect_to();
    for (int size = 1 << 20; size <= 8 << 20; size *= 8) {
        char *data = malloc((size_t) size);
        for (int i = 0; i < size; i++) data[i] = (char) i;
        const char *values[] = {data};
        int format = 1;
        PGresult *result = EXPECT(PQexecParams(connection, "select length($1::bytea), $1::bytea", 1, NULL, values, &size,
                                               &format, 1), PGRES_TUPLES_OK);
        EQUAL_INT(big_endian(PQgetvalue(result, 0, 0)), size);
        int same = PQgetlength(result, 0, 1) == size && memcmp(PQgetvalue(result, 0, 1), data, (size_t) size) == 0;
        PQclear(result);
        free(data);
        TRUE(same, "the bytes differ");
    }
}

/* --- transactions and errors ------------------------------------------------------------------------------ */

static void transactions(void)
{
    PGconn *connection = connect_to();
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    make_table(connection, "id int");
    RUN(connection, "begin");
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_INTRANS);
    RUN(connection, "insert into " TABLE " values (1)");
    RUN(connection, "savepoint s");
    STATE(PQexec(connection, "select 1/0"), "22012");
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_INERROR);
    STATE(PQexec(connection, "select 1"), "25P02");
    STATE(PQexecParams(connection, "select 1", 0, NULL, NULL, NULL, NULL, 0), "25P02");
    RUN(connection, "rollback to s");
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_INTRANS);
    RUN(connection, "commit");
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_IDLE);
    EQUAL(VALUE(connection, "select count(*) from " TABLE), "1");
    RUN(connection, "begin");
    STATE(PQexec(connection, "insert into " TABLE " values (2); select 1/0"), "22012");
    PGresult *result = EXPECT(PQexec(connection, "commit"), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "ROLLBACK");
    PQclear(result);
    result = EXPECT(PQexec(connection, "begin; begin; commit and chain; rollback"), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "ROLLBACK");
    PQclear(result);
    EQUAL_INT(PQtransactionStatus(connection), PQTRANS_IDLE);
    RUN(connection, "drop table " TABLE);
}

static void error_fields(void)
{
    PGconn *connection = connect_to();
    PGresult *result = EXPECT(PQexec(connection, "select *\nfrom no_such_table"), PGRES_FATAL_ERROR);
    EQUAL(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42P01");
    EQUAL(PQresultErrorField(result, PG_DIAG_SEVERITY), "ERROR");
    EQUAL(PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED), "ERROR");
    EQUAL(PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION), "15");
    TRUE(PQresultErrorField(result, PG_DIAG_SOURCE_FILE), "no source file");
    EQUAL(PQresultErrorMessage(result),
          "ERROR:  relation \"no_such_table\" does not exist\nLINE 2: from no_such_table\n             ^\n");
    PQclear(result);
    make_table(connection, "id int primary key");
    RUN(connection, "insert into " TABLE " values (1)");
    result = EXPECT(PQexec(connection, "insert into " TABLE " values (1)"), PGRES_FATAL_ERROR);
    EQUAL(PQresultErrorField(result, PG_DIAG_SQLSTATE), "23505");
    EQUAL(PQresultErrorField(result, PG_DIAG_SCHEMA_NAME), "public");
    EQUAL(PQresultErrorField(result, PG_DIAG_TABLE_NAME), TABLE);
    EQUAL(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), TABLE "_pkey");
    EQUAL(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), "Key (id)=(1) already exists.");
    PQclear(result);
    result = EXPECT(PQexec(connection, "do $$ begin execute 'selec 1'; end $$"), PGRES_FATAL_ERROR);
    EQUAL(PQresultErrorField(result, PG_DIAG_INTERNAL_QUERY), "selec 1");
    EQUAL(PQresultErrorField(result, PG_DIAG_INTERNAL_POSITION), "1");
    TRUE(strstr(PQresultErrorField(result, PG_DIAG_CONTEXT), "PL/pgSQL function"), "no context");
    PQclear(result);
    STATE(PQexec(connection, "do $$ begin raise exception 'own' using errcode = 'EW001', hint = 'try this'; end $$"), "EW001");
    EQUAL(VALUE(connection, "select 1"), "1");
    RUN(connection, "drop table " TABLE);
}

/* --- pipeline mode ----------------------------------------------------------------------------------------- */

static void next_result_is_null(PGconn *connection)
{
    TRUE(!PQgetResult(connection), "a further result");
}

static void pipeline(void)
{
    PGconn *connection = connect_to();
    make_table(connection, "id int primary key");
    TRUE(PQenterPipelineMode(connection), "no pipeline mode");
    for (int i = 0; i < 100; i++) {
        char number[12];
        sprintf(number, "%d", i);
        const char *values[] = {number};
        TRUE(PQsendQueryParams(connection, "insert into " TABLE " values ($1) returning id", 1, NULL, values, NULL, NULL, 0),
             "%s", PQerrorMessage(connection));
    }
    TRUE(PQsendPrepare(connection, "p", "select count(*) from " TABLE, 0, NULL), "%s", PQerrorMessage(connection));
    TRUE(PQsendDescribePrepared(connection, "p"), "%s", PQerrorMessage(connection));
    TRUE(PQsendQueryPrepared(connection, "p", 0, NULL, NULL, NULL, 1), "%s", PQerrorMessage(connection));
    TRUE(PQpipelineSync(connection), "%s", PQerrorMessage(connection));
    for (int i = 0; i < 100; i++) {
        PGresult *result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
        EQUAL_INT(atoi(PQgetvalue(result, 0, 0)), i);
        PQclear(result);
        next_result_is_null(connection);
    }
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK)); /* Parse */
    next_result_is_null(connection);
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK)); /* Describe */
    next_result_is_null(connection);
    PGresult *result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL_INT(big_endian(PQgetvalue(result, 0, 0) + 4), 100);
    PQclear(result);
    next_result_is_null(connection);
    PQclear(EXPECT(PQgetResult(connection), PGRES_PIPELINE_SYNC));
    TRUE(PQexitPipelineMode(connection), "%s", PQerrorMessage(connection));
    RUN(connection, "drop table " TABLE);
}

static void send(PGconn *connection, const char *query)
{
    TRUE(PQsendQueryParams(connection, query, 0, NULL, NULL, NULL, NULL, 0), "%s", PQerrorMessage(connection));
}

static void pipeline_error(void)
{
    PGconn *connection = connect_to();
    make_table(connection, "id int");
    TRUE(PQenterPipelineMode(connection), "no pipeline mode");
    send(connection, "insert into " TABLE " values (1)");
    send(connection, "select 1/0");
    send(connection, "insert into " TABLE " values (2)");
    TRUE(PQpipelineSync(connection), "no Sync");
    send(connection, "insert into " TABLE " values (3)");
    send(connection, "select string_agg(id::text, ',') from " TABLE);
    TRUE(PQpipelineSync(connection), "no Sync");
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK));
    next_result_is_null(connection);
    STATE(PQgetResult(connection), "22012");
    next_result_is_null(connection);
    EQUAL_INT(PQpipelineStatus(connection), PQ_PIPELINE_ABORTED);
    PQclear(EXPECT(PQgetResult(connection), PGRES_PIPELINE_ABORTED));
    next_result_is_null(connection);
    PQclear(EXPECT(PQgetResult(connection), PGRES_PIPELINE_SYNC));
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK));
    next_result_is_null(connection);
    PGresult *result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "3");
    PQclear(result);
    next_result_is_null(connection);
    PQclear(EXPECT(PQgetResult(connection), PGRES_PIPELINE_SYNC));
    TRUE(PQexitPipelineMode(connection), "%s", PQerrorMessage(connection));
    RUN(connection, "drop table " TABLE);
}

static void pipeline_flush(void)
{
    PGconn *connection = connect_to();
    TRUE(PQenterPipelineMode(connection), "no pipeline mode");
    send(connection, "select 'before Sync'");
    TRUE(PQsendFlushRequest(connection), "no Flush"); /* the answer comes without a Sync */
    TRUE(PQflush(connection) == 0, "not flushed");
    PGresult *result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "before Sync");
    PQclear(result);
    next_result_is_null(connection);
    TRUE(PQpipelineSync(connection), "no Sync");
    PQclear(EXPECT(PQgetResult(connection), PGRES_PIPELINE_SYNC));
    TRUE(PQexitPipelineMode(connection), "%s", PQerrorMessage(connection));
    EQUAL(VALUE(connection, "select 1"), "1");
}

/* --- COPY -------------------------------------------------------------------------------------------------- */

static void put_bytes(PGconn *connection, const char *data, size_t length)
{
    TRUE(PQputCopyData(connection, data, (int) length) == 1, "%s", PQerrorMessage(connection));
}

static void put(PGconn *connection, const char *text)
{
    put_bytes(connection, text, strlen(text));
}

static void copy_text(void)
{
    PGconn *connection = connect_to();
    make_table(connection, "id int, name text");
    PGresult *result = EXPECT(PQexec(connection, "copy " TABLE " from stdin"), PGRES_COPY_IN);
    EQUAL_INT(PQnfields(result), 2);
    EQUAL_INT(PQbinaryTuples(result), 0);
    PQclear(result);
    put(connection, "1\to"); /* CopyData messages need not end where rows end */
    put(connection, "ne\n2\t\\N\n3\tthree");
    put(connection, "\n");
    TRUE(PQputCopyEnd(connection, NULL) == 1, "%s", PQerrorMessage(connection));
    result = EXPECT(PQgetResult(connection), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "COPY 3");
    PQclear(result);
    next_result_is_null(connection);

    char text[100] = "", *row;
    PQclear(EXPECT(PQexec(connection, "copy (select * from " TABLE " order by id) to stdout (format csv)"), PGRES_COPY_OUT));
    int length;
    while ((length = PQgetCopyData(connection, &row, 0)) > 0) {
        strncat(text, row, (size_t) length);
        PQfreemem(row);
    }
    EQUAL_INT(length, -1);
    EQUAL(text, "1,one\n2,\n3,three\n");
    result = EXPECT(PQgetResult(connection), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "COPY 3");
    PQclear(result);
    next_result_is_null(connection);
    RUN(connection, "drop table " TABLE);
}

static void copy_binary(void)
{
    PGconn *connection = connect_to();
    PGresult *result = EXPECT(PQexec(connection, "copy (values (1, 'a'), (2, null)) to stdout (format binary)"), PGRES_COPY_OUT);
    EQUAL_INT(PQbinaryTuples(result), 1);
    EQUAL_INT(PQfformat(result, 1), 1);
    PQclear(result);
    char all[200], *part;
    int used = 0, length;
    while ((length = PQgetCopyData(connection, &part, 0)) > 0) {
        memcpy(all + used, part, (size_t) length);
        used += length;
        PQfreemem(part);
    }
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK));
    next_result_is_null(connection);
    EQUAL_INT(used, 19 + (2 + 8 + 5) + (2 + 8 + 4) + 2);
    make_table(connection, "id int, name text");
    PQclear(EXPECT(PQexec(connection, "copy " TABLE " from stdin (format binary)"), PGRES_COPY_IN));
    for (int i = 0; i < used; i++) put_bytes(connection, all + i, 1); /* a byte in each message */
    TRUE(PQputCopyEnd(connection, NULL) == 1, "%s", PQerrorMessage(connection));
    result = EXPECT(PQgetResult(connection), PGRES_COMMAND_OK);
    EQUAL(PQcmdStatus(result), "COPY 2");
    PQclear(result);
    next_result_is_null(connection);
    RUN(connection, "drop table " TABLE);
}

static void copy_errors(void)
{
    PGconn *connection = connect_to();
    make_table(connection, "id int");
    PQclear(EXPECT(PQexec(connection, "copy " TABLE " from stdin"), PGRES_COPY_IN));
    put(connection, "1\n");
    TRUE(PQputCopyEnd(connection, "changed my mind") == 1, "%s", PQerrorMessage(connection));
    PGresult *result = EXPECT(PQgetResult(connection), PGRES_FATAL_ERROR);
    EQUAL(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
    EQUAL(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), "COPY from stdin failed: changed my mind");
    PQclear(result);
    next_result_is_null(connection);

    PQclear(EXPECT(PQexec(connection, "copy " TABLE " from stdin"), PGRES_COPY_IN));
    put(connection, "1\nbad\n");
    /* The rest is discarded by the server, and the connection is not out of step. */
    for (int i = 0; i < 20000; i++) put(connection, "2\n");
    TRUE(PQputCopyEnd(connection, NULL) == 1, "%s", PQerrorMessage(connection));
    STATE(PQgetResult(connection), "22P02");
    next_result_is_null(connection);

    /* In a transaction, through the extended protocol, and among other statements of a simple query. */
    RUN(connection, "begin");
    PQclear(EXPECT(PQexecParams(connection, "copy " TABLE " from stdin", 0, NULL, NULL, NULL, NULL, 0), PGRES_COPY_IN));
    put(connection, "7\n");
    TRUE(PQputCopyEnd(connection, NULL) == 1, "%s", PQerrorMessage(connection));
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK));
    next_result_is_null(connection);
    RUN(connection, "commit");
    TRUE(PQsendQuery(connection, "select 'first'; copy " TABLE " from stdin; select count(*) from " TABLE), "not sent");
    PQclear(EXPECT(PQgetResult(connection), PGRES_TUPLES_OK));
    PQclear(EXPECT(PQgetResult(connection), PGRES_COPY_IN));
    put(connection, "8\n9\n");
    TRUE(PQputCopyEnd(connection, NULL) == 1, "%s", PQerrorMessage(connection));
    PQclear(EXPECT(PQgetResult(connection), PGRES_COMMAND_OK));
    result = EXPECT(PQgetResult(connection), PGRES_TUPLES_OK);
    EQUAL(PQgetvalue(result, 0, 0), "3");
    PQclear(result);
    next_result_is_null(connection);
    RUN(connection, "drop table " TABLE);
}

/* --- asynchronous messages --------------------------------------------------------------------------------- */

static void notifications(void)
{
    PGconn *listener = connect_to();
    PGconn *other = connect_to();
    RUN(listener, "listen ew_libpq_channel");
    RUN(other, "notify ew_libpq_channel, 'first'");
    RUN(other, "notify ew_libpq_channel, 'second'");
    const char *expected[] = {"first", "second"};
    double deadline = seconds() + 15;
    for (size_t i = 0; i < COUNT(expected);) {
        PGnotify *notify = PQnotifies(listener);
        if (notify) {
            EQUAL(notify->relname, "ew_libpq_channel");
            EQUAL(notify->extra, expected[i++]);
            PQfreemem(notify);
            continue;
        }
        struct pollfd wait = {PQsocket(listener), POLLIN, 0};
        poll(&wait, 1, 500);
        TRUE(PQconsumeInput(listener), "%s", PQerrorMessage(listener));
        TRUE(seconds() < deadline, "%d of 2 notifications in time", (int) i);
    }
    /* While a transaction is open nothing is delivered; at its end it is. */
    RUN(listener, "begin");
    RUN(listener, "notify ew_libpq_channel, 'own'");
    TRUE(!PQnotifies(listener), "delivered before COMMIT");
    RUN(listener, "commit");
    PGnotify *own = PQnotifies(listener);
    TRUE(own, "not delivered with COMMIT");
    PQfreemem(own);
}

/* What lets a client tell its own notifications from those of others. */
static void notifier(void)
{
    PGconn *connection = connect_to();
    RUN(connection, "listen ew_libpq_channel; notify ew_libpq_channel");
    PGnotify *own = PQnotifies(connection);
    TRUE(own, "not delivered");
    EQUAL_INT(own->be_pid, PQbackendPID(connection));
    PQfreemem(own);
}

struct cancel {
    PGcancel *handle;
    char error[256];
    int sent;
};

static void *cancel_soon(void *argument)
{
    struct cancel *cancel = argument;
    struct timespec half = {0, 500000000};
    nanosleep(&half, NULL);
    cancel->sent = PQcancel(cancel->handle, cancel->error, sizeof cancel->error);
    return NULL;
}

static void cancelling(void)
{
    PGconn *connection = connect_to();
    const char *queries[] = {SLOW, "select pg_sleep(60)"};
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct cancel cancel = {PQgetCancel(connection), "", 0};
        pthread_t thread;
        double began = seconds();
        pthread_create(&thread, NULL, cancel_soon, &cancel);
        PGresult *result = PQexec(connection, queries[i]);
        pthread_join(thread, NULL);
        PQfreeCancel(cancel.handle);
        TRUE(cancel.sent, "%s", cancel.error);
        EXPECT(result, PGRES_FATAL_ERROR);
        EQUAL(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), "canceling statement due to user request");
        STATE(result, "57014");
        TRUE(seconds() - began < 15, "the cancel took too long");
        EQUAL(VALUE(connection, "select 1"), "1");
    }
}

static void cancel_streaming(void)
{
    PGconn *connection = connect_to();
    TRUE(PQsendQuery(connection, "select i, repeat('x', 500) from generate_series(1, 3000000) i"), "not sent");
    TRUE(PQsetSingleRowMode(connection), "no single row mode");
    PGcancel *cancel = PQgetCancel(connection);
    char error[256];
    PGresult *result;
    int rows = 0;
    while ((result = PQgetResult(connection)) && PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        PQclear(result);
        if (++rows == 10 && !PQcancel(cancel, error, sizeof error)) FAIL("%s", error);
    }
    PQfreeCancel(cancel);
    STATE(result, "57014");
    TRUE(rows < 3000000, "all rows came");
    next_result_is_null(connection);
    EQUAL(VALUE(connection, "select 1"), "1");
}

static void collect_notice(void *context, const PGresult *result)
{
    char *all = context;
    snprintf(all + strlen(all), 300 - strlen(all), "%s %s %s;", PQresultErrorField(result, PG_DIAG_SEVERITY),
             PQresultErrorField(result, PG_DIAG_SQLSTATE), PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

static void notices(void)
{
    PGconn *connection = connect_to();
    char all[300] = "";
    PQsetNoticeReceiver(connection, collect_notice, all);
    RUN(connection, "do $$ begin raise notice 'hello'; raise warning 'careful'; end $$");
    RUN(connection, "commit");
    RUN(connection, "begin; begin; commit");
    EQUAL(all, "NOTICE 00000 hello;WARNING 01000 careful;WARNING 25P01 there is no transaction in progress;"
               "WARNING 25001 there is already a transaction in progress;");
}

/* --- sessions ---------------------------------------------------------------------------------------------- */

static void parameter_status(void)
{
    PGconn *connection = connected(try_connect("application_name", "first", NULL));
    EQUAL(PQparameterStatus(connection, "application_name"), "first");
    const char *names[] = {"server_version", "server_encoding", "client_encoding", "is_superuser", "session_authorization",
                           "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings",
                           "default_transaction_read_only", "in_hot_standby"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char query[100];
        TRUE(PQparameterStatus(connection, names[i]), "no ParameterStatus for %s", names[i]);
        snprintf(query, sizeof query, "show %s", names[i]);
        EQUAL(PQparameterStatus(connection, names[i]), VALUE(connection, query));
    }
    RUN(connection, "set application_name = 'second'");
    EQUAL(PQparameterStatus(connection, "application_name"), "second");
    RUN(connection, "begin; set local timezone = 'Asia/Tokyo'");
    EQUAL(PQparameterStatus(connection, "TimeZone"), "Asia/Tokyo");
    RUN(connection, "commit");
    TRUE(strcmp(PQparameterStatus(connection, "TimeZone"), "Asia/Tokyo") != 0, "SET LOCAL outlived its transaction");
    RUN(connection, "set default_transaction_read_only = on");
    EQUAL(PQparameterStatus(connection, "default_transaction_read_only"), "on");
}

static void isolation(void)
{
    PGconn *one = connect_to();
    PGconn *two = connect_to();
    char before[32];
    snprintf(before, sizeof before, "%s", VALUE(two, "show work_mem"));
    RUN(one, "set work_mem = '7MB'");
    EQUAL(VALUE(two, "show work_mem"), before);
    PQclear(EXPECT(PQprepare(one, "same", "select 'one'", 0, NULL), PGRES_COMMAND_OK));
    STATE(PQdescribePrepared(two, "same"), "26000");
    PQclear(EXPECT(PQprepare(two, "same", "select 'two', 2", 0, NULL), PGRES_COMMAND_OK));
    /* The unnamed statements of two sessions are two as well. */
    PQclear(EXPECT(PQprepare(one, "", "select 'unnamed one'", 0, NULL), PGRES_COMMAND_OK));
    PQclear(EXPECT(PQprepare(two, "", "select 'unnamed two'", 0, NULL), PGRES_COMMAND_OK));
    const char *names[] = {"same", ""};
    const char *values[] = {"one", "two", "unnamed one", "unnamed two"};
    for (int i = 0; i < 4; i++) {
        PGresult *result = EXPECT(PQexecPrepared(i % 2 ? two : one, names[i / 2], 0, NULL, NULL, NULL, 0), PGRES_TUPLES_OK);
        EQUAL(PQgetvalue(result, 0, 0), values[i]);
        PQclear(result);
    }
    EQUAL(VALUE(one, "show work_mem"), "7MB");
    finish(one);
    STATE(PQexec(two, "execute unknown"), "26000");
}

static void executed_by_sql(void)
{
    PGconn *connection = connect_to();
    PQclear(EXPECT(PQprepare(connection, "same", "select 'two', 2", 0, NULL), PGRES_COMMAND_OK));
    EQUAL(VALUE(connection, "execute same"), "two");
}

/* What a client is told while it connects is its own too, also while another one's settings are in force. */
static void isolated_startup(void)
{
    PGconn *one = connected(try_connect("options", "-c timezone=Asia/Tokyo -c default_transaction_read_only=on", NULL));
    RUN(one, "set application_name = 'of the first'");
    PGconn *two = connect_to();
    const char *names[] = {"TimeZone", "default_transaction_read_only", "application_name"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char query[100];
        snprintf(query, sizeof query, "show %s", names[i]);
        EQUAL(PQparameterStatus(two, names[i]), VALUE(two, query));
    }
    EQUAL(PQparameterStatus(two, "default_transaction_read_only"), "off");
    EQUAL(PQparameterStatus(one, "TimeZone"), "Asia/Tokyo");
    EQUAL(VALUE(one, "show timezone"), "Asia/Tokyo");
    PGconn *refused = try_connect("options", "-c no_such_parameter=1", NULL);
    TRUE(PQstatus(refused) == CONNECTION_BAD, "connected with an unknown parameter");
    TRUE(strstr(PQerrorMessage(refused), "FATAL:  unrecognized configuration parameter \"no_such_parameter\""), "%s",
         PQerrorMessage(refused));
}

static void temporary_table(void)
{
    PGconn *one = connect_to();
    RUN(one, "create temporary table ew_libpq_temp as select 1 as a");
    EQUAL(VALUE(one, "select a from ew_libpq_temp"), "1");
    finish(one);
    STATE(PQexec(connect_to(), "select a from ew_libpq_temp"), "42P01");
}

static void trace(void)
{
    PGconn *connection = connect_to();
    FILE *file = tmpfile();
    char text[4000];
    PQtrace(connection, file);
    PQsetTraceFlags(connection, PQTRACE_SUPPRESS_TIMESTAMPS);
    RUN(connection, "select 1 as a");
    PQuntrace(connection);
    rewind(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    EQUAL(text, "F\t18\tQuery\t \"select 1 as a\"\n"
                "B\t26\tRowDescription\t 1 \"a\" 0 0 23 4 -1 0\n"
                "B\t11\tDataRow\t 1 1 '1'\n"
                "B\t13\tCommandComplete\t \"SELECT 1\"\n"
                "B\t5\tReadyForQuery\t I\n");
}

static void *increment(void *argument)
{
    int id = *(int *) argument;
    char query[100], error[300] = "";
    PGconn *connection = PQconnectdb(environment("EDGEWIRE_URL"));
    for (int turn = 0; turn < 10 && !*error; turn++) {
        snprintf(query, sizeof query, "update " TABLE " set n = n + 1 where id = %d", id);
        const char *queries[] = {"begin", query, "commit", "select 1"};
        for (size_t i = 0; i < COUNT(queries); i++) {
            PGresult *result = PQexec(connection, queries[i]);
            if (PQresultStatus(result) == PGRES_FATAL_ERROR || PQresultStatus(result) == PGRES_BAD_RESPONSE)
                snprintf(error, sizeof error, "%s", PQerrorMessage(connection));
            PQclear(result);
        }
    }
    PQfinish(connection);
    return *error ? strdup(error) : NULL;
}

static void concurrent(void)
{
    PGconn *connection = connect_to();
    make_table(connection, "id int primary key, n int not null");
    RUN(connection, "insert into " TABLE " select i, 0 from generate_series(0, 7) i");
    pthread_t threads[8];
    int ids[8];
    char *first_error = NULL;
    for (int i = 0; i < 8; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, increment, &ids[i]);
    }
    for (int i = 0; i < 8; i++) {
        void *error;
        pthread_join(threads[i], &error);
        if (!first_error) first_error = error;
    }
    TRUE(!first_error, "%s", first_error);
    EQUAL(VALUE(connection, "select sum(n) from " TABLE), "80");
    RUN(connection, "drop table " TABLE);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    check("connects and reports the server version", connects);
    check("refuses an unknown database with 3D000", unknown_database);
    if (strcmp(environment("EDGEWIRE_PASSWORD"), "1") == 0)
        check("authenticates with SCRAM over TLS, bound to the channel", authenticates);
    check("connects and reconnects without blocking", connects_asynchronously);
    check("simple queries, names, types and command tags", simple_queries);
    check("several statements in one query are one transaction", several_statements);
    check("parameters and results in text and binary", parameters_and_formats);
    check("prepared statements, described and reused", prepared);
    check("an SQL cursor, described as a portal", sql_cursor_described);
    check("a binary SQL cursor", binary_sql_cursor);
    check("single row mode", single_rows);
    check("100,000 rows, text and binary", large_results);
    check("values of 1 MB and 8 MB", large_values);
    check("transactions, savepoints and 25P02", transactions);
    check("every error field, and the caret of its position", error_fields);
    check("pipeline mode", pipeline);
    check("an error in a pipeline", pipeline_error);
    check("Flush in a pipeline", pipeline_flush);
    check("COPY in and out as text", copy_text);
    check("COPY in and out as binary", copy_binary);
    check("COPY that fails, in a transaction and among statements", copy_errors);
    check("LISTEN and NOTIFY", notifications);
    check("a notification has the process id of its sender", notifier);
    check("cancel gives 57014, and the session goes on", cancelling);
    check("cancel while rows stream", cancel_streaming);
    check("notices and warnings", notices);
    check("ParameterStatus, complete and following SET", parameter_status);
    check("two connections do not share settings or statements", isolation);
    check("EXECUTE of SQL runs a statement of the protocol", executed_by_sql);
    check("parameters of the startup packet, and only of one's own", isolated_startup);
    check("a temporary table is gone with its connection", temporary_table);
    check("the messages of a query, traced", trace);
    check("8 concurrent connections", concurrent);
    puts("done");
    return 0;
}
