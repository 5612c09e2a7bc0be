import { neon } from "./neon.ts";
import { testTranscripts } from "./suite.ts";

testTranscripts(neon);
