import { testTranscripts } from "./suite.ts";
import { supabase } from "./supabase.ts";

testTranscripts(supabase);
