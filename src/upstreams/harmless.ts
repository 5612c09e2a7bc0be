/** What does nothing but read, from its parse tree. */

const changes: ReadonlySet<string> = new Set(["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);

/**
 * Functions of PostgreSQL's that only compute, and are in every other query; and pg_advisory_unlock_all(), which does the same
 * called once or twice.
 */
const harmless: ReadonlySet<string> = new Set(
  `abs array_agg array_length array_to_string avg bit_in bool_and bool_or bpcharin btrim cardinality ceil ceiling
  char_length coalesce concat concat_ws count current_database current_schema current_schemas current_setting date_part
  date_trunc dense_rank extract first_value floor format format_type generate_series greatest has_column_privilege
  interval_in json_agg json_build_object jsonb_agg jsonb_build_array jsonb_build_object json_build_array lag last_value
  lead least left length lower max md5 min mod now numeric_in obj_description pg_get_constraintdef pg_get_expr
  pg_advisory_unlock_all pg_get_indexdef pg_input_is_valid pg_table_is_visible pg_type_is_visible position rank repeat
  replace reverse right round row_number row_security_active row_to_json split_part string_agg strpos substr substring sum time_in
  timestamp_in timestamptz_in timetz_in timezone to_char to_json to_jsonb translate trim trunc txid_current_if_assigned
  unnest upper varbit_in varcharin version`.split(/\s+/),
);

/** Whether a query, or a part of its tree, only reads: running it twice, or not to its end, makes no difference. */
export function isHarmless(node: unknown): boolean {
  if (Array.isArray(node)) return node.every(isHarmless);
  if (typeof node !== "object" || node === null) return true;
  return Object.entries(node).every(([name, value]) => {
    if (name === "lockingClause" || name === "intoClause" || changes.has(name)) return false;
    if (name === "FuncCall" && !isHarmlessCall(value)) return false;
    return isHarmless(value);
  });
}

function isHarmlessCall(call: unknown): boolean {
  const { funcname = [] } = call as { funcname?: { String?: { sval?: string } }[] };
  const names = funcname.map((part) => part.String?.sval ?? "");
  const name = names.at(-1) ?? "";
  // A schema of the user's own may have functions of these names.
  return harmless.has(name) && (names.length === 1 || names[0] === "pg_catalog");
}
