/** What SQL over HTTP answers, as the session takes results. Of a command tag it has the first word and the count only. */
import type { Column, CommandResult, RowsResult } from "../../session/upstream.ts";
import { commandTag, type StatementClass } from "../../sql/mod.ts";
import type { SqlHttpField, SqlHttpResult } from "./http.ts";

export function resultOf(
  { fields, rows, rowCount }: SqlHttpResult,
  kind: StatementClass,
): RowsResult | CommandResult {
  const tag = commandTag(kind, rowCount);
  // A SELECT may have no columns at all.
  const returnsRows = kind.type === "show" || (kind.type === "other" && kind.returnsRows === true);
  if (fields.length === 0 && !returnsRows) return { type: "command", tag };
  return { type: "rows", columns: fields.map(columnOf), rows, tag: tag.replace(/ \d+$/, "") };
}

function columnOf(field: SqlHttpField): Column {
  return {
    name: field.name,
    typeOid: field.dataTypeID,
    typeSize: field.dataTypeSize,
    typeModifier: field.dataTypeModifier,
    tableOid: field.tableID,
    attribute: field.columnID,
  };
}
