/**
 * Whose pages may reach the gateway from a browser. Only browsers tell an origin, and always do: requests without one come
 * from tools and pass. Credentials are never in cookies, so a foreign page can do no more than its own users can, except
 * where nobody is asked for credentials: there only pages from this machine may, or else every page that a developer
 * opens could read the database beside it (DNS rebinding changes nothing: the origin keeps the page's name).
 */
import type { Gateway } from "../gateway/mod.ts";

/** Stands for all pages that were loaded from the machine that the browser runs on. */
const loopback = "loopback";

/** The origins of a gateway; undefined: all. */
export function originsOf({
  gateway,
  origins,
}: {
  readonly gateway: Pick<Gateway, "trusts">;
  readonly origins?: readonly string[] | undefined;
}): readonly string[] | undefined {
  return origins ?? (gateway.trusts ? [loopback] : undefined);
}

/** Whether a request of that origin may pass. */
export function mayPass(origins: readonly string[] | undefined, origin: string | null | undefined): boolean {
  return !origins || !origin || origins.some((allowed) => matches(allowed, origin.toLowerCase()));
}

/** Scheme and host know no case, and a slash at the end is easily written. */
function matches(allowed: string, origin: string): boolean {
  if (allowed === loopback) return loopbackOrigin.test(origin);
  return allowed === "*" || allowed.replace(/\/$/, "").toLowerCase() === origin;
}

const loopbackOrigin = /^https?:\/\/(([a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
