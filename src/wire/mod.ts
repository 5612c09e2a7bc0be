// The PostgreSQL wire protocol, versions 3.0 and 3.2: bytes to messages and back, both directions. Pure and
// synchronous. PostgreSQL documentation, chapter "Frontend/Backend Protocol".

export * from "./backend.ts";
export * from "./error.ts";
export * from "./framer.ts";
export * from "./frontend.ts";
export * from "./limits.ts";
export * from "./reader.ts";
export * from "./sqlstate.ts";
export * from "./startup.ts";
export * from "./trace.ts";
export { decodeText } from "./utf8.ts";
export * from "./writer.ts";
