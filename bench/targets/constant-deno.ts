// The constant upstream on Deno. Runs on Deno: see targets.ts.

import { serve } from "../../adapters/deno/mod.ts";
import { announce, endWhenTold } from "./announce.ts";
import { constantUpstream } from "./constant-upstream.ts";

endWhenTold();
const listener = await serve({ port: 0, upstream: constantUpstream });
announce({ type: "ready", port: listener.port });
