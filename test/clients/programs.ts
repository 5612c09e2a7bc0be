/** The client programs: what each needs, how it is built, and how it is launched. */

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { find, run } from "../servers/process.ts";

export const folder: string = fileURLToPath(new URL(".", import.meta.url));
const root = join(folder, "..", "..");
const cache = join(folder, ".cache");
const python = join(cache, "python", "bin", "python");
const jar = join(cache, "java", "postgresql.jar");
const install = "run test/clients/install.sh";

export interface Program {
  name: string;
  /** Why it cannot run here, or undefined. */
  missing(): Promise<string | undefined>;
  /** Compiles it; returns what went wrong, or undefined. Nothing happens when it is up to date. */
  build?: () => Promise<string | undefined>;
  command: readonly [string, ...string[]];
  /** The targets that it is for; absent: all that are not brief. */
  targets?: readonly string[];
}

/** Of libraries over the drivers: PostgreSQL itself, in both forms, and a data API have to give them the same. */
const libraries = ["embedded", "postgres", "neon", "url", "direct"];

export const programs: readonly Program[] = [
  pythonProgram("psycopg2", "psycopg2"),
  pythonProgram("psycopg3", "psycopg"),
  pythonProgram("asyncpg", "asyncpg"),
  { ...pythonProgram("sqlalchemy", "sqlalchemy"), targets: libraries },
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
  { ...nodeProgram("pg"), targets: [...libraries, "rds-data"] },
  { ...nodeProgram("postgres.js", "postgres"), targets: [...libraries, "rds-data"] },
  ...["drizzle", "kysely", "sequelize", "typeorm"].map((name) => nodeProgram(name)),
  {
    name: "prisma",
    missing: async () =>
      existsSync(join(folder, "prisma", "node_modules")) ? undefined : `Prisma is not installed: ${install}`,
    build: buildPrisma,
    command: [process.execPath, join(folder, "prisma", "checks.ts")],
    targets: [...libraries, "rds-data"],
  },
];

function nodeProgram(name: string, file: string = name): Program {
  return {
    name,
    // They come with npm.
    missing: async () => undefined,
    command: [process.execPath, join(folder, "node", `${file}.ts`)],
    targets: libraries,
  };
}

/**
 * The command line asks for its engine for migrations whatever it does, which comes from elsewhere than npm. It does not run
 * it to generate a client, so that any program will do.
 */
async function buildPrisma(): Promise<string | undefined> {
  const cwd = join(folder, "prisma");
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" };
  return (
    (await compile(process.execPath, ["node_modules/prisma/build/index.js", "generate"], cwd, env)) ??
    (await compile(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], cwd, {}))
  );
}

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
