import { neonTunnel } from "./neon.ts";
import { testTranscripts } from "./suite.ts";

testTranscripts(neonTunnel);
