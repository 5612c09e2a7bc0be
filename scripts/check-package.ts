// Checks dist/ and package.json as a stranger meets them: publint reads what would be published, then the package is
// packed, installed into an empty project, imported at every entry point and type-checked there, with the declarations
// of the package checked too, and its command is tried. The entry point for Workers is bundled instead, as Node cannot
// load it. Run after `npm run build`.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

interface Manifest {
  name: string;
  exports: Record<string, unknown>;
  bin: Record<string, string>;
  dependencies?: Record<string, string>;
}

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;

const { messages } = await publint({ pkgDir: ".", level: "warning", strict: true, pack: "npm" });
for (const message of messages) console.error(formatMessage(message, manifest as never));
if (messages.length > 0) process.exit(1);
console.log("publint: nothing to say");

const consumer = mkdtempSync(join(tmpdir(), "edgewire-package-"));
try {
  // --ignore-scripts: prepack would build again.
  const packed = execFileSync(
    "npm",
    ["pack", "--silent", "--ignore-scripts", "--pack-destination", consumer],
    {
      encoding: "utf8",
    },
  );
  const tarball = join(consumer, packed.trim());
  const installed = join(consumer, "node_modules", manifest.name);
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);

  // Only what the package declares, and Node's types: an undeclared import of a development dependency fails here.
  const types = ["@types/node", "undici-types", "@cloudflare/workers-types"];
  for (const dependency of [...Object.keys(manifest.dependencies ?? {}), ...types]) {
    const link = join(consumer, "node_modules", dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(resolve("node_modules", dependency), link, "junction");
  }

  const entries = Object.keys(manifest.exports)
    .filter((path) => path !== "./package.json" && path !== "./cloudflare")
    .map((path) => manifest.name + path.slice(1));

  writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(
    join(consumer, "consumer.ts"),
    `${entries.map((entry, index) => `import * as entry${index} from ${JSON.stringify(entry)};`).join("\n")}
const entries: Record<string, object> = { ${entries.map((entry, index) => `${JSON.stringify(entry)}: entry${index}`).join(", ")} };
for (const [name, exports] of Object.entries(entries)) {
  const names = Object.keys(exports);
  if (names.length === 0) throw new Error(name + " exports nothing");
  console.log(name + ": " + names.length + " exports");
}
`,
  );
  writeFileSync(
    join(consumer, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "es2023",
        module: "nodenext",
        lib: ["es2023"],
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      },
      files: ["consumer.ts"],
    }),
  );

  execFileSync(resolve("node_modules/.bin/tsc"), ["-p", consumer], { stdio: "inherit" });
  execFileSync(process.execPath, [join(consumer, "consumer.ts")], { stdio: "inherit", cwd: consumer });
  await checkWorker(consumer);

  for (const [name, path] of Object.entries(manifest.bin)) {
    const version = execFileSync(process.execPath, [join(installed, path), "--version"], {
      encoding: "utf8",
    });
    console.log(`${name} --version: ${version.trim()}`);
    execFileSync(process.execPath, ["scripts/try-command.mjs", join(installed, path)], { stdio: "inherit" });
  }
} finally {
  rmSync(consumer, { recursive: true, force: true });
}

/** A Worker of one line, as a project of one's own has it. */
async function checkWorker(consumer: string): Promise<void> {
  const folder = join(consumer, "worker");
  mkdirSync(folder);
  const entry = join(folder, "worker.ts");
  writeFileSync(
    entry,
    `export { BrokerObject, default, SessionObject } from ${JSON.stringify(`${manifest.name}/cloudflare`)};\n`,
  );
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "es2023",
        module: "nodenext",
        lib: ["es2023"],
        types: ["@cloudflare/workers-types"],
        strict: true,
        exactOptionalPropertyTypes: true,
        // The declarations of Workers' types and of hono do not agree with each other.
        skipLibCheck: true,
        noEmit: true,
      },
      files: ["worker.ts"],
    }),
  );
  execFileSync(resolve("node_modules/.bin/tsc"), ["-p", folder], { stdio: "inherit" });
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    // Of Node's modules Emscripten has something for Node; WebAssembly is compiled by who uploads the Worker.
    external: ["cloudflare:*", "node:*", "*.wasm"],
    logLevel: "error",
  });
  console.log(`${manifest.name}/cloudflare: ${outputFiles[0]?.contents.length} bytes in a bundle`);
}
