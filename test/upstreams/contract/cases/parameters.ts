/** Each type as a parameter and as a result, in text and in binary. */
import type { Case, Cases } from "../contract.ts";

/** A value of each type. */
const values: readonly (readonly [type: string, value: string])[] = [
  ["bool", "t"],
  ['"char"', "x"],
  ["name", "a name"],
  ["int2", "-32768"],
  ["int4", "2147483647"],
  ["int8", "-9223372036854775808"],
  ["oid", "4294967295"],
  ["regclass", "pg_class"],
  ["regtype", "integer"],
  ["float4", "3.4028235e+38"],
  ["float4", "-0"],
  ["float8", "5e-324"],
  ["float8", "NaN"],
  ["float8", "0.1"],
  ["numeric", "123456789012345678901234567890.000000000100"],
  ["numeric", "NaN"],
  ["numeric", "-Infinity"],
  ["numeric(10,3)", "1.5"],
  ["money", "-$1,234.56"],
  ["text", 'it\'s "quoted" \\ :p1 $1 ? \u{1f418}'],
  ["text", ""],
  ["varchar(5)", "abcde"],
  ["char(5)", "ab"],
  ["bytea", "\\x00ff10"],
  ["date", "0044-03-15 BC"],
  ["date", "infinity"],
  ["time", "24:00:00"],
  ["timetz", "12:30:00.5-03:30"],
  ["timestamp", "2024-02-29 23:59:59.999999"],
  ["timestamp", "-infinity"],
  ["timestamptz", "2024-02-29 12:00:00.5+05:30"],
  ["interval", "1 year -2 mons 3 days 04:05:06.7"],
  ["uuid", "0d0d0d0d-0d0d-4d0d-8d0d-0d0d0d0d0d0d"],
  ["json", '{"a" : [1, null]}'],
  ["jsonb", '{"b": 1.0, "a": "\u00e4"}'],
  ["jsonpath", "$.a[*]"],
  ["xml", "<a b='c'/>"],
  ["inet", "10.0.0.1/8"],
  ["cidr", "2001:db8::/32"],
  ["macaddr", "08:00:2b:01:02:03"],
  ["macaddr8", "08:00:2b:01:02:03:04:05"],
  ["bit(5)", "10101"],
  ["varbit", "101"],
  ["point", "(1,-2.5)"],
  ["line", "{1,2,3}"],
  ["lseg", "[(0,0),(1,1)]"],
  ["box", "(2,2),(0,0)"],
  ["path", "((0,0),(1,1),(2,0))"],
  ["polygon", "((0,0),(1,1),(2,0))"],
  ["circle", "<(1,2),3>"],
  ["int4range", "[1,5)"],
  ["numrange", "(,1.5]"],
  ["tstzrange", '["2024-01-01 00:00:00+00",)'],
  ["int4multirange", "{[1,3),[5,7)}"],
  ["tsvector", "'a':1A 'b':2"],
  ["tsquery", "'a' & !'b':*"],
  ["pg_lsn", "16/B374D848"],
  ["xid", "7"],
  ["xid8", "18446744073709551615"],
  ["tid", "(1,2)"],
  ["int2vector", "1 2 3"],
  ["int4[]", "{1,NULL,-3}"],
  ["int4[]", "[0:1][1:2]={{1,2},{3,4}}"],
  ["int8[]", "{9223372036854775807}"],
  ["bool[]", "{t,f,NULL}"],
  ["float8[]", "{1.5,NaN}"],
  ["text[]", '{"a b","null",NULL,"q\\"\\\\",""}'],
  ["bytea[]", '{"\\\\x00ff"}'],
  ["timestamptz[]", '{"2024-01-01 00:00:00+00"}'],
  ["numeric[]", "{1.50,NaN}"],
  ["jsonb[]", '{"{\\"a\\": 1}"}'],
  ["uuid[]", "{0d0d0d0d-0d0d-4d0d-8d0d-0d0d0d0d0d0d}"],
];

const seen = new Map<string, number>();

function caseOf([type, value]: (typeof values)[number]): Case {
  const count = (seen.get(type) ?? 0) + 1;
  seen.set(type, count);
  return {
    name: count === 1 ? type : `${type} (${count})`,
    async run(client) {
      const sql = `select $1::${type} as v`;
      await client.run({ sql, parameters: [value] });
      client.lastRow = [];
      await client.run({ sql, parameters: [value], formats: [1] });
      const [binary] = client.lastRow;
      // Where there was an error, there is nothing to send.
      if (binary) await client.run({ sql, parameters: [binary] });
      await client.run({ sql, parameters: [null], formats: [1] });
    },
  };
}

export const parameters: Cases = {
  "parameters of every type": [
    ...values.map(caseOf),
    {
      name: "types of one's own",
      async run(client) {
        await client.quietly(
          "drop type if exists contract_pair, contract_colour",
          "create type contract_colour as enum ('red', 'green')",
          "create type contract_pair as (n int, colour contract_colour)",
        );
        for (const [type, value] of [
          ["contract_colour", "green"],
          ["contract_colour[]", "{red,green}"],
          ["contract_pair", "(1,red)"],
        ] as const) {
          await client.run({ sql: `select $1::${type} as v`, parameters: [value] });
        }
        await client.run({ sql: "select $1::contract_colour as v", parameters: ["green"], formats: [1] });
        await client.quietly("drop type contract_pair, contract_colour");
      },
    },
    {
      name: "types that the client names",
      run: (client) =>
        client.run({
          sql: "select $1 as a, $2 as b, $3 as c, $4 as d",
          parameters: ["1", "t", "{1,2}", Uint8Array.of(0, 0, 0, 7)],
          types: [20, 16, 1007, 23],
        }),
    },
    {
      name: "types that follow from the statement",
      run: (client) =>
        client.run({
          sql: "select $1 + 1 as a, $2 || 'x' as b, case when $3 then 1 end as c, $4 in (1.5, 2) as d",
          parameters: ["41", "y", "t", "2"],
        }),
    },
    {
      name: "a parameter that stands twice, and hundreds of them",
      async run(client) {
        await client.run({ sql: "select $1::text || $1 as twice", parameters: ["ab"] });
        const list = Array.from({ length: 300 }, (_, at) => `$${at + 1}::int`);
        await client.run({
          sql: `select sum(n) from unnest(array[${list.join(",")}]) n`,
          parameters: list.map((_, at) => String(at)),
        });
      },
    },
  ],
};
