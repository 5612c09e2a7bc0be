import { pglite } from "./adapters/embedded.ts";
import { testContract } from "./suite.ts";

testContract(pglite);
