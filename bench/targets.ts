// The servers that pgbench is pointed at. Each is a process of its own, so that none shares an event loop, a heap or
// a just-in-time compiler with another, or with the bench itself.

export interface Target {
  name: string;
  /** The script in bench/targets that serves it. */
  script: string;
  /** What runs the script; Node, where nothing is said. */
  runtime?: "deno";
  /** One line for the legend under the table. */
  about: string;
  /** Whether a failure of this target is a failure of this project (and of the run). */
  ours: boolean;
}

export const control = "control";
export const constant = "constant";

export const targets: readonly Target[] = [
  {
    name: control,
    script: "control.ts",
    about: "node:net, canned bytes, nothing parsed: the ceiling",
    ours: true,
  },
  {
    name: constant,
    script: "constant.ts",
    about: "edgewire over a constant in-process upstream",
    ours: true,
  },
  { name: "pglite", script: "pglite.ts", about: "edgewire serve, its embedded PGlite", ours: true },
  {
    name: "pglite-socket",
    script: "pglite-socket.ts",
    about: "@electric-sql/pglite-socket over PGlite",
    ours: false,
  },
  {
    name: "pg-gateway",
    script: "pg-gateway.ts",
    about: "pg-gateway, canned bytes from its message hook",
    ours: false,
  },
  { name: "postgres", script: "postgres.ts", about: "a real PostgreSQL server, for reference", ours: false },
];
