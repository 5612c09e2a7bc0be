// What Workers can serve, by URL scheme: `postgres://`, `postgres+wss://`, and `hyperdrive:` for a binding.
import type { Openers } from "../../src/gateway/mod.ts";
import { openHyperdrive, openPostgres, openPostgresByWebSocket } from "./postgres.ts";

/** @param bindings the Worker's */
export function openers(bindings: Readonly<Record<string, unknown>>): Openers {
  return {
    postgres: openPostgres,
    postgresql: openPostgres,
    "postgres+ws": openPostgresByWebSocket,
    "postgres+wss": openPostgresByWebSocket,
    "postgresql+ws": openPostgresByWebSocket,
    "postgresql+wss": openPostgresByWebSocket,
    hyperdrive: (url) => openHyperdrive(url, bindings),
  };
}
