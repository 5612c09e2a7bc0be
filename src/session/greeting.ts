/** What a client is told between its authentication and the first ReadyForQuery (PostgreSQL documentation, 53.2.1). */
import { encodeBackend, writeParameterStatus } from "../wire/mod.ts";
import type { Writer } from "../wire/writer.ts";
import type { CancelKey } from "./cancel.ts";
import type { Client } from "./client.ts";
import { startupSettings } from "./startup-options.ts";
import type { UpstreamSession } from "./upstream.ts";

/** ParameterStatus messages: a relay's own set, or that of the session's settings. */
export function reportParameters(writer: Writer, { settings, login }: Client, served: UpstreamSession): void {
  if ("relay" in served) {
    for (const [name, value] of served.parameters ?? []) writeParameterStatus(writer, name, value);
    return;
  }
  settings.initialize("session_authorization", login.user);
  for (const [name, value] of served.parameters ?? []) settings.initialize(name, value);
  // An upstream with settings of its own has taken them from the login.
  settings.start(served.settings === "upstream" ? new Map() : startupSettings(login.parameters));
}

export function reportKey(writer: Writer, { processId, secretKey }: CancelKey): void {
  encodeBackend(writer, { type: "BackendKeyData", processId, secretKey });
}
