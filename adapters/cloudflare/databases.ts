// What Workers can serve, by URL scheme: `postgres://`, and `hyperdrive:` for a binding.
import type { Openers } from "../../src/gateway/mod.ts";
import { openHyperdrive, openPostgres } from "./postgres.ts";

/** @param bindings the Worker's */
export function openers(bindings: Readonly<Record<string, unknown>>): Openers {
  return {
    postgres: openPostgres,
    postgresql: openPostgres,
    hyperdrive: (url) => openHyperdrive(url, bindings),
  };
}
