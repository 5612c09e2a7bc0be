// What the protocol core and the Node adapter cost: a server over a function that always gives the same row.

import { listen } from "../../adapters/node/listen.ts";
import { trustAuthSource } from "../../src/auth/source.ts";
import { announce, endWhenTold } from "./announce.ts";
import { constantUpstream } from "./constant-upstream.ts";

endWhenTold();
const listener = await listen({ auth: trustAuthSource(), upstream: () => constantUpstream }, { port: 0 });
announce({ type: "ready", port: listener.port });
