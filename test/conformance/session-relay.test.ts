/** Sessions of the embedded default, which share one PGlite, answer as PostgreSQL does. */
import { RelayUpstream } from "./relay-upstream.ts";
import { testSessions } from "./session-test.ts";

testSessions("relay", () => RelayUpstream.start());
