/**
 * FETCH, MOVE and CLOSE of SQL on a portal of the extended protocol, which PostgreSQL takes for a cursor like any other.
 * It goes forward only, as one that is not declared SCROLL.
 */
import type { CloseCursorStatement, FetchStatement } from "../sql/statement.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { RunningCall } from "./call.ts";
import { cursorOf } from "./conversion.ts";
import type { Portal, Portals } from "./prepared.ts";
import type { ClientContext, Result, StatementSession } from "./upstream.ts";

interface PortalHost {
  readonly portals: Portals;
  readonly upstream: StatementSession;
  readonly client: ClientContext;
}

/** The result, or undefined where there is no such portal. `start` runs a portal that was only bound. */
export async function runOnPortal(
  host: PortalHost,
  statement: FetchStatement | CloseCursorStatement,
  call: RunningCall,
  start: (portal: Portal) => Result | Promise<Result>,
): Promise<Result | undefined> {
  const { portals } = host;
  const name = statement.type === "closeCursor" ? statement.name : statement.cursor;
  if (!name || !portals.has(name)) return undefined;
  if (statement.type === "closeCursor") {
    portals.close(name);
    return { type: "command", tag: "CLOSE CURSOR" };
  }
  const portal = portals.get(name);
  if (statement.direction !== "forward" || statement.count < 0) {
    throw new PgError(sqlstate.objectNotInPrerequisiteState, "cursor can only scan forward", {
      hint: "Declare it with SCROLL option to enable backward scan.",
    });
  }
  if (statement.type === "fetch" && portal.resultFormats.includes(1)) {
    throw new PgError(
      sqlstate.featureNotSupported,
      `portal "${name}" has binary results, and FETCH text ones`,
      {
        hint: "Go on with Execute.",
      },
    );
  }
  if (portal.state.type === "bound") await begin(host, portal, await start(portal), call);
  const { state } = portal;
  if (state.type !== "rows") {
    throw new PgError(sqlstate.objectNotInPrerequisiteState, `portal "${name}" cannot be run`);
  }
  const rows = state.cursor.take(statement.count, call);
  if (statement.type === "fetch") return { type: "rows", columns: state.columns, rows, tag: "FETCH" };
  let moved = 0;
  for await (const batch of rows) moved += batch.length;
  return { type: "command", tag: `MOVE ${moved}` };
}

async function begin(host: PortalHost, portal: Portal, result: Result, call: RunningCall): Promise<void> {
  if (result.type !== "rows") {
    portal.state = { type: "started", result };
    return;
  }
  const { columns, tag = "SELECT" } = result;
  const cursor = await cursorOf(host, result, portal.resultFormats, call);
  portal.state = { type: "rows", columns, tag, cursor };
}
