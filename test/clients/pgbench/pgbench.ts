import type { Report } from "../report.ts";
import type { Target } from "../programs.ts";
export async function checkPgbench(target: Target, only: string, report: Report): Promise<void> {
}
