/** The session's own state machine, over an upstream that is asked for one statement at a time, is PostgreSQL's. */
import { testSessions } from "./session-test.ts";
import { StatementUpstream } from "./statement-upstream.ts";

testSessions("statement", () => StatementUpstream.start());
