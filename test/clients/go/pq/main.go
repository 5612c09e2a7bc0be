// lib/pq through database/sql: Parse, Describe and Sync before Bind when there are arguments, else a simple Query.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	. "edgewire.test/clients/check"

	"github.com/lib/pq"
)

const table = "ew_pq"

// address has sslmode=disable unless the URL says otherwise: lib/pq demands TLS by default.
func address(pairs ...string) string {
	if !strings.Contains(URL, "sslmode=") {
		pairs = append([]string{"sslmode", "disable"}, pairs...)
	}
	return With(URL, pairs...)
}

// open returns a pool and one connection of it.
func open(ctx context.Context, address string) (*sql.DB, *sql.Conn) {
	db := Must(sql.Open("postgres", address))
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		Fail("%v", err)
	}
	return db, conn
}

func connect(ctx context.Context) (*sql.Conn, func()) {
	db, conn := open(ctx, address())
	return conn, func() {
		conn.Close()
		db.Close()
	}
}

type querier interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func run(ctx context.Context, on querier, query string, values ...any) int64 {
	return Must(Must(on.ExecContext(ctx, query, values...)).RowsAffected())
}

func value[T any](ctx context.Context, on querier, query string, values ...any) T {
	var result T
	OK(on.QueryRowContext(ctx, query, values...).Scan(&result))
	return result
}

func makeTable(ctx context.Context, on querier, columns string) {
	run(ctx, on, "drop table if exists "+table)
	run(ctx, on, "create table "+table+" ("+columns+")")
}

func fails(code string, err error) *pq.Error {
	var pqErr *pq.Error
	if !errors.As(err, &pqErr) {
		Fail("error is %v, expected %s", err, code)
	}
	if string(pqErr.Code) != code {
		Fail("SQLSTATE is %s (%s), expected %s", pqErr.Code, pqErr.Message, code)
	}
	return pqErr
}

func exec(ctx context.Context, on querier, query string, values ...any) error {
	_, err := on.ExecContext(ctx, query, values...)
	return err
}

func ping(ctx context.Context, address string) error {
	db := Must(sql.Open("postgres", address))
	defer db.Close()
	return db.PingContext(ctx)
}

func main() {
	connecting()
	queries()
	transactions()
	asynchronous()
	sessions()
	fmt.Println("done")
}

func connecting() {
	Run("connects and reports the server version", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		OK(conn.PingContext(ctx))
		True(strings.HasPrefix(value[string](ctx, conn, "select version()"), "PostgreSQL "), "version()")
	})

	Run("refuses an unknown database with 3D000", func(ctx context.Context) {
		fails("3D000", ping(ctx, WithDatabase(address(), "no_such_database")))
	})

	if HasPassword {
		Run("authenticates with SCRAM over TLS", func(ctx context.Context) {
			OK(ping(ctx, address()))
			fails("28P01", ping(ctx, WithPassword(address(), "wrong")))
		})
	}

	if NoTLS {
		Run("reports that the server has no TLS", func(ctx context.Context) {
			err := ping(ctx, address("sslmode", "require"))
			True(errors.Is(err, pq.ErrSSLNotSupported), fmt.Sprint("error is ", err))
		})
	}

	if DirectTLS {
		// lib/pq 1.12 sends no ALPN, without which PostgreSQL refuses direct TLS, lest another protocol be tunnelled.
		Run("direct TLS without ALPN is refused", func(ctx context.Context) {
			True(ping(ctx, address("sslnegotiation", "direct")) != nil, "connected")
			OK(ping(ctx, address()))
		})
	}

	Run("asks for protocol 3.2", func(ctx context.Context) {
		db, conn := open(ctx, address("max_protocol_version", "3.2"))
		defer db.Close()
		Equal(value[int](ctx, conn, "select $1::int", 1), 1)
		short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		defer stop()
		True(exec(short, conn, Slow) != nil, "no error")
	})

	Run("binary_parameters and prepared results in text", func(ctx context.Context) {
		for _, option := range []string{"binary_parameters", "disable_prepared_binary_result"} {
			db, conn := open(ctx, address(option, "yes"))
			for i := range 3 {
				Equal(value[int](ctx, conn, "select $1::int + 1", i), i+1)
				Equal(value[[]byte](ctx, conn, "select $1::bytea", []byte{0, 255}), []byte{0, 255})
			}
			db.Close()
		}
	})
}

func queries() {
	Run("queries, names, types and counts", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		for _, arguments := range [][]any{nil, {1}} {
			query := "select 1 as a, 'x'::text as b, 1 as a, null::numeric(8,2) as d"
			if arguments != nil {
				query = strings.Replace(query, "1", "$1::int", 1)
			}
			rows := Must(conn.QueryContext(ctx, query, arguments...))
			Equal(Must(rows.Columns()), []string{"a", "b", "a", "d"})
			types := Must(rows.ColumnTypes())
			Equal(types[3].DatabaseTypeName(), "NUMERIC")
			precision, scale, _ := types[3].DecimalSize()
			Equal([]int64{precision, scale}, []int64{8, 2})
			OK(rows.Close())
		}
		makeTable(ctx, conn, "id int primary key, name text")
		Equal(run(ctx, conn, "insert into "+table+" values (1, 'a'), (2, 'b')"), int64(2))
		Equal(run(ctx, conn, "insert into "+table+" values ($1, $2)", 3, nil), int64(1))
		Equal(run(ctx, conn, "update "+table+" set name = $1 where id > 1", "z"), int64(2))
		Equal(run(ctx, conn, "delete from "+table), int64(3))
		run(ctx, conn, "drop table "+table)
		OK(exec(ctx, conn, ""))
		OK(exec(ctx, conn, "-- only a comment"))
	})

	Run("several results of one query", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		rows := Must(conn.QueryContext(ctx, "select 1 union all select 2; select 'x'"))
		var numbers []int
		for rows.Next() {
			var number int
			OK(rows.Scan(&number))
			numbers = append(numbers, number)
		}
		Equal(numbers, []int{1, 2})
		True(rows.NextResultSet(), "no second result")
		True(rows.Next(), "no row")
		var text string
		OK(rows.Scan(&text))
		Equal(text, "x")
		OK(rows.Close())
	})

	Run("values of every common type", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		data := make([]byte, 256)
		for i := range data {
			data[i] = byte(i)
		}
		at := time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC)
		Equal(value[int64](ctx, conn, "select $1::int8", int64(-(1<<40))), int64(-(1 << 40)))
		Equal(value[float64](ctx, conn, "select $1::float8", 1e308), 1e308)
		Equal(value[bool](ctx, conn, "select $1::bool", true), true)
		Equal(value[string](ctx, conn, "select $1::text", "it's \\ é 😀"), "it's \\ é 😀")
		Equal(value[[]byte](ctx, conn, "select $1::bytea", data), data)
		True(at.Equal(value[time.Time](ctx, conn, "select $1::timestamp", at)), "timestamp differs")
		True(at.Equal(value[time.Time](ctx, conn, "select $1::timestamptz", at)), "timestamptz differs")
		Equal(value[string](ctx, conn, "select $1::numeric", "12345678901234567890.123456789"), "12345678901234567890.123456789")
		Equal(value[string](ctx, conn, "select $1::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
		Equal(value[string](ctx, conn, "select $1::json", `{"a": [1, null]}`), `{"a": [1, null]}`)
		Equal(value[sql.NullString](ctx, conn, "select $1::text", nil), sql.NullString{})
		var numbers []int64
		OK(conn.QueryRowContext(ctx, "select $1::int[]", pq.Array([]int64{1, 2, 3})).Scan(pq.Array(&numbers)))
		Equal(numbers, []int64{1, 2, 3})
		var texts []string
		OK(conn.QueryRowContext(ctx, "select $1::text[]", pq.Array([]string{"a", "q\"uote", "b c"})).Scan(pq.Array(&texts)))
		Equal(texts, []string{"a", "q\"uote", "b c"})
	})

	Run("a prepared statement used 20 times", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		statement := Must(conn.PrepareContext(ctx, "select $1::int * 2"))
		for i := range 20 {
			var doubled int
			OK(statement.QueryRowContext(ctx, i).Scan(&doubled))
			Equal(doubled, i*2)
		}
		OK(statement.Close())
		_, err := conn.PrepareContext(ctx, "select * from no_such_table")
		fails("42P01", err)
	})

	Run("100,000 rows", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		rows := Must(conn.QueryContext(ctx, "select i, 'row ' || i from generate_series(1, $1) i", 100_000))
		count := 0
		var number int
		var text string
		for rows.Next() {
			OK(rows.Scan(&number, &text))
			count++
		}
		OK(rows.Err())
		Equal(count, 100_000)
		Equal(text, "row 100000")
	})

	Run("rows left early", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		rows := Must(conn.QueryContext(ctx, "select i from generate_series(1, 100000) i"))
		True(rows.Next(), "no row")
		OK(rows.Close())
		Equal(value[int](ctx, conn, "select 1"), 1)
	})

	Run("values of 1 MB and 8 MB", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		for _, size := range []int{1 << 20, 8 << 20} {
			data := bytes.Repeat([]byte{0, 1, 2, 255}, size/4)
			True(bytes.Equal(value[[]byte](ctx, conn, "select $1::bytea", data), data), "the bytes differ")
		}
	})
}

func transactions() {
	Run("commit, rollback, savepoint", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		makeTable(ctx, conn, "id int")
		tx := Must(conn.BeginTx(ctx, nil))
		run(ctx, tx, "insert into "+table+" values (1)")
		run(ctx, tx, "savepoint s")
		run(ctx, tx, "insert into "+table+" values ($1)", 2)
		run(ctx, tx, "rollback to savepoint s")
		run(ctx, tx, "insert into "+table+" values ($1)", 3)
		OK(tx.Commit())
		tx = Must(conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true}))
		fails("25006", exec(ctx, tx, "insert into "+table+" values (4)"))
		OK(tx.Rollback())
		var ids []int64
		OK(conn.QueryRowContext(ctx, "select array_agg(id order by id) from "+table).Scan(pq.Array(&ids)))
		Equal(ids, []int64{1, 3})
		run(ctx, conn, "drop table "+table)
	})

	Run("a failed transaction answers 25P02 until ROLLBACK", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		tx := Must(conn.BeginTx(ctx, nil))
		fails("22012", exec(ctx, tx, "select 1/$1::int", 0))
		fails("25P02", exec(ctx, tx, "select 1"))
		True(tx.Commit() != nil, "COMMIT of a failed transaction is no error")
		Equal(value[int](ctx, conn, "select 1"), 1)
	})

	Run("SQLSTATEs with their fields, and work after them", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		Equal(fails("42P01", exec(ctx, conn, "select * from no_such_table")).Position, "15")
		Equal(fails("42P01", exec(ctx, conn, "select * from no_such_table where a = $1", 1)).Position, "15")
		makeTable(ctx, conn, "id int primary key")
		run(ctx, conn, "insert into "+table+" values (1)")
		err := fails("23505", exec(ctx, conn, "insert into "+table+" values ($1)", 1))
		Equal([]string{err.Table, err.Constraint, err.Detail}, []string{table, table + "_pkey", "Key (id)=(1) already exists."})
		fails("22012", exec(ctx, conn, "select 1/0"))
		Equal(value[int](ctx, conn, "select 1"), 1)
		run(ctx, conn, "drop table "+table)
	})

	Run("COPY in", func(ctx context.Context) {
		conn, done := connect(ctx)
		defer done()
		makeTable(ctx, conn, "id int primary key, name text")
		tx := Must(conn.BeginTx(ctx, nil))
		statement := Must(tx.PrepareContext(ctx, pq.CopyIn(table, "id", "name")))
		for i := range 5000 {
			Must(statement.ExecContext(ctx, i, fmt.Sprintf("tab\t %d", i)))
		}
		Equal(Must(Must(statement.ExecContext(ctx)).RowsAffected()), int64(5000))
		OK(statement.Close())
		OK(tx.Commit())
		Equal(value[int](ctx, conn, "select count(*) from "+table), 5000)

		tx = Must(conn.BeginTx(ctx, nil))
		statement = Must(tx.PrepareContext(ctx, pq.CopyIn(table, "id", "name")))
		Must(statement.ExecContext(ctx, 1, "again"))
		_, err := statement.ExecContext(ctx)
		fails("23505", err)
		statement.Close()
		OK(tx.Rollback())
		Equal(value[int](ctx, conn, "select count(*) from "+table), 5000)
		run(ctx, conn, "drop table "+table)
	})
}

func asynchronous() {
	Run("LISTEN and NOTIFY", func(ctx context.Context) {
		listener := pq.NewListener(address(), 100*time.Millisecond, time.Second, nil)
		defer listener.Close()
		OK(listener.Listen("ew_pq_channel"))
		conn, done := connect(ctx)
		defer done()
		run(ctx, conn, "notify ew_pq_channel, 'first'")
		run(ctx, conn, "select pg_notify('ew_pq_channel', $1)", "second")
		for _, payload := range []string{"first", "second"} {
			select {
			case got := <-listener.Notify:
				True(got != nil, "the connection was lost")
				Equal([]string{got.Channel, got.Extra}, []string{"ew_pq_channel", payload})
			case <-time.After(15 * time.Second):
				Fail("no notification")
			}
		}
		OK(listener.Ping())
		OK(listener.Unlisten("ew_pq_channel"))
	})

	Run("a context that ends cancels the statement", func(ctx context.Context) {
		for _, query := range []string{Slow, "select pg_sleep(60)"} {
			conn, done := connect(ctx)
			short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
			began := time.Now()
			err := exec(short, conn, query)
			stop()
			True(err != nil, "no error")
			True(time.Since(began) < 15*time.Second, "the cancel took too long")
			done()
			conn, done = connect(ctx)
			Equal(value[int](ctx, conn, "select 1"), 1)
			done()
		}
	})

	Run("statement_timeout gives 57014, and the session goes on", func(ctx context.Context) {
		db, conn := open(ctx, address("statement_timeout", "400"))
		defer db.Close()
		fails("57014", exec(ctx, conn, Slow))
		Equal(value[int](ctx, conn, "select $1::int", 1), 1)
	})

	Run("notices", func(ctx context.Context) {
		var seen []string
		connector := pq.ConnectorWithNoticeHandler(Must(pq.NewConnector(address())), func(notice *pq.Error) {
			seen = append(seen, notice.Severity+" "+notice.Message)
		})
		db := sql.OpenDB(connector)
		defer db.Close()
		run(ctx, db, "do $$ begin raise notice 'hello'; raise warning 'careful'; end $$")
		Equal(seen, []string{"NOTICE hello", "WARNING careful"})
	})
}

func sessions() {
	Run("parameters of the startup packet", func(ctx context.Context) {
		db, conn := open(ctx, address("application_name", "first", "search_path", "pg_catalog", "TimeZone", "Asia/Tokyo"))
		defer db.Close()
		Equal(value[string](ctx, conn, "show application_name"), "first")
		Equal(value[string](ctx, conn, "show search_path"), "pg_catalog")
		Equal(value[string](ctx, conn, "show timezone"), "Asia/Tokyo")
		err := ping(ctx, address("no_such_parameter", "x"))
		fails("42704", err)
	})

	Run("two connections do not share settings or statements", func(ctx context.Context) {
		one, doneOne := connect(ctx)
		defer doneOne()
		two, doneTwo := connect(ctx)
		defer doneTwo()
		before := value[string](ctx, two, "show work_mem")
		run(ctx, one, "set work_mem = '7MB'")
		Equal(value[string](ctx, two, "show work_mem"), before)
		first := Must(one.PrepareContext(ctx, "select $1::int * 2"))
		second := Must(two.PrepareContext(ctx, "select $1::text || '!'"))
		for i := range 3 {
			var number int
			var text string
			OK(first.QueryRowContext(ctx, i).Scan(&number))
			OK(second.QueryRowContext(ctx, "s").Scan(&text))
			Equal(number, i*2)
			Equal(text, "s!")
		}
		Equal(value[string](ctx, one, "show work_mem"), "7MB")
	})

	Run("a temporary table is gone with its connection", func(ctx context.Context) {
		one, done := connect(ctx)
		run(ctx, one, "create temporary table ew_pq_temp as select 1 as a")
		Equal(value[int](ctx, one, "select a from ew_pq_temp"), 1)
		done()
		two, done := connect(ctx)
		defer done()
		fails("42P01", exec(ctx, two, "select a from ew_pq_temp"))
	})

	Run("8 concurrent connections from a pool", func(ctx context.Context) {
		db := Must(sql.Open("postgres", address()))
		defer db.Close()
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		makeTable(ctx, db, "id int primary key, n int not null")
		run(ctx, db, "insert into "+table+" select i, 0 from generate_series(0, 15) i")
		var group sync.WaitGroup
		errs := make(chan error, 16)
		for number := range 16 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 10 {
					if err := increment(ctx, db, number); err != nil {
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
		Equal(value[int](ctx, db, "select sum(n) from "+table), 160)
		run(ctx, db, "drop table "+table)
	})
}

func increment(ctx context.Context, db *sql.DB, number int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "update "+table+" set n = n + 1 where id = $1", number); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}
