// pgx v5: Parse, Describe and Sync first, then Bind with binary parameters and results; batches, COPY, pools.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"time"

	. "edgewire.test/clients/check"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const table = "ew_pgx"

func connect(ctx context.Context, address string) *pgx.Conn {
	return Must(pgx.Connect(ctx, address))
}

func closing(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn.Close(ctx)
}

func run(ctx context.Context, conn *pgx.Conn, query string, values ...any) string {
	return Must(conn.Exec(ctx, query, values...)).String()
}

// value is the first column of the first row.
func value[T any](ctx context.Context, conn *pgx.Conn, query string, values ...any) T {
	var result T
	OK(conn.QueryRow(ctx, query, values...).Scan(&result))
	return result
}

func makeTable(ctx context.Context, conn *pgx.Conn, columns string) {
	run(ctx, conn, "drop table if exists "+table)
	run(ctx, conn, "create table "+table+" ("+columns+")")
}

func fails(code string, err error) *pgconn.PgError {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		Fail("error is %v, expected %s", err, code)
	}
	if pgErr.Code != code {
		Fail("SQLSTATE is %s (%s), expected %s", pgErr.Code, pgErr.Message, code)
	}
	return pgErr
}

func exec(ctx context.Context, conn *pgx.Conn, query string, values ...any) error {
	_, err := conn.Exec(ctx, query, values...)
	return err
}

func main() {
	connecting()
	queries()
	transactions()
	asynchronous()
	copies()
	sessions()
	fmt.Println("done")
}

func connecting() {
	Run("connects and reports the server version", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		Equal(conn.PgConn().ParameterStatus("server_version"), value[string](ctx, conn, "show server_version"))
		OK(conn.Ping(ctx)) // a Query of a comment only, answered by EmptyQueryResponse
		True(conn.PgConn().PID() != 0, "no pid")
	})

	Run("refuses an unknown database with 3D000", func(ctx context.Context) {
		_, err := pgx.Connect(ctx, WithDatabase(URL, "no_such_database"))
		fails("3D000", err)
	})

	if HasPassword {
		Run("authenticates with SCRAM over TLS, bound to the channel", func(ctx context.Context) {
			conn := connect(ctx, With(URL, "channel_binding", "require"))
			defer closing(conn)
			Equal(value[int](ctx, conn, "select 1"), 1)
			_, err := pgx.Connect(ctx, WithPassword(URL, "wrong"))
			fails("28P01", err)
		})
	}

	if DirectTLS {
		Run("connects by direct TLS", func(ctx context.Context) {
			conn := connect(ctx, With(URL, "sslnegotiation", "direct"))
			defer closing(conn)
			Equal(value[int](ctx, conn, "select 1"), 1)
		})
	}

	Run("asks for protocol 3.2", func(ctx context.Context) {
		conn := connect(ctx, With(URL, "max_protocol_version", "3.2"))
		defer closing(conn)
		Equal(value[int](ctx, conn, "select $1::int", 1), 1)
		cancelled := time.AfterFunc(500*time.Millisecond, func() { conn.PgConn().CancelRequest(ctx) })
		defer cancelled.Stop()
		fails("57014", exec(ctx, conn, Slow))
	})

	Run("every query mode", func(ctx context.Context) {
		for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
			conn := connect(ctx, With(URL, "default_query_exec_mode", mode))
			for i := range 4 {
				var number int32
				var text string
				OK(conn.QueryRow(ctx, "select $1::int4 + 1, $2::text", int32(i), "it's \\ é").Scan(&number, &text))
				Equal(number, int32(i+1))
				Equal(text, "it's \\ é")
			}
			closing(conn)
		}
	})
}

func queries() {
	Run("queries, names, types and command tags", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		rows := Must(conn.Query(ctx, "select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d"))
		var names []string
		var types []uint32
		for _, field := range rows.FieldDescriptions() {
			names = append(names, field.Name)
			types = append(types, field.DataTypeOID)
		}
		Equal(names, []string{"a", "b", "a", "d"})
		Equal(types, []uint32{23, 25, 23, 1700})
		Equal(rows.FieldDescriptions()[3].TypeModifier, int32(8<<16|2+4))
		rows.Close()
		OK(rows.Err())
		makeTable(ctx, conn, "id int primary key, name text")
		Equal(run(ctx, conn, "insert into "+table+" values (1, 'a'), (2, 'b'), ($1, $2)", 3, nil), "INSERT 0 3")
		Equal(run(ctx, conn, "update "+table+" set name = $1 where id > 1", "z"), "UPDATE 2")
		Equal(run(ctx, conn, "delete from "+table), "DELETE 3")
		Equal(run(ctx, conn, "drop table "+table), "DROP TABLE")
		Equal(run(ctx, conn, ""), "")
		Equal(run(ctx, conn, "-- only a comment"), "")
	})

	Run("several statements in one simple query", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		results := Must(conn.PgConn().Exec(ctx, "select 1; select 'a', 'b' union all select 'c', 'd'; set work_mem = '5MB'; ").ReadAll())
		Equal(len(results), 3)
		Equal(string(results[1].Rows[1][1]), "d")
		Equal(results[2].CommandTag.String(), "SET")
		_, err := conn.PgConn().Exec(ctx, "select 1; select 1/0; select 3").ReadAll()
		fails("22012", err)
	})

	Run("values of every common type, in binary both ways", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		data := make([]byte, 256)
		for i := range data {
			data[i] = byte(i)
		}
		digits, _ := new(big.Int).SetString("12345678901234567890123456789", 10)
		numeric := pgtype.Numeric{Int: digits, Exp: -9, Valid: true}
		instant := time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC)
		roundTrip(ctx, conn, "int2", int16(-32768))
		roundTrip(ctx, conn, "int4", int32(42))
		roundTrip(ctx, conn, "int8", int64(-(1 << 40)))
		roundTrip(ctx, conn, "oid", uint32(4_000_000_000))
		roundTrip(ctx, conn, "float4", float32(1.5))
		roundTrip(ctx, conn, "float8", 1e308)
		roundTrip(ctx, conn, "bool", true)
		roundTrip(ctx, conn, "text", "it's \\ a \"test\" é 😀")
		roundTrip(ctx, conn, "varchar", "")
		roundTrip(ctx, conn, "bytea", data)
		roundTrip(ctx, conn, "timestamp", instant)
		roundTrip(ctx, conn, "date", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))
		roundTrip(ctx, conn, "time", pgtype.Time{Microseconds: 86399999999, Valid: true})
		roundTrip(ctx, conn, "interval", pgtype.Interval{Months: 14, Days: 3, Microseconds: 5, Valid: true})
		roundTrip(ctx, conn, "numeric", numeric)
		roundTrip(ctx, conn, "uuid", pgtype.UUID{Bytes: [16]byte{0xa0, 1, 2, 15: 0xff}, Valid: true})
		roundTrip(ctx, conn, "json", map[string]any{"a": []any{1.0, nil}})
		roundTrip(ctx, conn, "jsonb", map[string]any{"é": true})
		roundTrip(ctx, conn, "int4[]", []int32{1, 2, 3})
		roundTrip(ctx, conn, "text[]", []string{"a", "q\"uote", "b c", ""})
		roundTrip(ctx, conn, "int8[]", [][]int64{{1, 2}, {3, 4}})
		roundTrip(ctx, conn, "inet", netip.MustParsePrefix("192.168.0.0/24"))
		roundTrip(ctx, conn, "point", pgtype.Point{P: pgtype.Vec2{X: 1.5, Y: -2}, Valid: true})
		roundTrip(ctx, conn, "int4range", pgtype.Range[int32]{Lower: 1, Upper: 5, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true})
		True(instant.Equal(value[time.Time](ctx, conn, "select $1::timestamptz", instant)), "timestamptz differs")
		var null *string
		Equal(value[*string](ctx, conn, "select $1::text", null), null)
		Equal(value[*int32](ctx, conn, "select $1::int4", nil), (*int32)(nil))
	})

	Run("results in text when asked for", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		rows := Must(conn.Query(ctx, "select $1::int4, $2::timestamp, $3::bytea", pgx.QueryResultFormats{pgx.TextFormatCode},
			7, time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC), []byte{0, 255}))
		True(rows.Next(), "no row")
		var got []string
		for _, cell := range rows.RawValues() {
			got = append(got, string(cell))
		}
		Equal(got, []string{"7", "2024-02-29 01:02:03", "\\x00ff"})
		rows.Close()
		OK(rows.Err())
	})

	Run("prepared statements, named and reused, described", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		statement := Must(conn.Prepare(ctx, "twice", "select $1::int4 * 2 as doubled"))
		Equal(statement.ParamOIDs, []uint32{23})
		Equal(statement.Fields[0].Name, "doubled")
		for i := range int32(20) {
			Equal(value[int32](ctx, conn, "twice", i), i*2)
		}
		OK(conn.Deallocate(ctx, "twice"))
		_, err := conn.PgConn().ExecPrepared(ctx, "twice", [][]byte{[]byte("1")}, nil, nil).Close()
		fails("26000", err)
		_, err = conn.PgConn().Prepare(ctx, "same", "select 1", nil)
		OK(err)
		_, err = conn.PgConn().Prepare(ctx, "same", "select 2", nil)
		fails("42P05", err)
	})

	Run("more statements than the cache holds, and a stale plan", func(ctx context.Context) {
		conn := connect(ctx, With(URL, "statement_cache_capacity", "5"))
		defer closing(conn)
		for range 2 {
			for i := range int32(12) {
				Equal(value[int32](ctx, conn, fmt.Sprintf("select $1::int4 + %d", i), int32(1)), i+1)
			}
		}
		makeTable(ctx, conn, "id int, name text")
		run(ctx, conn, "insert into "+table+" values (1, 'a')")
		query := "select * from " + table
		Equal(len(Must(pgx.CollectOneRow(Must(conn.Query(ctx, query)), pgx.RowToMap))), 2)
		other := connect(ctx, URL)
		run(ctx, other, "alter table "+table+" add column extra int")
		closing(other)
		_, err := pgx.CollectRows(Must(conn.Query(ctx, query)), pgx.RowToMap)
		fails("0A000", err)
		// pgx drops the statement from its cache after that error.
		Equal(len(Must(pgx.CollectOneRow(Must(conn.Query(ctx, query)), pgx.RowToMap))), 3)
		run(ctx, conn, "drop table "+table)
	})

	Run("rows as they come, and left early", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		rows := Must(conn.Query(ctx, "select i, repeat('x', 100) from generate_series(1, 100000) i"))
		for i := int32(1); i <= 10; i++ {
			True(rows.Next(), "no row")
			var number int32
			OK(rows.Scan(&number, nil))
			Equal(number, i)
		}
		rows.Close()
		OK(rows.Err())
		Equal(value[int](ctx, conn, "select 1"), 1)
	})

	Run("100,000 rows", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		rows := Must(conn.Query(ctx, "select i, 'row ' || i from generate_series(1, $1) i", 100_000))
		count := 0
		var text string
		for rows.Next() {
			OK(rows.Scan(nil, &text))
			count++
		}
		OK(rows.Err())
		Equal(count, 100_000)
		Equal(text, "row 100000")
	})

	Run("values of 1 MB and 8 MB", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		for _, size := range []int{1 << 20, 8 << 20} {
			data := bytes.Repeat([]byte{0, 1, 2, 255}, size/4)
			True(bytes.Equal(value[[]byte](ctx, conn, "select $1::bytea", data), data), "the bytes differ")
			text := strings.Repeat("é", size/2)
			True(value[string](ctx, conn, "select $1::text", text) == text, "the text differs")
		}
	})

	Run("types of the user, looked up in the catalog", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		run(ctx, conn, "drop type if exists ew_pgx_point")
		run(ctx, conn, "drop type if exists ew_pgx_mood")
		run(ctx, conn, "create type ew_pgx_mood as enum ('sad', 'happy')")
		run(ctx, conn, "create type ew_pgx_point as (x int4, mood ew_pgx_mood)")
		types := Must(conn.LoadTypes(ctx, []string{"ew_pgx_mood", "ew_pgx_point", "_ew_pgx_point"}))
		conn.TypeMap().RegisterTypes(types)
		type point struct {
			X    int32
			Mood string
		}
		Equal(value[point](ctx, conn, "select $1::ew_pgx_point", point{7, "happy"}), point{7, "happy"})
		Equal(value[[]point](ctx, conn, "select $1::ew_pgx_point[]", []point{{1, "sad"}, {2, "happy"}}), []point{{1, "sad"}, {2, "happy"}})
		run(ctx, conn, "drop type ew_pgx_point")
		run(ctx, conn, "drop type ew_pgx_mood")
	})
}

func roundTrip[T any](ctx context.Context, conn *pgx.Conn, kind string, sent T) {
	var got T
	if err := conn.QueryRow(ctx, "select $1::"+kind, sent).Scan(&got); err != nil {
		Fail("%s: %v", kind, err)
	}
	if !reflect.DeepEqual(got, sent) {
		Fail("%s is %#v, expected %#v", kind, got, sent)
	}
}

func transactions() {
	Run("commit, rollback, savepoint", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		makeTable(ctx, conn, "id int")
		tx := Must(conn.Begin(ctx))
		Must(tx.Exec(ctx, "insert into "+table+" values (1)"))
		Equal(conn.PgConn().TxStatus(), byte('T'))
		inner := Must(tx.Begin(ctx))
		Must(inner.Exec(ctx, "insert into "+table+" values (2)"))
		OK(inner.Rollback(ctx))
		inner = Must(tx.Begin(ctx))
		Must(inner.Exec(ctx, "insert into "+table+" values (3)"))
		OK(inner.Commit(ctx))
		OK(tx.Commit(ctx))
		tx = Must(conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}))
		_, err := tx.Exec(ctx, "insert into "+table+" values (4)")
		fails("25006", err)
		OK(tx.Rollback(ctx))
		Equal(conn.PgConn().TxStatus(), byte('I'))
		Equal(value[[]int32](ctx, conn, "select array_agg(id order by id) from "+table), []int32{1, 3})
		run(ctx, conn, "drop table "+table)
	})

	Run("a failed transaction answers 25P02 until ROLLBACK", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		tx := Must(conn.Begin(ctx))
		_, err := tx.Exec(ctx, "select 1/$1::int", 0)
		fails("22012", err)
		Equal(conn.PgConn().TxStatus(), byte('E'))
		_, err = tx.Exec(ctx, "select 1")
		fails("25P02", err)
		// The server answers COMMIT with the tag ROLLBACK.
		True(errors.Is(tx.Commit(ctx), pgx.ErrTxCommitRollback), "COMMIT was not a ROLLBACK")
		Equal(value[int](ctx, conn, "select 1"), 1)
	})

	Run("SQLSTATEs with their fields, and work after them", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		Equal(fails("42P01", exec(ctx, conn, "select * from no_such_table where a = $1", 1)).Position, int32(15))
		makeTable(ctx, conn, "id int primary key")
		run(ctx, conn, "insert into "+table+" values (1)")
		err := fails("23505", exec(ctx, conn, "insert into "+table+" values ($1)", 1))
		Equal([]string{err.SchemaName, err.TableName, err.ConstraintName, err.Detail},
			[]string{"public", table, table + "_pkey", "Key (id)=(1) already exists."})
		fails("22012", exec(ctx, conn, "select 1/$1::int", 0))
		fails("42601", exec(ctx, conn, "selec 1"))
		_, undetermined := conn.Prepare(ctx, "", "select $2::int")
		fails("42P18", undetermined)
		Equal(value[int](ctx, conn, "select 1"), 1)
		run(ctx, conn, "drop table "+table)
	})

	Run("batches: one pipeline, all or nothing", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		makeTable(ctx, conn, "id int primary key")
		batch := &pgx.Batch{}
		for i := range 200 {
			batch.Queue("insert into "+table+" values ($1)", i)
		}
		batch.Queue("select count(*) from " + table)
		results := conn.SendBatch(ctx, batch)
		for range 200 {
			Equal(Must(results.Exec()).RowsAffected(), int64(1))
		}
		var count int
		OK(results.QueryRow().Scan(&count))
		Equal(count, 200)
		OK(results.Close())

		batch = &pgx.Batch{}
		batch.Queue("insert into "+table+" values ($1)", 1000)
		batch.Queue("insert into "+table+" values ($1)", 1)
		batch.Queue("insert into "+table+" values ($1)", 1001)
		fails("23505", conn.SendBatch(ctx, batch).Close())
		Equal(value[int](ctx, conn, "select count(*) from "+table), 200)
		run(ctx, conn, "drop table "+table)
	})

	Run("pipeline mode with several Syncs", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		pipeline := conn.PgConn().StartPipeline(ctx)
		pipeline.SendPrepare("p", "select $1::int4 + 1", nil)
		pipeline.SendQueryPrepared("p", [][]byte{[]byte("41")}, nil, nil)
		OK(pipeline.Sync())
		pipeline.SendQueryParams("select 1/0", nil, nil, nil, nil)
		pipeline.SendQueryParams("select 'skipped'", nil, nil, nil, nil)
		OK(pipeline.Sync())
		pipeline.SendQueryParams("select 'after'", nil, nil, nil, nil)
		OK(pipeline.Sync())
		var seen []string
		for syncs := 0; syncs < 3; {
			switch result := either(pipeline.GetResults()).(type) {
			case *pgconn.StatementDescription:
				seen = append(seen, "prepared")
			case *pgconn.ResultReader:
				read := result.Read()
				if read.Err != nil {
					seen = append(seen, fails("22012", read.Err).Code)
				} else {
					seen = append(seen, string(read.Rows[0][0]))
				}
			case *pgconn.PipelineSync:
				seen = append(seen, "sync")
				syncs++
			case error:
				seen = append(seen, fails("22012", result).Code)
			}
		}
		Equal(seen, []string{"prepared", "42", "sync", "22012", "sync", "after", "sync"})
		OK(pipeline.Close())
		Equal(value[int](ctx, conn, "select 1"), 1)
	})
}

// either gives the error as a value when there is one: GetResults reports a failed statement by its error.
func either(value any, err error) any {
	if err != nil {
		return err
	}
	return value
}

func asynchronous() {
	Run("LISTEN and NOTIFY", func(ctx context.Context) {
		listener := connect(ctx, URL)
		defer closing(listener)
		other := connect(ctx, URL)
		defer closing(other)
		run(ctx, listener, "listen ew_pgx_channel")
		run(ctx, other, "notify ew_pgx_channel, 'first'")
		run(ctx, other, "select pg_notify('ew_pgx_channel', $1)", "second")
		for _, payload := range []string{"first", "second"} {
			got := Must(listener.WaitForNotification(ctx))
			Equal([]string{got.Channel, got.Payload}, []string{"ew_pgx_channel", payload})
		}
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		_, err := listener.WaitForNotification(short)
		True(pgconn.Timeout(err), "no time-out")
		Equal(value[int](ctx, listener, "select 1"), 1)
	})

	Run("cancel gives 57014, and the session goes on", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		for _, query := range []string{Slow, "select pg_sleep(60)"} {
			timer := time.AfterFunc(500*time.Millisecond, func() { conn.PgConn().CancelRequest(ctx) })
			began := time.Now()
			err := fails("57014", exec(ctx, conn, query))
			timer.Stop()
			Equal(err.Message, "canceling statement due to user request")
			True(time.Since(began) < 15*time.Second, "the cancel took too long")
			Equal(value[int](ctx, conn, "select $1::int", 1), 1)
		}
	})

	Run("a context that ends breaks the connection, and the server forgets it", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		defer stop()
		_, err := conn.Exec(short, Slow)
		True(errors.Is(err, context.DeadlineExceeded), "no time-out")
		True(conn.IsClosed(), "the connection is open")
		// pgx sends a CancelRequest while it closes: nothing may be left that holds up the next client.
		next := connect(ctx, URL)
		defer closing(next)
		Equal(value[int](ctx, next, "select 1"), 1)
	})

	Run("notices", func(ctx context.Context) {
		config := Must(pgx.ParseConfig(URL))
		var seen []string
		config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
			seen = append(seen, notice.Severity+" "+notice.Code+" "+notice.Message)
		}
		conn := Must(pgx.ConnectConfig(ctx, config))
		defer closing(conn)
		run(ctx, conn, "do $$ begin raise notice 'hello'; raise warning 'careful'; end $$")
		Equal(seen, []string{"NOTICE 00000 hello", "WARNING 01000 careful"})
	})
}

func copies() {
	Run("COPY FROM in binary", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		makeTable(ctx, conn, "id int4, name text, at timestamptz, n numeric, ids int4[]")
		at := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
		source := pgx.CopyFromSlice(20_000, func(i int) ([]any, error) {
			return []any{i, fmt.Sprintf("name %d", i), at, fmt.Sprintf("%d.5", i), []int32{int32(i)}}, nil
		})
		Equal(Must(conn.CopyFrom(ctx, pgx.Identifier{table}, []string{"id", "name", "at", "n", "ids"}, source)), int64(20_000))
		Equal(value[string](ctx, conn, "select concat_ws(' ', count(*), sum(n), max(name)) from "+table), "20000 200000000.0 name 9999")
		broken := pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("source broke") })
		_, err := conn.CopyFrom(ctx, pgx.Identifier{table}, []string{"id"}, broken)
		True(err != nil, "no error")
		Equal(value[int](ctx, conn, "select 1"), 1)
		run(ctx, conn, "drop table "+table)
	})

	Run("COPY in csv and out in text", func(ctx context.Context) {
		conn := connect(ctx, URL)
		defer closing(conn)
		makeTable(ctx, conn, "id int4 primary key, name text")
		tag := Must(conn.PgConn().CopyFrom(ctx, strings.NewReader("1,one\n2,\n"), "copy "+table+" from stdin (format csv)"))
		Equal(tag.String(), "COPY 2")
		var out bytes.Buffer
		tag = Must(conn.PgConn().CopyTo(ctx, &out, "copy (select * from "+table+" order by id) to stdout"))
		Equal(tag.String(), "COPY 2")
		Equal(out.String(), "1\tone\n2\t\\N\n")
		_, err := conn.PgConn().CopyFrom(ctx, strings.NewReader("3,a\nbad,b\n"), "copy "+table+" from stdin (format csv)")
		fails("22P02", err)
		_, err = conn.PgConn().CopyFrom(ctx, io.MultiReader(strings.NewReader("4,a\n"), &failing{}), "copy "+table+" from stdin (format csv)")
		fails("57014", err)
		_, err = conn.PgConn().CopyTo(ctx, &out, "copy no_such_table to stdout")
		fails("42P01", err)
		Equal(value[int](ctx, conn, "select count(*) from "+table), 2)
		run(ctx, conn, "drop table "+table)
	})
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("source broke") }

func sessions() {
	Run("ParameterStatus follows SET", func(ctx context.Context) {
		conn := connect(ctx, With(URL, "application_name", "first", "search_path", "pg_catalog"))
		defer closing(conn)
		status := conn.PgConn().ParameterStatus
		Equal(status("application_name"), "first")
		Equal(status("standard_conforming_strings"), "on")
		Equal(value[string](ctx, conn, "show search_path"), "pg_catalog")
		run(ctx, conn, "set application_name = 'second'")
		Equal(status("application_name"), "second")
		run(ctx, conn, "select set_config('timezone', $1, false)", "Asia/Tokyo")
		Equal(status("TimeZone"), "Asia/Tokyo")
	})

	Run("two connections do not share settings or statements", func(ctx context.Context) {
		one, two := connect(ctx, URL), connect(ctx, URL)
		defer closing(one)
		defer closing(two)
		before := value[string](ctx, two, "show work_mem")
		run(ctx, one, "set work_mem = '7MB'")
		Equal(value[string](ctx, two, "show work_mem"), before)
		Must(one.Prepare(ctx, "same", "select $1::int4 * 2"))
		Must(two.Prepare(ctx, "same", "select $1::text || '!'"))
		for i := range int32(3) {
			Equal(value[int32](ctx, one, "same", i), i*2)
			Equal(value[string](ctx, two, "same", "s"), "s!")
		}
		Equal(value[string](ctx, one, "show work_mem"), "7MB")
	})

	Run("a temporary table is gone with its connection", func(ctx context.Context) {
		one := connect(ctx, URL)
		run(ctx, one, "create temporary table ew_pgx_temp as select 1 as a")
		Equal(value[int](ctx, one, "select a from ew_pgx_temp"), 1)
		closing(one)
		two := connect(ctx, URL)
		defer closing(two)
		fails("42P01", exec(ctx, two, "select a from ew_pgx_temp"))
	})

	Run("8 concurrent connections from a pool", func(ctx context.Context) {
		pool := Must(pgxpool.New(ctx, With(URL, "pool_max_conns", "8", "pool_min_conns", "8")))
		defer pool.Close()
		Must(pool.Exec(ctx, "drop table if exists "+table))
		Must(pool.Exec(ctx, "create table "+table+" (id int primary key, n int not null)"))
		Must(pool.Exec(ctx, "insert into "+table+" select i, 0 from generate_series(0, 15) i"))
		var group sync.WaitGroup
		errs := make(chan error, 16)
		for number := range 16 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 10 {
					err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
						_, err := tx.Exec(ctx, "update "+table+" set n = n + 1 where id = $1", number)
						return err
					})
					if err != nil {
						errs <- err
						return
					}
				}
			}()
		}
		group.Wait()
		close(errs)
		for err := range errs {
			OK(err)
		}
		var sum int
		OK(pool.QueryRow(ctx, "select sum(n) from "+table).Scan(&sum))
		Equal(sum, 160)
		Must(pool.Exec(ctx, "drop table "+table))
	})
}
