/** How values become binary and back for one client: which types there are, and how the upstream writes their text. */
import {
  type BuiltInTypes,
  builtInTypes,
  readTypeSettings,
  type TypeSettings,
  typeRow,
} from "../types/mod.ts";
import { after, isPromise, type RunningCall } from "./call.ts";
import { type Conversion, formatOf, RowCursor } from "./rows.ts";
import type { ClientContext, RowsResult, StatementSession } from "./upstream.ts";

/** The conversion of a result for a client. */
function conversionFor(client: ClientContext, types: BuiltInTypes): Conversion {
  let settings: TypeSettings | undefined;
  return {
    types,
    settings: () => {
      settings ??= readTypeSettings(client.parameters);
      return settings;
    },
  };
}

/** What sends a result's rows in the formats that the client asked for. */
export function cursorOf(
  { upstream, client }: { readonly upstream: StatementSession; readonly client: ClientContext },
  result: RowsResult,
  formats: readonly number[],
  call: RunningCall,
): RowCursor | Promise<RowCursor> {
  const binary = result.columns.filter((_, at) => formatOf(formats, at) === 1);
  const types = typesOf(
    upstream,
    binary.map(({ typeOid = 0 }) => typeOid),
    call,
  );
  return after(types, (known) => new RowCursor(result, formats, conversionFor(client, known)));
}

/**
 * The types with these OIDs, and all built-in ones. The upstream is asked for those that its database has of its own: one
 * that it does not tell has no binary form here.
 */
export function typesOf(
  upstream: StatementSession,
  typeOids: readonly number[],
  call: RunningCall,
): BuiltInTypes | Promise<BuiltInTypes> {
  if (!upstream.types) return builtInTypes;
  const own = typeOids.filter((typeOid) => typeOid !== 0 && typeRow(typeOid) === undefined);
  if (own.length === 0) return builtInTypes;
  const told = upstream.types([...new Set(own)], call);
  if (!isPromise(told)) return told;
  return call.race(told).catch(() => {
    // The statement has run: that its result cannot be sent as it was asked for is the error to tell.
    call.check();
    return builtInTypes;
  });
}
