import { rdsData } from "./adapters/rds-data.ts";
import { testContract } from "./suite.ts";

testContract(rdsData);
