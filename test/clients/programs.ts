/**
 * The client programs: what each needs, how it is built, how it is launched, and the lines it prints.
 *
 * A program reads the server from EDGEWIRE_URL and prints, for each check, `start <check>` and then
 * `ok <check>`, `FAIL <check>: reason` or `skip <check>: reason`; `done` when it has run them all. Its
 * checks are independent: each opens its own connections and makes its own tables. So, when one hangs or
 * takes the program down, the program is started again behind it (EDGEWIRE_AFTER).
 */

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { find, run } from "./process.ts";
import type { Report } from "./report.ts";

export const folder: string = fileURLToPath(new URL(".", import.meta.url));
const cache = join(folder, ".cache");
const python = join(cache, "python", "bin", "python");
const jar = join(cache, "java", "postgresql.jar");
const install = "run test/clients/install.sh";

/** The environment that says what the checks can expect of the server. */
export interface Target {
  name: string;
  url: string;
  /** The server refuses a wrong password. */
  password: boolean;
  /** The server takes TLS without an SSLRequest before it (ALPN `postgresql`, PostgreSQL 17). */
  directTls: boolean;
  /** The server is known to answer N to an SSLRequest. */
  noTls: boolean;
}

export interface Program {
  name: string;
  /** Why it cannot run here, or undefined. */
  missing(): Promise<string | undefined>;
  /** Compiles it; returns what went wrong, or undefined. Nothing happens when it is up to date. */
  build?: () => Promise<string | undefined>;
  command: readonly [string, ...string[]];
}

export const programs: readonly Program[] = [
  pythonProgram("psycopg2", "psycopg2"),
  pythonProgram("psycopg3", "psycopg"),
  pythonProgram("asyncpg", "asyncpg"),
  {
    name: "pgjdbc",
    missing: async () =>
      missingCommand("java") ?? (existsSync(jar) ? undefined : `pgjdbc is not installed: ${install}`),
    // A single source file, compiled by the launcher itself in memory.
    command: [
      "java",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      "-cp",
      jar,
      join(folder, "java", "Pgjdbc.java"),
    ],
  },
  goProgram("pgx", "pgx"),
  goProgram("lib/pq", "pq"),
  {
    name: "tokio-postgres",
    missing: async () => missingCommand("cargo"),
    build: () =>
      compile("cargo", ["build", "--quiet", "--locked"], join(folder, "rust"), {
        CARGO_TARGET_DIR: join(cache, "rust"),
      }),
    command: [join(cache, "rust", "debug", "edgewire-client")],
  },
  {
    name: "libpq",
    missing: async () => {
      const absent = missingCommand("cc") ?? missingCommand("pg_config");
      if (absent !== undefined) return absent;
      return existsSync(join(await libpqPath("--includedir"), "libpq-fe.h"))
        ? undefined
        : "the headers of libpq are not installed";
    },
    build: async () => {
      const [include, lib] = await Promise.all([libpqPath("--includedir"), libpqPath("--libdir")]);
      const sources = [join(folder, "c", "libpq.c"), "-o", join(cache, "bin", "libpq")];
      const flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1"];
      return compile(
        "cc",
        [...flags, `-I${include}`, ...sources, `-L${lib}`, "-lpq", "-lpthread"],
        folder,
        {},
      );
    },
    command: [join(cache, "bin", "libpq")],
  },
];

function pythonProgram(name: string, module: string): Program {
  return {
    name,
    missing: async () => {
      const absent = missingCommand("python3");
      if (absent !== undefined) return absent;
      const imported = await run(python, ["-c", `import ${module}`], { timeout: 30_000 });
      return imported.code === 0 ? undefined : `${name} is not installed: ${install}`;
    },
    command: [python, join(folder, "python", `${name}_checks.py`)],
  };
}

function goProgram(name: string, main: string): Program {
  const output = join(cache, "bin", main);
  return {
    name,
    missing: async () => missingCommand("go"),
    build: () => compile("go", ["build", "-o", output, `./${main}`], join(folder, "go"), {}),
    command: [output],
  };
}

function missingCommand(command: string): string | undefined {
  return find(command) === undefined ? `${command} is not installed` : undefined;
}

async function libpqPath(flag: string): Promise<string> {
  return (await run("pg_config", [flag], { timeout: 10_000 })).stdout.trim();
}

async function compile(
  command: string,
  args: string[],
  cwd: string,
  env: object,
): Promise<string | undefined> {
  await mkdir(join(cache, "bin"), { recursive: true });
  const done = await run(command, args, { cwd, env: { ...process.env, ...env }, timeout: 900_000 });
  if (done.code === 0) return undefined;
  return done.timedOut
    ? "did not compile within 15 minutes"
    : `does not compile\n${done.stdout}${done.stderr}`;
}

/** A check that prints nothing for this long hangs. The longest ones, under PGlite, take a few seconds. */
const checkTimeout = 40_000;
const programTimeout = 300_000;
/** Hung checks after which a program is given up, so that a dead server costs minutes, not hours. */
const hangLimit = 3;

/** Runs every check of a program (or those whose name contains `only`) and reports each. */
export async function runProgram(
  program: Program,
  target: Target,
  only: string,
  report: Report,
): Promise<void> {
  const [command, ...args] = program.command;
  let after = "";
  for (let hangs = 0; ; ) {
    let current = "";
    let done = false;
    const onLine = (line: string) => {
      if (line === "done") done = true;
      const [, word = "", rest = ""] = /^(start|ok|FAIL|skip) (.*)$/.exec(line) ?? [];
      if (word === "start") {
        current = rest;
      } else if (word !== "" && rest.startsWith(current)) {
        const detail = rest.slice(current.length).replace(/^: /, "");
        if (word === "ok") report.ok(program.name, current, target.name);
        else if (word === "FAIL") report.fail(program.name, current, target.name, detail);
        else report.skip(`${program.name}: ${current}`, target.name, detail);
        after = current;
        current = "";
      }
    };
    const result = await run(command, args, {
      cwd: folder,
      env: { ...clientEnvironment(target), EDGEWIRE_AFTER: after, EDGEWIRE_CHECK: only },
      timeout: programTimeout,
      silence: checkTimeout,
      onLine,
    });
    if (done && result.code === 0) return;
    const stderr = result.stderr.trim().split("\n").slice(-15).join("\n");
    const how = result.timedOut ? "timed out" : `the program ended with ${result.code ?? "a signal"}`;
    report.fail(program.name, current === "" ? "runs to its end" : current, target.name, `${how}\n${stderr}`);
    if (current === "") return;
    after = current;
    hangs += 1;
    if (hangs === hangLimit) {
      report.fail(
        program.name,
        "runs to its end",
        target.name,
        `given up after ${hangs} checks that did not end`,
      );
      return;
    }
  }
}

/** The caller's PG* variables (PGHOST, PGSSLMODE, PGOPTIONS ...) would change what the clients do. */
export function clientEnvironment(target: Target): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: "C.UTF-8",
    // The time zone of the client's machine is sent by some drivers (pgjdbc); a fixed one is the same anywhere.
    TZ: "Europe/Amsterdam",
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    EDGEWIRE_URL: target.url,
    EDGEWIRE_PASSWORD: target.password ? "1" : "",
    EDGEWIRE_DIRECT_TLS: target.directTls ? "1" : "",
    EDGEWIRE_NO_TLS: target.noTls ? "1" : "",
  };
}
