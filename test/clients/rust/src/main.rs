//! tokio-postgres: Parse, Describe and Sync, then Bind with binary parameters and results; requests are
//! pipelined whenever several futures wait at once. What it prints is described in programs.ts.

mod check;
mod numeric;
mod session;

use std::time::{Duration, Instant};

use bytes::Bytes;
use check::{fail, Check, Outcome};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use futures_util::{future, pin_mut, SinkExt, TryStreamExt};
use numeric::Numeric;
use session::{connect, connect_with, has_password, Session};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::config::{ChannelBinding, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Kind, Type};
use tokio_postgres::{IsolationLevel, SimpleQueryMessage};
use uuid::Uuid;

const TABLE: &str = "ew_tokio";

/// Minutes of work in little memory, checked for interrupts at each row: what the cancel checks interrupt.
const SLOW: &str = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b";

#[tokio::main]
async fn main() {
    let mut check = Check::new();
    connecting(&mut check).await;
    queries(&mut check).await;
    transactions(&mut check).await;
    copies(&mut check).await;
    asynchronous(&mut check).await;
    sessions(&mut check).await;
    println!("done");
}

/// The server's error of a request that has to fail, when its SQLSTATE is the expected one.
fn fails<T>(
    result: Result<T, tokio_postgres::Error>,
    code: &SqlState,
) -> Result<tokio_postgres::error::DbError, Box<dyn std::error::Error>> {
    let Err(error) = result else { return fail(format!("no error, expected {}", code.code())) };
    let Some(database) = error.as_db_error() else { return fail(format!("not the server's error: {error:?}")) };
    if database.code() != code {
        return fail(format!(
            "SQLSTATE is {} ({}), expected {}",
            database.code().code(),
            database.message(),
            code.code()
        ));
    }
    Ok(database.clone())
}

async fn make_table(session: &Session, columns: &str) -> Outcome {
    session.batch_execute(&format!("drop table if exists {TABLE}; create table {TABLE} ({columns})")).await?;
    Ok(())
}

async fn drop_table(session: &Session) -> Outcome {
    session.batch_execute(&format!("drop table {TABLE}")).await?;
    Ok(())
}

async fn connecting(check: &mut Check) {
    check
        .run("connects and reports the server version", async || {
            let session = connect().await?;
            let version: String = session.query_one("show server_version", &[]).await?.get(0);
            equal!(session.parameter("server_version"), Some(version));
            session.check_connection().await?;
            Ok(())
        })
        .await;

    check
        .run("refuses an unknown database with 3D000", async || {
            let refused = connect_with(|config| {
                config.dbname("no_such_database");
            })
            .await;
            fails(refused, &SqlState::UNDEFINED_DATABASE)?;
            Ok(())
        })
        .await;

    if has_password() {
        check
            .run("authenticates with SCRAM over TLS, bound to the channel", async || {
                let session = connect_with(|config| {
                    config.channel_binding(ChannelBinding::Require);
                })
                .await?;
                equal!(session.query_one("select 1", &[]).await?.get::<_, i32>(0), 1);
                let refused = connect_with(|config| {
                    config.password("wrong");
                })
                .await;
                fails(refused, &SqlState::INVALID_PASSWORD)?;
                Ok(())
            })
            .await;
    }

    if session::direct_tls() {
        check
            .run("connects by direct TLS", async || {
                let session = connect_with(|config| {
                    config.ssl_negotiation(SslNegotiation::Direct);
                })
                .await?;
                equal!(session.query_one("select 1", &[]).await?.get::<_, i32>(0), 1);
                Ok(())
            })
            .await;
    }
}

async fn queries(check: &mut Check) {
    check
        .run("simple queries, several and empty", async || {
            let session = connect().await?;
            let messages = session
                .simple_query("select 1 as a, null::text as b; select 'x' where false; set work_mem = '5MB'")
                .await?;
            let mut seen = Vec::new();
            for message in &messages {
                seen.push(match message {
                    SimpleQueryMessage::RowDescription(columns) => format!("columns {}", columns.len()),
                    SimpleQueryMessage::Row(row) => format!("row {:?} {:?}", row.get(0), row.try_get("b")?),
                    SimpleQueryMessage::CommandComplete(count) => format!("complete {count}"),
                    _ => "other".into(),
                });
            }
            equal!(seen, ["columns 2", "row Some(\"1\") None", "complete 1", "columns 1", "complete 0", "complete 0"]);
            session.simple_query("").await?;
            session.simple_query("-- only a comment").await?;
            equal!(session.query("", &[]).await?.len(), 0);
            fails(session.batch_execute("select 1; select 1/0; select 2").await, &SqlState::DIVISION_BY_ZERO)?;
            Ok(())
        })
        .await;

    check
        .run("describes a statement before it runs", async || {
            let session = connect().await?;
            let statement =
                session.prepare("select $1::int4 as a, $2::text || 'x' as b, $3::numeric as a, now() as d").await?;
            equal!(statement.params(), [Type::INT4, Type::TEXT, Type::NUMERIC]);
            let columns: Vec<_> =
                statement.columns().iter().map(|column| (column.name(), column.type_().clone())).collect();
            equal!(columns, [("a", Type::INT4), ("b", Type::TEXT), ("a", Type::NUMERIC), ("d", Type::TIMESTAMPTZ)]);
            make_table(&session, "id int primary key, name text").await?;
            let insert = session.prepare(&format!("insert into {TABLE} values ($1, $2)")).await?;
            equal!(insert.columns().len(), 0);
            equal!(session.execute(&insert, &[&1, &"a"]).await?, 1);
            equal!(session.execute(&insert, &[&2, &None::<&str>]).await?, 1);
            equal!(session.execute(&format!("update {TABLE} set name = 'z'"), &[]).await?, 2);
            let select = session.prepare(&format!("select name from {TABLE}")).await?;
            let oid: u32 = session.query_one(&format!("select '{TABLE}'::regclass::oid"), &[]).await?.get(0);
            equal!((select.columns()[0].table_oid(), select.columns()[0].column_id()), (Some(oid), Some(2)));
            drop_table(&session).await
        })
        .await;

    check
        .run("values of every common type, in binary both ways", async || {
            let session = connect().await?;
            let at: NaiveDateTime = NaiveDate::from_ymd_opt(2024, 2, 29)
                .and_then(|day| day.and_hms_micro_opt(12, 34, 56, 789_012))
                .ok_or("date")?;
            let instant: DateTime<Utc> = at.and_utc();
            let data: Vec<u8> = (0..=255).collect();
            macro_rules! round_trip {
                ($kind:literal, $type:ty, $value:expr) => {
                    let sent: $type = $value;
                    let row = session.query_one(concat!("select $1::", $kind), &[&sent]).await?;
                    let got: $type = row.try_get(0)?;
                    equal!(got, sent);
                };
            }
            round_trip!("bool", bool, true);
            round_trip!("int2", i16, -32768);
            round_trip!("int4", i32, 42);
            round_trip!("int8", i64, -(1 << 40));
            round_trip!("oid", u32, 4_000_000_000);
            round_trip!("float4", f32, 1.5);
            round_trip!("float8", f64, 1e308);
            round_trip!("text", String, "it's \\ a \"test\" é 😀".into());
            round_trip!("varchar", String, String::new());
            round_trip!("bytea", Vec<u8>, data.clone());
            round_trip!("timestamp", NaiveDateTime, at);
            round_trip!("timestamptz", DateTime<Utc>, instant);
            round_trip!("date", NaiveDate, at.date());
            round_trip!("time", NaiveTime, at.time());
            round_trip!("uuid", Uuid, Uuid::from_u128(0xa0eebc99_9c0b_4ef8_bb6d_6bb9bd380a11));
            round_trip!("json", serde_json::Value, serde_json::json!({"a": [1, null]}));
            round_trip!("jsonb", serde_json::Value, serde_json::json!({"é": true}));
            round_trip!("int4[]", Vec<Option<i32>>, vec![Some(1), None, Some(3)]);
            round_trip!("text[]", Vec<String>, vec!["a".into(), "q\"uote".into(), String::new()]);
            round_trip!("text", Option<String>, None);
            let number =
                session.query_one("select '-12345678901234567890.123456789'::numeric", &[]).await?.get::<_, Numeric>(0);
            let row = session
                .query_one("select $1::numeric = '-12345678901234567890.123456789', $1::numeric::text", &[&number])
                .await?;
            equal!((row.get(0), row.get(1)), (true, "-12345678901234567890.123456789"));
            Ok(())
        })
        .await;

    check.run("types of the user, looked up in the catalog", async || {
        let session = connect().await?;
        session.batch_execute("drop type if exists ew_tokio_thing; drop type if exists ew_tokio_mood; drop domain if exists ew_tokio_small;
            create type ew_tokio_mood as enum ('sad', 'happy'); create domain ew_tokio_small as int;
            create type ew_tokio_thing as (x ew_tokio_small, moods ew_tokio_mood[])").await?;
        let statement = session.prepare("select $1::ew_tokio_thing, 'happy'::ew_tokio_mood, int4range(1, 5)").await?;
        let Kind::Composite(fields) = statement.params()[0].kind() else { return fail("not a composite type") };
        equal!(fields.iter().map(|field| field.name()).collect::<Vec<_>>(), ["x", "moods"]);
        let Kind::Domain(base) = fields[0].type_().kind() else { return fail("not a domain") };
        equal!(*base, Type::INT4);
        let Kind::Enum(labels) = statement.columns()[1].type_().kind() else { return fail("not an enum") };
        equal!(labels, &["sad", "happy"]);
        session.batch_execute("drop type ew_tokio_thing; drop type ew_tokio_mood; drop domain ew_tokio_small").await?;
        Ok(())
    }).await;

    check
        .run("a prepared statement used 50 times, and closed", async || {
            let session = connect().await?;
            let statement = session.prepare("select $1::int4 * 2").await?;
            for number in 0..50 {
                equal!(session.query_one(&statement, &[&number]).await?.get::<_, i32>(0), number * 2);
            }
            drop(statement);
            let left = session
                .query_one("select count(*) from pg_prepared_statements where statement like '%* 2'", &[])
                .await?;
            equal!(left.get::<_, i64>(0), 0);
            let typed = session.query_typed("select $1 + 1", &[(&41i32, Type::INT4)]).await?; // the unnamed statement
            equal!(typed[0].get::<_, i32>(0), 42);
            Ok(())
        })
        .await;

    check
        .run("pipelined requests", async || {
            let session = connect().await?;
            let statement = session.prepare("select $1::int4 + 1").await?;
            let sent: Vec<i32> = (0..200).collect();
            let answers = future::try_join_all(sent.iter().map(|number| {
                let session = &session;
                let statement = &statement;
                async move { session.query_one(statement, &[number]).await }
            }))
            .await?;
            let sum: i32 = answers.iter().map(|row| row.get::<_, i32>(0)).sum();
            equal!(sum, (1..=200).sum::<i32>());
            // Each request has its own Sync: the error of one leaves its neighbours alone.
            let (before, wrong, simple, after) = future::join4(
                session.query_one("select 'before'", &[]),
                session.query_one("select 1/$1::int4", &[&0]),
                session.simple_query("select 'simple'"),
                session.query_one("select 'after'", &[]),
            )
            .await;
            equal!(before?.get::<_, &str>(0), "before");
            fails(wrong, &SqlState::DIVISION_BY_ZERO)?;
            equal!(simple?.len(), 3);
            equal!(after?.get::<_, &str>(0), "after");
            Ok(())
        })
        .await;

    check
        .run("100,000 rows, streamed", async || {
            let session = connect().await?;
            let rows =
                session.query_raw("select i, 'row ' || i from generate_series(1, $1::int4) i", [100_000i32]).await?;
            pin_mut!(rows);
            let mut count = 0;
            let mut last = String::new();
            while let Some(row) = rows.try_next().await? {
                count += 1;
                last = row.get(1);
            }
            equal!((count, last.as_str()), (100_000, "row 100000"));
            Ok(())
        })
        .await;

    check
        .run("values of 1 MB and 8 MB", async || {
            let session = connect().await?;
            for size in [1 << 20, 8 << 20] {
                let data: Vec<u8> = (0..size).map(|index| index as u8).collect();
                let row = session.query_one("select length($1::bytea), $1::bytea", &[&data]).await?;
                equal!(row.get::<_, i32>(0), size);
                if row.get::<_, &[u8]>(1) != data {
                    return fail("the bytes differ");
                }
            }
            Ok(())
        })
        .await;
}

async fn transactions(check: &mut Check) {
    check
        .run("commit, rollback, savepoint", async || {
            let mut session = connect().await?;
            make_table(&session, "id int").await?;
            let mut transaction = session.transaction().await?;
            transaction.execute(&format!("insert into {TABLE} values (1)"), &[]).await?;
            let savepoint = transaction.savepoint("s").await?;
            savepoint.execute(&format!("insert into {TABLE} values (2)"), &[]).await?;
            savepoint.rollback().await?;
            transaction.execute(&format!("insert into {TABLE} values (3)"), &[]).await?;
            transaction.commit().await?;
            let transaction = session
                .build_transaction()
                .isolation_level(IsolationLevel::Serializable)
                .read_only(true)
                .start()
                .await?;
            let refused = transaction.execute(&format!("insert into {TABLE} values (4)"), &[]).await;
            fails(refused, &SqlState::READ_ONLY_SQL_TRANSACTION)?;
            drop(transaction); // rolls back
            let ids: Vec<i32> =
                session.query_one(&format!("select array_agg(id order by id) from {TABLE}"), &[]).await?.get(0);
            equal!(ids, [1, 3]);
            drop_table(&session).await
        })
        .await;

    check
        .run("a failed transaction answers 25P02 until ROLLBACK", async || {
            let mut session = connect().await?;
            let transaction = session.transaction().await?;
            fails(transaction.query("select 1/$1::int4", &[&0]).await, &SqlState::DIVISION_BY_ZERO)?;
            fails(transaction.query("select 1", &[]).await, &SqlState::IN_FAILED_SQL_TRANSACTION)?;
            fails(transaction.simple_query("select 1").await, &SqlState::IN_FAILED_SQL_TRANSACTION)?;
            transaction.rollback().await?;
            equal!(session.query_one("select 1", &[]).await?.get::<_, i32>(0), 1);
            Ok(())
        })
        .await;

    check
        .run("portals: a result read in parts", async || {
            let mut session = connect().await?;
            let transaction = session.transaction().await?;
            let portal = transaction.bind("select i from generate_series(1, $1::int4) i", &[&100]).await?;
            let other = transaction.bind("select 'other'", &[]).await?;
            let mut sum = 0;
            let mut parts = 0;
            loop {
                let rows = transaction.query_portal(&portal, 7).await?;
                if rows.is_empty() {
                    break;
                }
                parts += 1;
                sum += rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>();
                if parts == 3 {
                    equal!(transaction.query_portal(&other, 0).await?.len(), 1)
                }
            }
            equal!((sum, parts), (5050, 15));
            transaction.commit().await?;
            Ok(())
        })
        .await;

    check
        .run("SQLSTATEs with their fields, and work after them", async || {
            let session = connect().await?;
            let error = fails(
                session.query("select * from no_such_table where a = $1", &[&1]).await,
                &SqlState::UNDEFINED_TABLE,
            )?;
            equal!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(15)));
            make_table(&session, "id int primary key").await?;
            let insert = format!("insert into {TABLE} values ($1)");
            session.execute(&insert, &[&1]).await?;
            let error = fails(session.execute(&insert, &[&1]).await, &SqlState::UNIQUE_VIOLATION)?;
            equal!((error.table(), error.constraint()), (Some(TABLE), Some("ew_tokio_pkey")));
            equal!(error.detail(), Some("Key (id)=(1) already exists."));
            fails(session.query("select 1/$1::int4", &[&0]).await, &SqlState::DIVISION_BY_ZERO)?;
            fails(session.query("selec 1", &[]).await, &SqlState::SYNTAX_ERROR)?;
            equal!(session.query_one("select 1", &[]).await?.get::<_, i32>(0), 1);
            drop_table(&session).await
        })
        .await;
}

async fn copies(check: &mut Check) {
    check
        .run("COPY in and out, text and binary", async || {
            let session = connect().await?;
            make_table(&session, "id int4, name text").await?;
            let sink = session.copy_in(&format!("copy {TABLE} from stdin")).await?;
            pin_mut!(sink);
            for number in 0..1000 {
                sink.send(Bytes::from(format!("{number}\tname {number}\n"))).await?;
            }
            equal!(sink.finish().await?, 1000);
            let out = session
                .copy_out(&format!("copy (select * from {TABLE} where id < 2 order by id) to stdout (format csv)"))
                .await?;
            let text: Vec<Bytes> = out.try_collect().await?;
            equal!(text.concat(), b"0,name 0\n1,name 1\n");

            let sink = session.copy_in(&format!("copy {TABLE} from stdin (format binary)")).await?;
            let writer = BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT]);
            pin_mut!(writer);
            for number in 0..5000i32 {
                writer.as_mut().write(&[&-number, &None::<&str>]).await?;
            }
            equal!(writer.finish().await?, 5000);
            let out = session.copy_out(&format!("copy {TABLE} to stdout (format binary)")).await?;
            let rows: Vec<_> = BinaryCopyOutStream::new(out, &[Type::INT4, Type::TEXT]).try_collect().await?;
            equal!(rows.len(), 6000);
            equal!(rows[5].get::<Option<&str>>(1), Some("name 5"));
            drop_table(&session).await
        })
        .await;

    check
        .run("COPY that fails in the middle, by the server and by the client", async || {
            let session = connect().await?;
            make_table(&session, "id int4").await?;
            let sink = session.copy_in(&format!("copy {TABLE} from stdin")).await?;
            pin_mut!(sink);
            let mut sent = Ok(());
            for number in 0..20_000 {
                let row = if number == 5000 { "bad\n".into() } else { format!("{number}\n") };
                sent = sink.send(Bytes::from(row)).await;
                if sent.is_err() {
                    break;
                }
            }
            // The error comes with whichever call sees it first.
            let refused = match sent {
                Ok(()) => sink.finish().await,
                Err(error) => Err(error),
            };
            fails(refused, &SqlState::INVALID_TEXT_REPRESENTATION)?;
            let abandoned = session.copy_in::<_, Bytes>(&format!("copy {TABLE} from stdin")).await?;
            drop(abandoned); // CopyFail
            equal!(session.query_one(&format!("select count(*) from {TABLE}"), &[]).await?.get::<_, i64>(0), 0);
            drop_table(&session).await
        })
        .await;
}

async fn asynchronous(check: &mut Check) {
    check
        .run("LISTEN and NOTIFY", async || {
            let mut listener = connect().await?;
            let other = connect().await?;
            listener.batch_execute("listen ew_tokio_channel").await?;
            other.batch_execute("notify ew_tokio_channel, 'first'").await?;
            other.query("select pg_notify('ew_tokio_channel', $1)", &[&"second"]).await?;
            for payload in ["first", "second"] {
                let got = tokio::time::timeout(Duration::from_secs(15), listener.notifications.recv())
                    .await?
                    .ok_or("closed")?;
                equal!((got.channel(), got.payload()), ("ew_tokio_channel", payload));
            }
            Ok(())
        })
        .await;

    check
        .run("cancel gives 57014, and the session goes on", async || {
            let session = connect().await?;
            for query in [SLOW, "select pg_sleep(60)"] {
                let token = session.cancel_token();
                let cancel = async {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    token.cancel_query(session::tls()?).await?;
                    Ok::<_, Box<dyn std::error::Error>>(())
                };
                let began = Instant::now();
                let (result, cancelled) = future::join(session.query(query, &[]), cancel).await;
                cancelled?;
                let error = fails(result, &SqlState::QUERY_CANCELED)?;
                equal!(error.message(), "canceling statement due to user request");
                if began.elapsed() > Duration::from_secs(15) {
                    return fail("the cancel took too long");
                }
                equal!(session.query_one("select $1::int4", &[&1]).await?.get::<_, i32>(0), 1);
            }
            Ok(())
        })
        .await;

    check
        .run("notices", async || {
            let session = connect().await?;
            session.batch_execute("do $$ begin raise notice 'hello'; raise warning 'careful'; end $$").await?;
            equal!(session.notices(), ["NOTICE hello", "WARNING careful"]);
            Ok(())
        })
        .await;
}

async fn sessions(check: &mut Check) {
    check
        .run("parameters of the startup packet", async || {
            let session = connect_with(|config| {
                config.application_name("first").options("-c search_path=pg_catalog -c work_mem=5MB");
            })
            .await?;
            equal!(session.parameter("application_name").as_deref(), Some("first"));
            let row =
                session.query_one("select current_setting('search_path'), current_setting('work_mem')", &[]).await?;
            equal!((row.get(0), row.get(1)), ("pg_catalog", "5MB"));
            Ok(())
        })
        .await;

    check
        .run("two connections do not share settings or statements", async || {
            let one = connect().await?;
            let two = connect().await?;
            let before: String = two.query_one("show work_mem", &[]).await?.get(0);
            one.batch_execute("set work_mem = '7MB'").await?;
            equal!(two.query_one("show work_mem", &[]).await?.get::<_, String>(0), before);
            let first = one.prepare("select $1::int4 * 2").await?; // both are named by the same counter
            let second = two.prepare("select $1::text || '!'").await?;
            for number in 0..3 {
                equal!(one.query_one(&first, &[&number]).await?.get::<_, i32>(0), number * 2);
                equal!(two.query_one(&second, &[&"s"]).await?.get::<_, &str>(0), "s!");
            }
            equal!(one.query_one("show work_mem", &[]).await?.get::<_, &str>(0), "7MB");
            Ok(())
        })
        .await;

    check
        .run("a temporary table is gone with its connection", async || {
            let one = connect().await?;
            one.batch_execute("create temporary table ew_tokio_temp as select 1 as a").await?;
            equal!(one.query_one("select a from ew_tokio_temp", &[]).await?.get::<_, i32>(0), 1);
            one.close().await?;
            let two = connect().await?;
            fails(two.query("select a from ew_tokio_temp", &[]).await, &SqlState::UNDEFINED_TABLE)?;
            Ok(())
        })
        .await;

    check
        .run("8 concurrent connections", async || {
            let session = connect().await?;
            make_table(&session, "id int primary key, n int not null").await?;
            session.batch_execute(&format!("insert into {TABLE} select i, 0 from generate_series(0, 7) i")).await?;
            future::try_join_all((0..8).map(|number: i32| async move {
                let mut own = connect().await?;
                let update = own.prepare(&format!("update {TABLE} set n = n + 1 where id = $1")).await?;
                for _ in 0..10 {
                    equal!(own.query_one("select $1::int4", &[&number]).await?.get::<_, i32>(0), number);
                    let transaction = own.transaction().await?;
                    equal!(transaction.execute(&update, &[&number]).await?, 1);
                    transaction.commit().await?;
                }
                Outcome::Ok(())
            }))
            .await?;
            equal!(session.query_one(&format!("select sum(n) from {TABLE}"), &[]).await?.get::<_, i64>(0), 80);
            drop_table(&session).await
        })
        .await;
}
