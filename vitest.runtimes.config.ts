// `npm run test:runtimes`: the gateway on Deno and on Workers, in processes of those runtimes, and every transcript and
// driver over every way in. All of it comes by npm; it is apart so that `npm test` stays under five minutes.
import { defineConfig, type ViteUserConfig } from "vitest/config";
import node, { runtimes } from "./vitest.config.ts";

const config: ViteUserConfig = defineConfig({
  test: { ...node.test, include: runtimes, exclude: ["**/node_modules/**"] },
});

export default config;
