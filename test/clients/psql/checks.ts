import type { Report } from "../report.ts";
import type { Target } from "../programs.ts";
export async function checkPsql(target: Target, only: string, report: Report): Promise<void> {
}
