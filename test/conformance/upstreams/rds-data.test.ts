import { rdsData } from "./rds-data.ts";
import { testTranscripts } from "./suite.ts";

testTranscripts(rdsData);
