/**
 * What the client half does with a PostgreSQL behind it, whichever way it is reached: over a session before PGlite, over
 * a socket to a real server, and through the wire upstream to either.
 */
import { Fixture, type Target } from "./fixture.ts";
import { copySuite } from "./suite-copy.ts";
import { eventSuite } from "./suite-events.ts";
import { portalSuite } from "./suite-portals.ts";
import { querySuite } from "./suite-queries.ts";

export function clientSuite(start: () => Promise<Target>): void {
  const fixture = new Fixture(start);
  querySuite(fixture);
  portalSuite(fixture);
  copySuite(fixture);
  eventSuite(fixture);
}
