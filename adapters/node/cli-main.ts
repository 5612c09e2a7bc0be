// The commands of the command line, for every runtime that has one. Exit codes: 0 done, 1 failed, 2 the command was not
// understood.
import { readFileSync } from "node:fs";
import { ConfigError } from "../../src/gateway/config.ts";
import { help } from "./cli-help.ts";

type Command = (args: readonly string[]) => Promise<number>;

/** The commands, each of which is loaded when it is needed: from source that takes half a second. */
export type Commands = Readonly<Record<"serve" | "query" | "tunnel", Command>>;

/** Runs the command that the arguments name, and sets the process's exit code. */
export async function runCli(commands: Commands): Promise<void> {
  try {
    process.exitCode = await main(commands, process.argv.slice(2));
  } catch (error) {
    console.error(`edgewire: ${error instanceof Error ? error.message : error}`);
    process.exitCode = error instanceof ConfigError ? 2 : 1;
  }
}

async function main(commands: Commands, [command, ...args]: string[]): Promise<number> {
  if (command === "--version" || command === "-V") {
    console.log(`edgewire ${version()}`);
    return 0;
  }
  if (command === undefined || command === "help" || command === "--help" || command === "-h") {
    console.log(help.main);
    return command === undefined ? 2 : 0;
  }
  if (command !== "serve" && command !== "query" && command !== "tunnel") {
    throw new ConfigError(`there is no command "${command}": use serve, query or tunnel, or --help`);
  }
  if (args.includes("--help") || args.includes("-h")) {
    console.log(help[command]);
    return 0;
  }
  return commands[command](args);
}

/** The version in the package.json above this file, in the sources and in the build. */
function version(): string {
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (manifest.name === "edgewire") return manifest.version;
    } catch {
      // Not there: try one folder further up.
    }
  }
  return "unknown";
}
