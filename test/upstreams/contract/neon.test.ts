import { neon } from "./adapters/neon.ts";
import { testContract } from "./suite.ts";

testContract(neon);
