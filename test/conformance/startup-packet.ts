/** The packet that logs a transcript in. */
import { encodeStartup, protocol30, Writer } from "../../src/wire/mod.ts";

export function startupPacket(parameters: Record<string, string> = {}): Uint8Array {
  const writer = new Writer();
  encodeStartup(writer, {
    type: "StartupMessage",
    version: protocol30,
    parameters: new Map(Object.entries({ user: "postgres", database: "postgres", ...parameters })),
  });
  return writer.take();
}
