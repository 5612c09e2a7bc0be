// Drivers that come without types: as much of them as the tests use.

declare module "pg-copy-streams" {
  import type { Duplex, Readable } from "node:stream";
  import type { Submittable } from "pg";

  /** COPY FROM STDIN: what is written goes to the server. */
  export function from(sql: string): Duplex & Submittable & { rowCount: number };
  /** COPY TO STDOUT. */
  export function to(sql: string): Readable & Submittable & { rowCount: number };
}

declare module "pg-cursor" {
  import type { Submittable } from "pg";

  export default class Cursor<Row = Record<string, unknown>> implements Submittable {
    constructor(sql: string, values?: unknown[]);
    submit(connection: unknown): void;
    read(count: number): Promise<Row[]>;
    close(): Promise<void>;
  }
}
