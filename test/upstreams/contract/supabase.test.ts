import { supabase } from "./adapters/supabase.ts";
import { testContract } from "./suite.ts";

testContract(supabase);
