// `npm run test:upstreams`: the contract of upstreams and the conformance transcripts over each of them, and what else of
// the data APIs takes long. All of it runs in this process or comes by npm; it is apart so that `npm test` stays short.
import { defineConfig, type ViteUserConfig } from "vitest/config";
import node, { upstreams } from "./vitest.config.ts";

const config: ViteUserConfig = defineConfig({
  test: {
    ...node.test,
    include: upstreams,
    exclude: ["**/node_modules/**"],
    globalSetup: [
      "test/upstreams/supabase/postgres-meta/install.ts",
      "test/upstreams/contract/print-table.ts",
    ],
  },
});

export default config;
