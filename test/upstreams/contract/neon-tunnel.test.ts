import { neonTunnel } from "./adapters/neon.ts";
import { testContract } from "./suite.ts";

testContract(neonTunnel);
