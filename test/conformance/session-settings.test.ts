/** The session's own SET, SHOW and RESET, for upstreams that have no settings, and their ParameterStatus. */
import { testSessions } from "./session-test.ts";
import { StatementUpstream } from "./statement-upstream.ts";

testSessions("settings", () => StatementUpstream.start("settings"), ["settings"]);
