// COPY for APIs that have none: FROM STDIN by INSERT, TO STDOUT by SELECT.
export { runCopy } from "./copy.ts";
export type { CopySession } from "./session.ts";
