#!/usr/bin/env node
// The command line: `edgewire serve` and `edgewire query`. Exit codes: 0 done, 1 failed, 2 the command was not
// understood.
import { readFileSync } from "node:fs";
import { ConfigError } from "../../src/gateway/config.ts";
import { help } from "./cli-help.ts";

async function main([command, ...args]: string[]): Promise<number> {
  if (command === "--version" || command === "-V") {
    console.log(`edgewire ${version()}`);
    return 0;
  }
  if (command === undefined || command === "help" || command === "--help" || command === "-h") {
    console.log(help.main);
    return command === undefined ? 2 : 0;
  }
  if (command !== "serve" && command !== "query") {
    throw new ConfigError(`there is no command "${command}": use serve or query, or --help`);
  }
  if (args.includes("--help") || args.includes("-h")) {
    console.log(help[command]);
    return 0;
  }
  // Loaded when it is needed: from source that takes half a second.
  if (command === "query") return (await import("./cli-query.ts")).queryCommand(args);
  const { serveRuntime } = await import("./serve-runtime.ts");
  return (await import("./cli-serve.ts")).serveCommand(args, serveRuntime);
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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`edgewire: ${error instanceof Error ? error.message : error}`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
