/** The text and binary forms of values, and parameters that arrive as they were sent. */
import {
  bind,
  describePortal,
  execute,
  hex,
  oid,
  parse,
  query,
  run,
  sync,
  type Transcript,
  text,
  transcript,
} from "../transcript.ts";

const binary = { results: [1] };

export const values: readonly Transcript[] = [
  transcript("floats as text", [
    query(`select 1.0::float8 as a, 1e21::float8 as b, 1e15::float8 as c, 1e-5::float8 as d, 'infinity'::float8 as e,
      '-infinity'::float8 as f, 'nan'::float8 as g, '-0'::float8 as h, 0.1::float8 + 0.2 as i, 1e15::float4 as j,
      3.4028235e38::float4 as k, 1.1::float4 as l`),
  ]),
  transcript("times as text: no trailing zeros, no quotes", [
    query(`select timestamp '2023-03-05 10:20:00' as a, timestamp '2023-03-05 10:20:00.5' as b,
      timestamptz '2023-03-05 10:20:00.123456+02' as c, time '10:20' as d, timetz '10:20:30.1+05:30' as e,
      date 'infinity' as f, date '0044-03-15 BC' as g, interval '1 year 2 mons 3 days 04:05:06.7' as h`),
  ]),
  transcript("arrays as text quote where they must", [
    query(`select array[timestamp '2023-03-05 10:20'] as a, array['{"a":1}'::json] as b, array['', 'NULL', null, 'a b', '"'] as c,
      array[array[1,2],array[3,4]] as d, '{}'::int[] as e, '[0:1]={1,2}'::int[] as f`),
  ]),
  transcript("other types as text", [
    query(`select 1.10::numeric as a, '\\xdeadbeef'::bytea as b, true as c, 'c'::"char" as d, '{"b": 1, "a": [1, 2]}'::jsonb as e,
      '{"b": 1}'::json as f, '11111111-2222-3333-4444-555555555555'::uuid as g, inet '10.0.0.1/8' as h, row(1, 'a b', null) as i,
      int4range(1, 5) as j, b'101' as k, '(1,2)'::point as l, 'a'::char(3) as m, 12.5::money as n, xid '7' as o`),
  ]),
  transcript("the same types in binary", [
    parse(
      "",
      `select 1.10::numeric as a, '\\xdeadbeef'::bytea as b, true as c, 'c'::"char" as d, '{"b": 1, "a": [1, 2]}'::jsonb as e,
      '{"b": 1}'::json as f, '11111111-2222-3333-4444-555555555555'::uuid as g, inet '10.0.0.1/8' as h, 1::int2 as i,
      int4range(1, 5) as j, b'101' as k, '(1,2)'::point as l, 'a'::char(3) as m, 12.5::money as n, 5::oid as o`,
    ),
    bind("", "", [], binary),
    describePortal(),
    execute(),
    sync,
  ]),
  transcript("numbers and times in binary", [
    parse(
      "",
      `select 1::int4 as a, -1::int8 as b, 1.5::float4 as c, '-0'::float8 as d, 'nan'::float8 as e, date '2000-01-02' as f,
      timestamp '1999-12-31 23:59:59' as g, timestamptz 'infinity' as h, time '00:00:01' as i, timetz '01:00:00+01' as j,
      interval '1 mon 2 days 3 s' as k, 123456.789::numeric as l, 'NaN'::numeric as m, 0::numeric as n, -0.001::numeric as o`,
    ),
    bind("", "", [], binary),
    execute(),
    sync,
  ]),
  transcript("arrays in binary", [
    parse(
      "",
      "select array[1, null, 3] as a, '{}'::text[] as b, array[['a', 'b'], ['', null]] as c, array[true, false] as d",
    ),
    bind("", "", [], binary),
    execute(),
    sync,
  ]),
  transcript("text and binary columns mixed", [
    parse("", "select 1::int4 as a, 2::int4 as b, 'x'::text as c"),
    bind("", "", [], { results: [1, 0, 1] }),
    describePortal(),
    execute(),
    sync,
  ]),
  transcript("a text parameter arrives as it was sent", [
    run("select $1::text as value", "it''s 'quoted' \\ and $1 ; -- here"),
    run("select $1::text as value, length($1)", ""),
    run("select $1::text as value", "NULL"),
    run("select $1::text is null as missing", null),
    run("select $1::text as value", "line\nbreak\ttab\r"),
    run("select $1::text as value", "grün € 😀"),
    sync,
  ]),
  transcript("a text[] parameter keeps empty strings and the word NULL", [
    run(
      `select $1::text[] as value, array_length($1::text[], 1) as length`,
      '{"","NULL",NULL,null,"a,b","\\"","it\'s"}',
    ),
    sync,
  ]),
  transcript("parameters in binary", [
    parse(
      "",
      "select $1 as a, $2 as b, $3 as c, $4 as d, $5 as e",
      oid.int4,
      oid.int8,
      oid.text,
      oid.bytea,
      oid.bool,
    ),
    bind("", "", [hex("0000002a"), hex("ffffffff ffffffff"), text("text"), hex("00ff"), hex("01")], {
      formats: [1],
    }),
    execute(),
    sync,
  ]),
  transcript("text and binary parameters mixed", [
    parse(
      "",
      "select $1 as a, $2 as b, $3 as c, $4 as d",
      oid.int4,
      oid.int4,
      oid.int4Array,
      oid.timestamptz,
    ),
    bind("", "", ["7", hex("00000008"), "{1,2,NULL}", null], {
      formats: [0, 1, 0, 1],
      results: [0, 1, 1, 0],
    }),
    execute(),
    sync,
  ]),
  transcript("binary numeric, float, json, uuid and array parameters", [
    parse("", "select $1::numeric, $2::float8, $3::json, $4::uuid, $5::int4[]"),
    bind(
      "",
      "",
      [
        hex("0002 0000 0000 0002 0001 1388"),
        hex("3ff8000000000000"),
        text('{"a": 1}'),
        hex("11111111222233334444555555555555"),
        hex("00000001 00000001 00000017 00000002 00000001 00000004 00000005 ffffffff"),
      ],
      { formats: [1] },
    ),
    execute(),
    sync,
  ]),
  transcript("binary parameters of the wrong length", [
    parse("a", "select $1::int4"),
    bind("", "a", [hex("00")], { formats: [1] }),
    sync,
    bind("", "a", [hex("0000000000000001")], { formats: [1] }),
    sync,
    bind("", "a", [""], { formats: [1] }),
    sync,
  ]),
  transcript("text parameters that the type refuses", [
    parse("a", "select $1::int4, $2::date"),
    bind("", "a", ["x", "2020-01-01"]),
    sync,
    bind("", "a", ["1", "someday"]),
    sync,
    bind("", "a", ["", null]),
    sync,
  ]),
  transcript("a text parameter that is not UTF-8, or holds a NUL", [
    parse("a", "select $1::text"),
    bind("", "a", [hex("61c328")]),
    sync,
    bind("", "a", [hex("ff")], { formats: [1] }),
    sync,
    bind("", "a", [hex("610062")]),
    sync,
  ]),
  transcript("DateStyle, IntervalStyle, TimeZone, bytea_output and extra_float_digits shape the text", [
    query(
      "set datestyle = 'German'; set intervalstyle = 'iso_8601'; set timezone = 'America/New_York'; set bytea_output = 'escape'; set extra_float_digits = 0",
    ),
    query(`select timestamptz '2024-07-01 12:00:00+00' as a, date '2024-02-01' as b, interval '1 day 02:03' as c, '\\x4100'::bytea as d,
      0.1::float8 + 0.2 as e`),
    query("reset all"),
  ]),
  transcript(
    "rows of a table type, an enum and a domain",
    [
      query("select p, mood, positive, array[mood] as moods from people p"),
      parse("", "select mood from people where mood = $1"),
      bind("", "", ["ok"]),
      describePortal(),
      execute(),
      sync,
    ],
    {
      setup: `create type mood as enum ('sad', 'ok'); create domain positive as int check (value > 0);
      create table people (mood mood, positive positive); insert into people values ('ok', 5)`,
    },
  ),
  transcript("a parameter that an enum refuses", [run("select $1::mood", "great"), sync], {
    setup: "create type mood as enum ('sad', 'ok')",
  }),
];
