/*
 * pgjdbc: extended protocol throughout, named statements and binary results after five uses, portals with a
 * fetch size, batches, CopyManager. Started as a single source file: `java -cp pgjdbc.jar Pgjdbc.java`.
 * What it prints is described in programs.ts.
 */

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGProperty;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

public class Pgjdbc {
    static final String TABLE = "ew_pgjdbc";
    // Minutes of work in little memory, checked for interrupts at each row: what the cancel checks interrupt.
    static final String SLOW = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b";

    interface Check {
        void run() throws Exception;
    }

    static final String after = env("EDGEWIRE_AFTER");
    static final String only = env("EDGEWIRE_CHECK");
    static final boolean hasPassword = env("EDGEWIRE_PASSWORD").equals("1");
    static final boolean directTls = env("EDGEWIRE_DIRECT_TLS").equals("1");
    static boolean started = after.isEmpty();

    static String env(String name) {
        String value = System.getenv(name);
        return value == null ? "" : value;
    }

    static void check(String name, Check check) {
        if (!started) {
            started = name.equals(after);
            return;
        }
        if (!name.contains(only)) return;
        System.out.println("start " + name);
        try {
            check.run();
            System.out.println("ok " + name);
        } catch (Throwable error) {
            int line = 0;
            for (StackTraceElement frame : error.getStackTrace()) {
                boolean helper = frame.getMethodName().equals("equal") || frame.getMethodName().equals("expect");
                if (frame.getClassName().startsWith("Pgjdbc") && !helper) {
                    line = frame.getLineNumber();
                    break;
                }
            }
            String reason = String.valueOf(error.getMessage()).replace("\n", " | ");
            System.out.println("FAIL " + name + ": " + error.getClass().getSimpleName() + ": " + reason + " (line " + line + ")");
        }
    }

    static void equal(Object actual, Object expected, String what) {
        if (!Objects.deepEquals(actual, expected)) {
            throw new AssertionError(what + " is " + brief(actual) + ", expected " + brief(expected));
        }
    }

    static void equal(Object actual, Object expected) {
        equal(actual, expected, "value");
    }

    static void expect(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    static String brief(Object value) {
        String text = value instanceof Object[] array ? Arrays.deepToString(array) : String.valueOf(value);
        return text.length() <= 900 ? text : text.substring(0, 900) + "... (" + text.length() + " characters)";
    }

    static PSQLException fails(String code, Check check) throws Exception {
        try {
            check.run();
        } catch (PSQLException error) {
            equal(error.getSQLState(), code, "SQLSTATE (" + error.getMessage() + ")");
            return error;
        }
        throw new AssertionError("no error, expected " + code);
    }

    /** Connects with the properties of EDGEWIRE_URL, a libpq URL, and more given as name, value, ... */
    static Connection connect(String... more) throws Exception {
        URI uri = new URI(env("EDGEWIRE_URL"));
        Properties properties = new Properties();
        String[] login = uri.getUserInfo().split(":", 2);
        properties.setProperty("user", login[0]);
        if (login.length > 1) properties.setProperty("password", login[1]);
        if (uri.getQuery() != null) {
            for (String pair : uri.getQuery().split("&")) {
                String[] parts = pair.split("=", 2);
                properties.setProperty(parts[0], parts[1]);
            }
        }
        properties.setProperty("loginTimeout", "20");
        String database = uri.getPath();
        for (int i = 0; i < more.length; i += 2) {
            if (more[i].equals("database")) database = "/" + more[i + 1];
            else properties.setProperty(more[i], more[i + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + database, properties);
    }

    static int run(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(query);
            return statement.getUpdateCount();
        }
    }

    static Object value(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    static void makeTable(Connection connection, String columns) throws SQLException {
        run(connection, "drop table if exists " + TABLE);
        run(connection, "create table " + TABLE + " (" + columns + ")");
    }

    static void makeTable(Connection connection) throws SQLException {
        makeTable(connection, "id int primary key, name text");
    }

    public static void main(String[] arguments) throws Exception {
        connecting();
        queries();
        statements();
        transactions();
        errors();
        copies();
        asynchronous();
        sessions();
        sizes();
        catalogs();
        System.out.println("done");
    }

    static void connecting() {
        check("connects and reports the server version", () -> {
            try (Connection connection = connect()) {
                int number = (Integer) value(connection, "select current_setting('server_version_num')::int");
                equal(connection.getMetaData().getDatabaseMajorVersion(), number / 10000, "major version");
                expect(connection.isValid(5), "not valid");
                equal(connection.getCatalog(), "postgres", "database");
            }
        });

        check("refuses an unknown database with 3D000", () -> {
            fails("3D000", () -> connect("database", "no_such_database").close());
        });

        if (hasPassword) {
            check("authenticates with SCRAM over TLS, bound to the channel", () -> {
                try (Connection connection = connect("channelBinding", "require")) {
                    equal(value(connection, "select 1"), 1);
                }
                fails("28P01", () -> connect("password", "wrong").close());
            });
        }

        if (directTls) {
            check("connects by direct TLS", () -> {
                try (Connection connection = connect("sslNegotiation", "direct")) {
                    equal(value(connection, "select 1"), 1);
                }
            });
        }

        check("asks for protocol 3.2", () -> {
            try (Connection connection = connect("protocolVersion", "3.2")) {
                equal(value(connection, "select 1"), 1);
                cancelIn(connection, SLOW);
            }
        });

        check("connects with every preferQueryMode", () -> {
            for (String mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
                try (Connection connection = connect("preferQueryMode", mode);
                        PreparedStatement statement = connection.prepareStatement("select ?::int + 1, ?::text")) {
                    for (int i = 0; i < 7; i++) {
                        statement.setInt(1, i);
                        statement.setString(2, "it's \\ é");
                        try (ResultSet rows = statement.executeQuery()) {
                            expect(rows.next(), "no row");
                            equal(rows.getInt(1), i + 1);
                            equal(rows.getString(2), "it's \\ é");
                        }
                    }
                }
            }
        });

        check("chooses a primary (targetServerType)", () -> {
            try (Connection connection = connect("targetServerType", "primary")) {
                equal(value(connection, "show transaction_read_only"), "off");
            }
        });
    }

    static void queries() {
        check("queries, names, types and counts", () -> {
            try (Connection connection = connect(); Statement statement = connection.createStatement()) {
                ResultSet rows = statement.executeQuery("select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d");
                ResultSetMetaData meta = rows.getMetaData();
                equal(meta.getColumnCount(), 4, "columns");
                equal(meta.getColumnLabel(3), "a", "name");
                equal(meta.getColumnTypeName(1), "int4", "type");
                equal(List.of(meta.getPrecision(4), meta.getScale(4)), List.of(8, 2), "type modifier");
                rows.next();
                equal(rows.getObject(1), 1);
                equal(rows.getObject(4), null);
                makeTable(connection);
                equal(statement.executeUpdate("insert into " + TABLE + " values (1, 'a'), (2, 'b'), (3, null)"), 3, "INSERT");
                equal(statement.executeUpdate("update " + TABLE + " set name = 'z' where id > 1"), 2, "UPDATE");
                equal(statement.executeUpdate("delete from " + TABLE), 3, "DELETE");
                equal(statement.executeUpdate("drop table " + TABLE), 0, "DROP TABLE");
            }
        });

        check("empty queries and several statements in one", () -> {
            try (Connection connection = connect(); Statement statement = connection.createStatement()) {
                expect(!statement.execute(""), "rows of an empty query");
                expect(!statement.execute("-- only a comment"), "rows of a comment");
                expect(statement.execute("select 1; select 'two'; set work_mem = '5MB'"), "no rows");
                statement.getResultSet().next();
                equal(statement.getResultSet().getInt(1), 1);
                expect(statement.getMoreResults(), "no second result");
                statement.getResultSet().next();
                equal(statement.getResultSet().getString(1), "two");
                expect(!statement.getMoreResults(), "SET has rows");
                equal(statement.getUpdateCount(), 0);
            }
        });

        check("values of every common type, in text and then in binary", () -> {
            OffsetDateTime instant = OffsetDateTime.of(2024, 2, 29, 12, 34, 56, 789_012_000, ZoneOffset.UTC);
            UUID uuid = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
            byte[] bytes = new byte[256];
            for (int i = 0; i < 256; i++) bytes[i] = (byte) i;
            String text = "it's \\ a \"test\" é 😀";
            BigDecimal number = new BigDecimal("12345678901234567890.123456789");
            // With prepareThreshold=-1 a statement is named and binary from its first use.
            for (String threshold : List.of("5", "-1", "0")) {
                try (Connection connection = connect("prepareThreshold", threshold);
                        PreparedStatement statement = connection.prepareStatement(
                            "select ?::int2, ?::int4, ?::int8, ?::float4, ?::float8, ?::bool, ?::text, ?::bytea, ?::timestamp,"
                                + " ?::timestamptz, ?::date, ?::time, ?::numeric, ?::uuid, ?::json, ?::int4[], ?::text[], ?::text,"
                                + " ?::oid, ?::interval")) {
                    for (int turn = 0; turn < 8; turn++) {
                        statement.setShort(1, (short) -32768);
                        statement.setInt(2, 42);
                        statement.setLong(3, -(1L << 40));
                        statement.setFloat(4, 1.5f);
                        statement.setDouble(5, 1e308);
                        statement.setBoolean(6, true);
                        statement.setString(7, text);
                        statement.setBytes(8, bytes);
                        statement.setObject(9, LocalDateTime.of(2024, 2, 29, 12, 34, 56, 789_012_000));
                        statement.setObject(10, instant);
                        statement.setObject(11, LocalDate.of(2024, 2, 29));
                        statement.setObject(12, LocalTime.of(23, 59, 59));
                        statement.setBigDecimal(13, number);
                        statement.setObject(14, uuid);
                        PGobject json = new PGobject();
                        json.setType("json");
                        json.setValue("{\"a\": [1, null]}");
                        statement.setObject(15, json);
                        statement.setArray(16, connection.createArrayOf("int4", new Object[] {1, null, 3}));
                        statement.setArray(17, connection.createArrayOf("text", new Object[] {"a", "q\"uote", "b c"}));
                        statement.setNull(18, Types.VARCHAR);
                        statement.setLong(19, 4_000_000_000L);
                        statement.setObject(20, new org.postgresql.util.PGInterval("1 day 02:03:04"));
                        try (ResultSet rows = statement.executeQuery()) {
                            rows.next();
                            equal(rows.getShort(1), (short) -32768);
                            equal(rows.getInt(2), 42);
                            equal(rows.getLong(3), -(1L << 40));
                            equal(rows.getFloat(4), 1.5f);
                            equal(rows.getDouble(5), 1e308);
                            equal(rows.getBoolean(6), true);
                            equal(rows.getString(7), text);
                            equal(rows.getBytes(8), bytes);
                            equal(rows.getObject(9, LocalDateTime.class), LocalDateTime.of(2024, 2, 29, 12, 34, 56, 789_012_000));
                            equal(rows.getObject(10, OffsetDateTime.class).toInstant(), instant.toInstant());
                            equal(rows.getObject(11, LocalDate.class), LocalDate.of(2024, 2, 29));
                            equal(rows.getObject(12, LocalTime.class), LocalTime.of(23, 59, 59));
                            equal(rows.getBigDecimal(13), number);
                            equal(rows.getObject(14), uuid);
                            equal(rows.getString(15), "{\"a\": [1, null]}");
                            equal(rows.getArray(16).getArray(), new Integer[] {1, null, 3});
                            equal(rows.getArray(17).getArray(), new String[] {"a", "q\"uote", "b c"});
                            equal(rows.getString(18), null);
                            expect(rows.wasNull(), "not null");
                            equal(rows.getLong(19), 4_000_000_000L);
                            equal(rows.getString(20), "1 day 02:03:04");
                        }
                    }
                }
            }
        });
    }

    static void statements() {
        check("a statement used 12 times becomes a server-side one", () -> {
            try (Connection connection = connect();
                    PreparedStatement statement = connection.prepareStatement("select ?::int + 1, 'x'::text")) {
                for (int i = 0; i < 12; i++) {
                    statement.setInt(1, i);
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        equal(rows.getInt(1), i + 1);
                        equal(rows.getString(2), "x");
                    }
                }
                expect(statement.unwrap(org.postgresql.PGStatement.class).isUseServerPrepare(), "not a server-side statement");
            }
        });

        check("pg_prepared_statements lists a server-side statement", () -> {
            try (Connection connection = connect("prepareThreshold", "1");
                    PreparedStatement statement = connection.prepareStatement("select ?::int + 1, 'x'::text")) {
                statement.setInt(1, 1);
                for (int i = 0; i < 3; i++) statement.executeQuery().close();
                equal(value(connection, "select count(*) from pg_prepared_statements where statement like 'select $1::int%'"), 1L);
            }
        });

        check("the type of a parameter changes between uses", () -> {
            try (Connection connection = connect(); PreparedStatement statement = connection.prepareStatement("select ? || ''")) {
                for (int i = 0; i < 14; i++) {
                    if (i % 7 == 3) statement.setInt(1, i);
                    else statement.setString(1, String.valueOf(i));
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        equal(rows.getString(1), String.valueOf(i));
                    }
                }
            }
        });

        check("a cached plan goes stale after DDL, and is prepared anew", () -> {
            try (Connection connection = connect(); Connection other = connect()) {
                makeTable(connection);
                run(connection, "insert into " + TABLE + " values (1, 'a')");
                try (PreparedStatement statement = connection.prepareStatement("select * from " + TABLE)) {
                    for (int i = 0; i < 7; i++) statement.executeQuery().close();
                    run(other, "alter table " + TABLE + " add column extra int");
                    try (ResultSet rows = statement.executeQuery()) {
                        equal(rows.getMetaData().getColumnCount(), 3, "columns");
                    }
                }
                run(connection, "drop table " + TABLE);
            }
        });

        check("DISCARD ALL under a driver that has server-side statements", () -> {
            try (Connection connection = connect("prepareThreshold", "1");
                    PreparedStatement statement = connection.prepareStatement("select ?::int")) {
                for (int i = 0; i < 4; i++) {
                    statement.setInt(1, i);
                    statement.executeQuery().close();
                    // The driver sees the tag, forgets its statements and parses again.
                    run(connection, "deallocate all");
                    run(connection, "discard all");
                }
            }
        });

        check("describes parameters and columns without running", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                try (PreparedStatement statement = connection.prepareStatement("insert into " + TABLE + " values (?, ?) returning id, name as n")) {
                    ParameterMetaData parameters = statement.getParameterMetaData();
                    equal(List.of(parameters.getParameterTypeName(1), parameters.getParameterTypeName(2)), List.of("int4", "text"));
                    equal(statement.getMetaData().getColumnLabel(2), "n");
                    equal(value(connection, "select count(*) from " + TABLE), 0L, "rows");
                }
                run(connection, "drop table " + TABLE);
            }
        });

        check("RETURNING, generated keys and a function call", () -> {
            try (Connection connection = connect()) {
                makeTable(connection, "id serial primary key, name text");
                String insert = "insert into " + TABLE + " (name) values (?)";
                try (PreparedStatement statement = connection.prepareStatement(insert, Statement.RETURN_GENERATED_KEYS)) {
                    statement.setString(1, "a");
                    equal(statement.executeUpdate(), 1);
                    ResultSet keys = statement.getGeneratedKeys();
                    keys.next();
                    equal(keys.getInt("id"), 1);
                }
                try (CallableStatement call = connection.prepareCall("{? = call upper(?)}")) {
                    call.registerOutParameter(1, Types.VARCHAR);
                    call.setString(2, "loud");
                    call.execute();
                    equal(call.getString(1), "LOUD");
                }
                run(connection, "drop table " + TABLE);
            }
        });

        check("batches, plain, prepared and rewritten", () -> {
            for (String rewrite : List.of("false", "true")) {
                try (Connection connection = connect("reWriteBatchedInserts", rewrite)) {
                    makeTable(connection);
                    try (Statement statement = connection.createStatement()) {
                        statement.addBatch("insert into " + TABLE + " values (-1)");
                        statement.addBatch("update " + TABLE + " set name = 'x'");
                        statement.addBatch("delete from " + TABLE + " where id = 0");
                        equal(statement.executeBatch(), new int[] {1, 1, 0});
                    }
                    try (PreparedStatement statement = connection.prepareStatement("insert into " + TABLE + " values (?, ?)")) {
                        for (int i = 0; i < 1000; i++) {
                            statement.setInt(1, i);
                            statement.setString(2, "name " + i);
                            statement.addBatch();
                        }
                        equal(statement.executeBatch().length, 1000);
                    }
                    equal(value(connection, "select count(*) from " + TABLE), 1001L);
                    run(connection, "drop table " + TABLE);
                }
            }
        });

        check("a batch with an error in the middle", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                connection.setAutoCommit(false);
                try (PreparedStatement statement = connection.prepareStatement("insert into " + TABLE + " values (?)")) {
                    for (int i : new int[] {1, 2, 1, 3}) {
                        statement.setInt(1, i);
                        statement.addBatch();
                    }
                    try {
                        statement.executeBatch();
                        throw new AssertionError("no error");
                    } catch (BatchUpdateException error) {
                        equal(error.getSQLState(), "23505");
                    }
                }
                connection.rollback();
                connection.setAutoCommit(true);
                equal(value(connection, "select count(*) from " + TABLE), 0L);
                run(connection, "drop table " + TABLE);
            }
        });

        check("fetch size: a portal read in parts", () -> {
            try (Connection connection = connect()) {
                connection.setAutoCommit(false);
                try (PreparedStatement statement = connection.prepareStatement("select i from generate_series(1, ?) i");
                        Statement other = connection.createStatement()) {
                    for (int turn = 0; turn < 7; turn++) {
                        statement.setInt(1, 100);
                        statement.setFetchSize(7);
                        long sum = 0;
                        try (ResultSet rows = statement.executeQuery()) {
                            while (rows.next()) {
                                sum += rows.getInt(1);
                                // A statement of its own between two parts of the portal.
                                if (rows.getInt(1) % 50 == 0) other.executeQuery("select 1").close();
                            }
                        }
                        equal(sum, 5050L);
                    }
                    statement.setFetchSize(10);
                    ResultSet rows = statement.executeQuery();
                    rows.next();
                    rows.close(); // before its end
                    statement.setMaxRows(5);
                    rows = statement.executeQuery();
                    int count = 0;
                    while (rows.next()) count++;
                    equal(count, 5);
                }
                connection.commit();
            }
        });

        check("scrollable and updatable result sets", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                run(connection, "insert into " + TABLE + " select i, 'n' || i from generate_series(1, 5) i");
                try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                        ResultSet rows = statement.executeQuery("select id, name from " + TABLE + " order by id")) {
                    expect(rows.last(), "no last row");
                    equal(rows.getInt(1), 5);
                    rows.absolute(2);
                    rows.updateString(2, "changed");
                    rows.updateRow();
                }
                equal(value(connection, "select name from " + TABLE + " where id = 2"), "changed");
                run(connection, "drop table " + TABLE);
            }
        });
    }

    static void transactions() {
        check("commit, rollback, savepoint", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                connection.setAutoCommit(false);
                run(connection, "insert into " + TABLE + " values (1)");
                Savepoint savepoint = connection.setSavepoint("s");
                run(connection, "insert into " + TABLE + " values (2)");
                connection.rollback(savepoint);
                run(connection, "insert into " + TABLE + " values (3)");
                connection.releaseSavepoint(savepoint);
                connection.commit();
                run(connection, "insert into " + TABLE + " values (4)");
                connection.rollback();
                equal(value(connection, "select array_agg(id order by id)::text from " + TABLE), "{1,3}");
                run(connection, "drop table " + TABLE);
                connection.commit();
            }
        });

        check("isolation levels and read only", () -> {
            try (Connection connection = connect()) {
                connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                connection.setReadOnly(true);
                connection.setAutoCommit(false);
                equal(value(connection, "show transaction_isolation"), "serializable");
                fails("25006", () -> run(connection, "create table " + TABLE + "_readonly (id int)"));
                connection.rollback();
                equal(connection.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
            }
        });

        check("a failed transaction answers 25P02 until ROLLBACK", () -> {
            try (Connection connection = connect()) {
                connection.setAutoCommit(false);
                fails("22012", () -> value(connection, "select 1/0"));
                fails("25P02", () -> value(connection, "select 1"));
                connection.rollback();
                equal(value(connection, "select 1"), 1);
                connection.rollback();
            }
        });

        check("autosave: a savepoint before each statement", () -> {
            try (Connection connection = connect("autosave", "always")) {
                connection.setAutoCommit(false);
                equal(value(connection, "select 1"), 1);
                fails("42P01", () -> run(connection, "select * from no_such_table"));
                equal(value(connection, "select 2"), 2);
                connection.commit();
            }
        });
    }

    static void errors() {
        check("SQLSTATEs with their fields, and work after them", () -> {
            try (Connection connection = connect()) {
                ServerErrorMessage error = fails("42P01", () -> value(connection, "select * from no_such_table")).getServerErrorMessage();
                equal(error.getPosition(), 15, "position");
                makeTable(connection);
                run(connection, "insert into " + TABLE + " values (1)");
                error = fails("23505", () -> run(connection, "insert into " + TABLE + " values (1)")).getServerErrorMessage();
                equal(List.of(error.getTable(), error.getConstraint(), error.getDetail()),
                    List.of(TABLE, TABLE + "_pkey", "Key (id)=(1) already exists."));
                fails("22012", () -> value(connection, "select 1/0"));
                fails("42601", () -> value(connection, "selec 1"));
                fails("42883", () -> value(connection, "select no_such_function(1)"));
                equal(value(connection, "select 1"), 1);
                run(connection, "drop table " + TABLE);
            }
        });

        check("notices become warnings", () -> {
            try (Connection connection = connect(); Statement statement = connection.createStatement()) {
                statement.execute("do $$ begin raise notice 'hello'; raise warning 'careful'; end $$");
                SQLWarning warning = statement.getWarnings();
                equal(warning.getMessage(), "hello");
                equal(warning.getNextWarning().getMessage(), "careful");
                equal(warning.getNextWarning().getSQLState(), "01000");
            }
        });
    }

    static void copies() {
        check("COPY in and out, text, csv and binary", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
                equal(copy.copyIn("copy " + TABLE + " from stdin", new StringReader("1\tone\n2\t\\N\n")), 2L);
                equal(copy.copyIn("copy " + TABLE + " from stdin (format csv, header)", new StringReader("id,name\n3,\"a \"\"b\"\"\"\n")), 1L);
                StringWriter out = new StringWriter();
                equal(copy.copyOut("copy (select * from " + TABLE + " order by id) to stdout (format csv)", out), 3L);
                equal(out.toString(), "1,one\n2,\n3,\"a \"\"b\"\"\"\n");
                ByteArrayOutputStream binary = new ByteArrayOutputStream();
                equal(copy.copyOut("copy " + TABLE + " to stdout (format binary)", binary), 3L);
                run(connection, "truncate " + TABLE);
                equal(copy.copyIn("copy " + TABLE + " from stdin (format binary)", new ByteArrayInputStream(binary.toByteArray())), 3L);
                equal(value(connection, "select string_agg(id || coalesce(name, '-'), ',' order by id) from " + TABLE), "1one,2-,3a \"b\"");
                run(connection, "drop table " + TABLE);
            }
        });

        check("COPY that fails in the middle, by the server and by the client", () -> {
            try (Connection connection = connect()) {
                makeTable(connection);
                CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
                StringBuilder rows = new StringBuilder();
                for (int i = 0; i < 20000; i++) rows.append(i == 5000 ? "bad" : i).append("\tx\n");
                fails("22P02", () -> copy.copyIn("copy " + TABLE + " from stdin", new StringReader(rows.toString())));
                CopyIn cancelled = copy.copyIn("copy " + TABLE + " from stdin");
                byte[] row = "1\tx\n".getBytes(StandardCharsets.UTF_8);
                cancelled.writeToCopy(row, 0, row.length);
                cancelled.cancelCopy();
                equal(value(connection, "select count(*) from " + TABLE), 0L);
                run(connection, "drop table " + TABLE);
            }
        });
    }

    static void cancelIn(Connection connection, String query) throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try (Statement statement = connection.createStatement()) {
            Future<?> cancelled = executor.submit(() -> {
                Thread.sleep(500);
                statement.cancel();
                return null;
            });
            long began = System.nanoTime();
            PSQLException error = fails("57014", () -> statement.executeQuery(query));
            expect(error.getMessage().contains("canceling statement due to user request"), error.getMessage());
            expect(System.nanoTime() - began < 15_000_000_000L, "the cancel took too long");
            cancelled.get(5, TimeUnit.SECONDS);
            equal(value(connection, "select 1"), 1);
        } finally {
            executor.shutdownNow();
        }
    }

    static void asynchronous() {
        check("LISTEN and NOTIFY", () -> {
            try (Connection listener = connect(); Connection other = connect()) {
                PGConnection listening = listener.unwrap(PGConnection.class);
                run(listener, "listen ew_pgjdbc_channel");
                run(other, "notify ew_pgjdbc_channel, 'first'");
                run(other, "select pg_notify('ew_pgjdbc_channel', 'second')");
                List<PGNotification> got = new ArrayList<>();
                long deadline = System.nanoTime() + 15_000_000_000L;
                while (got.size() < 2 && System.nanoTime() < deadline) {
                    PGNotification[] some = listening.getNotifications(1000);
                    if (some != null) got.addAll(Arrays.asList(some));
                }
                equal(got.stream().map(PGNotification::getParameter).toList(), List.of("first", "second"));
                equal(got.get(0).getName(), "ew_pgjdbc_channel");
            }
        });

        check("cancel gives 57014, and the session goes on", () -> {
            try (Connection connection = connect()) {
                cancelIn(connection, SLOW);
                cancelIn(connection, "select pg_sleep(60)");
            }
        });

        check("a query time-out gives 57014", () -> {
            try (Connection connection = connect(); Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                fails("57014", () -> statement.executeQuery(SLOW));
                equal(value(connection, "select 1"), 1);
            }
        });
    }

    static void sessions() {
        check("ParameterStatus follows SET", () -> {
            try (Connection connection = connect("ApplicationName", "first")) {
                PGConnection status = connection.unwrap(PGConnection.class);
                equal(status.getParameterStatus("application_name"), "first");
                equal(status.getParameterStatus("server_encoding"), "UTF8");
                equal(value(connection, "show timezone"), "Europe/Amsterdam", "the time zone of the client");
                connection.setClientInfo("ApplicationName", "second");
                equal(status.getParameterStatus("application_name"), "second");
                run(connection, "set timezone to 'Asia/Tokyo'");
                equal(status.getParameterStatus("TimeZone"), "Asia/Tokyo");
            }
        });

        check("refuses a DateStyle it cannot read", () -> {
            try (Connection connection = connect()) {
                // pgjdbc closes the connection when ParameterStatus says that dates are no longer ISO.
                try {
                    run(connection, "set datestyle to 'German'");
                    throw new AssertionError("no error");
                } catch (PSQLException error) {
                    expect(error.getMessage().contains("DateStyle"), error.getMessage());
                }
            }
        });

        check("schema and search_path", () -> {
            try (Connection connection = connect("currentSchema", "pg_catalog")) {
                equal(connection.getSchema(), "pg_catalog");
                connection.setSchema("public");
                equal(value(connection, "show search_path"), "public");
            }
        });

        check("two connections do not share settings or statements", () -> {
            try (Connection one = connect("prepareThreshold", "1"); Connection two = connect("prepareThreshold", "1");
                    PreparedStatement first = one.prepareStatement("select ?::int * 2");
                    PreparedStatement second = two.prepareStatement("select ?::text || '!'")) {
                Object before = value(two, "show work_mem");
                run(one, "set work_mem = '7MB'");
                equal(value(two, "show work_mem"), before);
                for (int i = 0; i < 5; i++) { // S_1 in both
                    first.setInt(1, i);
                    second.setString(1, "s" + i);
                    ResultSet rows = first.executeQuery();
                    rows.next();
                    equal(rows.getInt(1), i * 2);
                    rows = second.executeQuery();
                    rows.next();
                    equal(rows.getString(1), "s" + i + "!");
                }
                equal(value(one, "show work_mem"), "7MB");
            }
        });

        check("a temporary table is gone with its connection", () -> {
            try (Connection one = connect()) {
                run(one, "create temporary table ew_pgjdbc_temp as select 1 as a");
                equal(value(one, "select a from ew_pgjdbc_temp"), 1);
            }
            try (Connection two = connect()) {
                fails("42P01", () -> value(two, "select a from ew_pgjdbc_temp"));
            }
        });

        check("8 concurrent connections", () -> {
            try (Connection connection = connect()) {
                makeTable(connection, "id int primary key, n int not null");
                run(connection, "insert into " + TABLE + " select i, 0 from generate_series(0, 7) i");
                ExecutorService executor = Executors.newFixedThreadPool(8);
                List<Callable<Void>> tasks = new ArrayList<>();
                for (int number = 0; number < 8; number++) {
                    int id = number;
                    tasks.add(() -> {
                        try (Connection own = connect(); PreparedStatement update = own.prepareStatement("update " + TABLE + " set n = n + 1 where id = ?")) {
                            for (int turn = 0; turn < 10; turn++) {
                                equal(value(own, "select " + id), id);
                                own.setAutoCommit(false);
                                update.setInt(1, id);
                                equal(update.executeUpdate(), 1);
                                own.commit();
                                own.setAutoCommit(true);
                            }
                        }
                        return null;
                    });
                }
                try {
                    for (Future<Void> done : executor.invokeAll(tasks, 35, TimeUnit.SECONDS)) done.get();
                } finally {
                    executor.shutdownNow();
                }
                equal(value(connection, "select sum(n) from " + TABLE), 80L);
                run(connection, "drop table " + TABLE);
            }
        });
    }

    static void sizes() {
        check("100,000 rows, whole and in parts", () -> {
            try (Connection connection = connect(); Statement statement = connection.createStatement()) {
                for (int size : new int[] {0, 5000}) {
                    connection.setAutoCommit(size == 0);
                    statement.setFetchSize(size);
                    int count = 0;
                    try (ResultSet rows = statement.executeQuery("select i, 'row ' || i from generate_series(1, 100000) i")) {
                        while (rows.next()) {
                            count++;
                            if (count == 100_000) equal(rows.getString(2), "row 100000");
                        }
                    }
                    equal(count, 100_000);
                }
            }
        });

        check("values of 1 MB and 8 MB", () -> {
            for (int size : new int[] {1 << 20, 8 << 20}) {
                byte[] bytes = new byte[size];
                for (int i = 0; i < size; i++) bytes[i] = (byte) i;
                try (Connection connection = connect();
                        PreparedStatement statement = connection.prepareStatement("select length(?::bytea), ?::bytea, ?::text")) {
                    statement.setBytes(1, bytes);
                    statement.setBytes(2, bytes);
                    statement.setString(3, "x".repeat(size));
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        equal(rows.getInt(1), size);
                        expect(Arrays.equals(rows.getBytes(2), bytes), "the bytes differ");
                        equal(rows.getString(3).length(), size);
                    }
                }
            }
        });
    }

    static void catalogs() {
        check("DatabaseMetaData: tables, columns, keys, indexes, types", () -> {
            try (Connection connection = connect()) {
                run(connection, "drop table if exists " + TABLE + "_child");
                makeTable(connection, "id int primary key, name varchar(40) not null default 'x', price numeric(8,2)");
                run(connection, "create index on " + TABLE + " (name)");
                run(connection, "create table " + TABLE + "_child (parent int references " + TABLE + " on delete cascade)");
                DatabaseMetaData meta = connection.getMetaData();
                equal(list(meta.getTables(null, "public", "ew\\_pgjdbc%", new String[] {"TABLE"}), "TABLE_NAME"), List.of(TABLE, TABLE + "_child"));
                equal(list(meta.getColumns(null, "public", TABLE, null), "COLUMN_NAME"), List.of("id", "name", "price"));
                equal(list(meta.getColumns(null, "public", TABLE, null), "TYPE_NAME"), List.of("int4", "varchar", "numeric"));
                equal(list(meta.getPrimaryKeys(null, "public", TABLE), "COLUMN_NAME"), List.of("id"));
                equal(list(meta.getImportedKeys(null, "public", TABLE + "_child"), "PKTABLE_NAME"), List.of(TABLE));
                equal(list(meta.getExportedKeys(null, "public", TABLE), "FKCOLUMN_NAME"), List.of("parent"));
                equal(list(meta.getIndexInfo(null, "public", TABLE, false, true), "COLUMN_NAME"), List.of("id", "name"));
                expect(list(meta.getSchemas(), "TABLE_SCHEM").contains("public"), "no schema public");
                expect(list(meta.getCatalogs(), "TABLE_CAT").contains("postgres"), "no database postgres");
                expect(list(meta.getTypeInfo(), "TYPE_NAME").contains("timestamptz"), "no type timestamptz");
                expect(meta.getSQLKeywords().contains("analyze"), "no keyword");
                equal(list(meta.getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME").size() > 0, true);
                run(connection, "drop table " + TABLE + "_child");
                run(connection, "drop table " + TABLE);
            }
        });

        check("DatabaseMetaData: whole rows of columns, keys and indexes", () -> {
            try (Connection connection = connect()) {
                makeFamily(connection);
                DatabaseMetaData meta = connection.getMetaData();
                equal(
                    rows(meta.getColumns(null, "public", TABLE, null), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE",
                        "DECIMAL_DIGITS", "NULLABLE", "REMARKS", "COLUMN_DEF", "ORDINAL_POSITION", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN"),
                    List.of(
                        List.of("id", Types.INTEGER, "serial", 10, 0, 0, "null", "nextval('ew_pgjdbc_id_seq'::regclass)", 1, "YES", "NO"),
                        List.of("name", Types.VARCHAR, "varchar", 40, 0, 0, "as printed", "'x'::character varying", 2, "NO", "NO"),
                        List.of("price", Types.NUMERIC, "numeric", 8, 2, 1, "null", "null", 3, "NO", "NO"),
                        List.of("tags", Types.ARRAY, "_text", Integer.MAX_VALUE, 0, 1, "null", "null", 4, "NO", "NO"),
                        List.of("at", Types.TIMESTAMP, "timestamptz", 35, 6, 1, "null", "null", 5, "NO", "NO"),
                        List.of("half", Types.NUMERIC, "numeric", 0, "null", 1, "null", "(price / (2)::numeric)", 6, "NO", "YES")));
                equal(rows(meta.getPrimaryKeys(null, "public", TABLE), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"),
                    List.of(List.of("id", 1, "ew_pgjdbc_pkey")));
                String[] key = {"PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ", "UPDATE_RULE", "DELETE_RULE", "DEFERRABILITY"};
                List<List<Object>> keys = List.of(List.of(
                    TABLE, "id", TABLE + "_child", "parent", 1,
                    (int) DatabaseMetaData.importedKeySetNull, (int) DatabaseMetaData.importedKeyCascade, (int) DatabaseMetaData.importedKeyNotDeferrable));
                equal(rows(meta.getImportedKeys(null, "public", TABLE + "_child"), key), keys);
                equal(rows(meta.getExportedKeys(null, "public", TABLE), key), keys);
                equal(rows(meta.getCrossReference(null, "public", TABLE, null, "public", TABLE + "_child"), key), keys);
                equal(
                    rows(meta.getIndexInfo(null, "public", TABLE, false, true), "INDEX_NAME", "NON_UNIQUE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC", "FILTER_CONDITION"),
                    List.of(
                        List.of("ew_pgjdbc_pkey", false, 1, "id", "A", "null"),
                        List.of("ew_pgjdbc_by_name", true, 1, "lower((name)::text)", "D", "(price > (0)::numeric)"),
                        List.of("ew_pgjdbc_by_name", true, 2, "price", "A", "(price > (0)::numeric)")));
                equal(rows(meta.getBestRowIdentifier(null, "public", TABLE, DatabaseMetaData.bestRowSession, false), "COLUMN_NAME", "TYPE_NAME"),
                    List.of(List.of("id", "int4")));
                equal(rows(meta.getTables(null, "public", "ew\\_pgjdbc%", null), "TABLE_NAME", "TABLE_TYPE", "REMARKS"),
                    List.of(
                        List.of("ew_pgjdbc_by_name", "INDEX", "null"),
                        List.of("ew_pgjdbc_pkey", "INDEX", "null"),
                        List.of("ew_pgjdbc_id_seq", "SEQUENCE", "null"),
                        List.of(TABLE, "TABLE", "what is sold"),
                        List.of(TABLE + "_child", "TABLE", "null"),
                        List.of(TABLE + "_view", "VIEW", "null")));
                dropFamily(connection);
            }
        });

        check("DatabaseMetaData: routines, privileges, types and limits", () -> {
            try (Connection connection = connect()) {
                makeFamily(connection);
                run(connection, "create or replace function ew_pgjdbc_of(a int, out b text, out c int) language sql as 'select 1::text, $1'");
                run(connection, "create or replace procedure ew_pgjdbc_do(a int) language sql as 'select $1'");
                DatabaseMetaData meta = connection.getMetaData();
                equal(rows(meta.getFunctionColumns(null, "public", "ew\\_pgjdbc\\_of", null), "COLUMN_NAME", "TYPE_NAME"),
                    List.of(List.of("a", "int4"), List.of("b", "text"), List.of("c", "int4")));
                equal(list(meta.getFunctions(null, "public", "ew%"), "FUNCTION_NAME"), List.of("ew_pgjdbc_of"));
                equal(list(meta.getProcedures(null, "public", "ew%"), "PROCEDURE_NAME"), List.of("ew_pgjdbc_do"));
                equal(rows(meta.getProcedureColumns(null, "public", "ew\\_pgjdbc\\_do", null), "COLUMN_NAME", "TYPE_NAME"),
                    List.of(List.of("returnValue", "void"), List.of("a", "int4")));
                expect(list(meta.getTablePrivileges(null, "public", TABLE), "PRIVILEGE").contains("SELECT"), "no privilege on the table");
                expect(list(meta.getColumnPrivileges(null, "public", TABLE, "name"), "PRIVILEGE").contains("UPDATE"), "no privilege on the column");
                equal(list(meta.getVersionColumns(null, "public", TABLE), "COLUMN_NAME"), List.of("ctid"));
                expect(list(meta.getUDTs(null, "public", "%", null), "TYPE_NAME") != null, "no types");
                expect(list(meta.getTableTypes(), "TABLE_TYPE").contains("MATERIALIZED VIEW"), "no materialized views");
                expect(list(meta.getTypeInfo(), "TYPE_NAME").containsAll(List.of("bool", "int8", "numeric", "uuid", "jsonb", "_text")), "types are missing");
                expect(meta.getStringFunctions().contains("ltrim"), "no function");
                equal(meta.getMaxColumnNameLength(), 63);
                equal(meta.getDefaultTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
                equal(meta.getUserName(), "postgres");
                run(connection, "drop function ew_pgjdbc_of");
                run(connection, "drop procedure ew_pgjdbc_do");
                dropFamily(connection);
            }
        });

        check("a result tells the table of its columns", () -> {
            try (Connection connection = connect()) {
                makeTable(connection, "id int primary key, name varchar(40) not null default 'x', price numeric(8,2)");
                try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("select name as label from " + TABLE)) {
                    // Read from the catalog by the table and column of the RowDescription.
                    equal(rows.getMetaData().getTableName(1), TABLE);
                    equal(rows.getMetaData().isNullable(1), ResultSetMetaData.columnNoNulls);
                }
                run(connection, "drop table " + TABLE);
            }
        });

        check("a type unknown to the driver is looked up", () -> {
            try (Connection connection = connect()) {
                run(connection, "drop type if exists ew_pgjdbc_mood");
                run(connection, "create type ew_pgjdbc_mood as enum ('sad', 'happy')");
                equal(value(connection, "select 'happy'::ew_pgjdbc_mood"), "happy");
                Array moods = (Array) value(connection, "select '{sad,happy}'::ew_pgjdbc_mood[]");
                equal(moods.getArray(), new String[] {"sad", "happy"});
                run(connection, "drop type ew_pgjdbc_mood");
            }
        });
    }

    /** A table with what tables can have, one that refers to it, and a view. */
    static void makeFamily(Connection connection) throws SQLException {
        run(connection, "drop view if exists " + TABLE + "_view");
        run(connection, "drop table if exists " + TABLE + "_child, " + TABLE);
        run(connection, "create table " + TABLE + " (id serial primary key, name varchar(40) not null default 'x', price numeric(8,2),"
            + " tags text[], at timestamptz, half numeric generated always as (price / 2) stored)");
        run(connection, "comment on table " + TABLE + " is 'what is sold'");
        run(connection, "comment on column " + TABLE + ".name is 'as printed'");
        run(connection, "create index ew_pgjdbc_by_name on " + TABLE + " (lower(name) desc, price) where price > 0");
        run(connection, "create table " + TABLE + "_child (parent int references " + TABLE + " on delete cascade on update set null)");
        run(connection, "create view " + TABLE + "_view as select id, name from " + TABLE);
    }

    static void dropFamily(Connection connection) throws SQLException {
        run(connection, "drop view " + TABLE + "_view");
        run(connection, "drop table " + TABLE + "_child, " + TABLE);
    }

    /** The columns of each row; "null" where there is nothing. */
    static List<List<Object>> rows(ResultSet rows, String... columns) throws SQLException {
        List<List<Object>> all = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                List<Object> row = new ArrayList<>();
                for (String column : columns) {
                    Object value = rows.getObject(column);
                    row.add(value == null ? "null" : value instanceof Short number ? (Object) number.intValue() : value);
                }
                all.add(row);
            }
        }
        return all;
    }

    static List<String> list(ResultSet rows, String column) throws SQLException {
        List<String> values = new ArrayList<>();
        try (rows) {
            while (rows.next()) values.add(rows.getString(column));
        }
        return values;
    }
}
