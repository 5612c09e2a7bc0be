import { wire } from "./adapters/wire.ts";
import { testContract } from "./suite.ts";

testContract(wire);
