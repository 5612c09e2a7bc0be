import { expect, test } from "vitest";
import { withoutPassword } from "../../../adapters/node/without-password.ts";

test.each([
  [
    "postgres://app:hush@db.example.com/app?sslmode=require",
    "postgres://app:…@db.example.com/app?sslmode=require",
  ],
  ["postgres+wss://app:hush@db.example.com/app", "postgres+wss://app:…@db.example.com/app"],
  ["neon+http://app:hush@127.0.0.1:8080/app", "neon+http://app:…@127.0.0.1:8080/app"],
  [
    "neon://app@db.example.com/app?password=hush&fetch=tunnel",
    "neon://app@db.example.com/app?password=…&fetch=tunnel",
  ],
  ["supabase://hush@abcdefghijklmnopqrst", "supabase://…@abcdefghijklmnopqrst"],
  ["supabase+http://hush@127.0.0.1:8080/query", "supabase+http://…@127.0.0.1:8080/query"],
  [
    "rds-data://eu-west-1/arn:aws:rds:eu-west-1:1:cluster:a?secret=arn",
    "rds-data://eu-west-1/arn:aws:rds:eu-west-1:1:cluster:a?secret=arn",
  ],
  ["pglite:./a:b@c", "pglite:./a:b@c"],
])("%s is shown without what is secret", (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
