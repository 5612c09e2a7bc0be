// /sql over an upstream that is asked for one statement at a time, as data services are.
import { StatementUpstream } from "../conformance/statement-upstream.ts";
import { sqlSuite } from "./sql-suite.ts";

sqlSuite("statements", () => StatementUpstream.start());
