/** The packets that a connection begins with. */
import { encodeStartup, protocol30, Writer } from "../../src/wire/mod.ts";

/** Logs in as postgres. A parameter that is undefined is left out. */
export function startupPacket(
  parameters: Record<string, string | undefined> = {},
  version: number = protocol30,
): Uint8Array {
  const writer = new Writer();
  const all = Object.entries({ user: "postgres", database: "postgres", ...parameters });
  encodeStartup(writer, {
    type: "StartupMessage",
    version,
    parameters: new Map(all.filter((entry): entry is [string, string] => entry[1] !== undefined)),
  });
  return writer.take();
}

export function encryptionRequest(type: "SSLRequest" | "GSSENCRequest"): Uint8Array {
  const writer = new Writer();
  encodeStartup(writer, { type });
  return writer.take();
}
