// What the protocol core and the Node adapter cost: a server over a function that always gives the same row.

import { serve } from "../../adapters/node/mod.ts";
import { announce, endWhenTold } from "./announce.ts";
import { constantUpstream } from "./constant-upstream.ts";

endWhenTold();
const listener = await serve({ port: 0, upstream: constantUpstream });
announce({ type: "ready", port: listener.port });
