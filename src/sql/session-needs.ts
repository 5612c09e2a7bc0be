// What a statement needs of a session that outlives it, from its parse tree. A data API that gives each request a fresh
// session must not be sent such a statement as it is: it would succeed, and its effect would be gone.
//
// What a function does in its body is not seen here: a setting that it changes is gone after the request, too.

import type { ParsedStatement } from "./parser.ts";

/**
 * - `transaction`: BEGIN, COMMIT, SAVEPOINT and their kin
 * - `setting`: SET, RESET and set_config() beyond the transaction, DISCARD
 * - `temporary`: temporary tables, views, sequences and functions
 * - `prepared`: PREPARE, EXECUTE, DEALLOCATE
 * - `cursor`: DECLARE, FETCH, MOVE, CLOSE
 * - `listen`: LISTEN, UNLISTEN
 * - `copy`: COPY FROM STDIN, TO STDOUT
 * - `advisoryLock`: advisory locks of the session
 * - `advisoryUnlock`: to let go of all of them, which is nothing to a session that cannot have any
 * - `sequence`: currval() and lastval(), which look at what the session did before
 * - `unknown`: DO, CALL and LOAD may do any of these
 */
export type SessionNeed =
  | "transaction"
  | "setting"
  | "temporary"
  | "prepared"
  | "cursor"
  | "listen"
  | "copy"
  | "advisoryLock"
  | "advisoryUnlock"
  | "sequence"
  | "unknown";

const byType: ReadonlyMap<string, SessionNeed> = new Map<string, SessionNeed>([
  ["TransactionStmt", "transaction"],
  ["DiscardStmt", "setting"],
  ["PrepareStmt", "prepared"],
  ["ExecuteStmt", "prepared"],
  ["DeallocateStmt", "prepared"],
  ["DeclareCursorStmt", "cursor"],
  ["FetchStmt", "cursor"],
  ["ClosePortalStmt", "cursor"],
  ["ListenStmt", "listen"],
  ["UnlistenStmt", "listen"],
  ["DoStmt", "unknown"],
  ["CallStmt", "unknown"],
  ["LoadStmt", "unknown"],
]);

const byFunction: ReadonlyMap<string, SessionNeed> = new Map<string, SessionNeed>([
  ["currval", "sequence"],
  ["lastval", "sequence"],
  ["pg_export_snapshot", "transaction"],
  ...["", "_shared"].flatMap((mode): [string, SessionNeed][] => [
    [`pg_advisory_lock${mode}`, "advisoryLock"],
    [`pg_try_advisory_lock${mode}`, "advisoryLock"],
    [`pg_advisory_unlock${mode}`, "advisoryLock"],
  ]),
  ["pg_advisory_unlock_all", "advisoryUnlock"],
]);

const known: WeakMap<ParsedStatement, ReadonlySet<SessionNeed>> = new WeakMap();

/** Empty for a statement that any session can run, and leaves as it was. */
export function sessionNeeds(statement: ParsedStatement): ReadonlySet<SessionNeed> {
  let needs = known.get(statement);
  if (!needs) {
    const found = new Set<SessionNeed>();
    visit(statement.type, statement.node, found);
    needs = found;
    known.set(statement, needs);
  }
  return needs;
}

type Fields = Readonly<Record<string, unknown>>;

/** Looks at a node, and at all that it holds: the fields of a node are nodes, lists, values, or `{ Type: node }`. */
function visit(type: string, value: unknown, needs: Set<SessionNeed>): void {
  if (Array.isArray(value)) {
    // A qualified name.
    if (value.length > 1 && namesOf(value)[0] === "pg_temp") needs.add("temporary");
    for (const element of value) visit("", element, needs);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const fields = value as Fields;
  const need = byType.get(type) ?? needOf(type, fields);
  if (need) needs.add(need);
  for (const [name, field] of Object.entries(fields)) visit(name, field, needs);
}

function needOf(type: string, fields: Fields): SessionNeed | undefined {
  // RangeVar stands under the name of the field that it is in, or under its own.
  if (fields.relpersistence === "t" || fields.schemaname === "pg_temp") return "temporary";
  switch (type) {
    case "VariableSetStmt":
      return fields.is_local === true ? undefined : "setting";
    case "CopyStmt":
      return fields.filename === undefined ? "copy" : undefined;
    case "FuncCall":
      return functionNeed(fields);
    default:
      return undefined;
  }
}

function functionNeed({ funcname, args }: Fields): SessionNeed | undefined {
  const names = namesOf(funcname);
  const name = names.at(-1) ?? "";
  // A schema of the user's own may have functions of these names.
  if (names.length > 1 && names[0] !== "pg_catalog") return undefined;
  if (name === "set_config") return isTrue(Array.isArray(args) ? args[2] : undefined) ? undefined : "setting";
  return byFunction.get(name);
}

/** A list of names: `[{ String: { sval } }]`. */
function namesOf(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list.map((name: { String?: { sval?: string } }) => name.String?.sval ?? "");
}

/** The constant true. */
function isTrue(argument: unknown): boolean {
  const { A_Const: constant } = (argument ?? {}) as { A_Const?: { boolval?: { boolval?: boolean } } };
  return constant?.boolval?.boolval === true;
}
