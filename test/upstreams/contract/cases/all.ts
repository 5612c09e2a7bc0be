import type { Cases } from "../contract.ts";
import { data } from "./data.ts";
import { parameters } from "./parameters.ts";
import { queries } from "./queries.ts";
import { sessions } from "./sessions.ts";

export const cases: Cases = { ...queries, ...parameters, ...sessions, ...data };
