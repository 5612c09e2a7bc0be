import { defineConfig, type ViteUserConfig } from "vitest/config";

/** What runs by `npm run test:runtimes`. */
export const runtimes: string[] = [
  "test/adapters/{cloudflare,deno}/**/*.test.ts",
  // Every way in, Node's among them, and every driver: the transcripts are played in memory by `npm test`.
  "test/conformance/{deno,node,workerd}.test.ts",
];

/** What runs by `npm run test:upstreams`. */
export const upstreams: string[] = [
  "test/upstreams/**/*.heavy.test.ts",
  "test/upstreams/contract/**/*.test.ts",
  "test/conformance/upstreams/**/*.test.ts",
];

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // The clients that need a toolchain of their own run by `npm run test:clients`.
    exclude: ["test/clients/**", ...runtimes, ...upstreams, "**/node_modules/**"],
    // For tests that hang. A machine that is busy, or slow, or starts with cold caches, is no failure.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    teardownTimeout: 10_000,
    // A process for each file: sockets, signals and memory are counted for the process, and a PGlite that loops inside
    // WebAssembly can only be killed from outside. Two at a time, as each PGlite takes seconds of a core to start and
    // several hundred megabytes.
    pool: "forks",
    maxWorkers: 2,
    // The leak tests force a collection before they measure.
    execArgv: ["--expose-gc"],
  },
});

export default config;
