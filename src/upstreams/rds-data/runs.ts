/**
 * Runs one statement: finds out what has to be known of it, sends it, and asks in another way for what the API refuses to
 * give: types that it has no values for as text, results over 1 MiB by a cursor. The refused statement has run, so that
 * only a query that does nothing may be run again; of all others with rows the types are asked for first.
 */
import type { Column, Result, Statement } from "../../session/mod.ts";
import { commandTag } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { ExecuteResponse, SqlParameter } from "./api.ts";
import type { Answer } from "./client.ts";
import { hasArrays, nameParameters, reader, textColumns } from "./columns.ts";
import {
  askColumnNames,
  askTypes,
  castName,
  columnsOf,
  placed,
  type Send,
  type StatementTypes,
} from "./description.ts";
import { Pages } from "./pages.ts";
import { type BoundText, bindText, uncastParameters } from "./placeholders.ts";
import type { Plan } from "./plan.ts";
import { changesOutput } from "./settings.ts";
import { DataTransaction } from "./transaction.ts";
import type { RdsDataDatabase } from "./upstream.ts";
import { fieldOf, isGiven, oidOfName } from "./values.ts";

/** Statements whose types are remembered, the longest of them in characters, and for how many milliseconds. */
const maxKnown = 1_000;
const maxLength = 10_000;
const maxAge = 60_000;

/** A statement on its way: where it runs, and what it needs there. */
export interface Run {
  readonly statement: Statement;
  readonly plan: Plan;
  /** Undefined: it is committed by itself. */
  readonly transaction: DataTransaction | undefined;
  readonly settings: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** What was sent, and how its columns are read. */
interface Sent {
  readonly text: BoundText;
  readonly parameters: readonly SqlParameter[];
  /** The columns that come as text, whatever their types. */
  readonly asText: (column: number) => boolean;
  /** Where they are known; else the answer tells. */
  readonly columns: readonly Column[] | undefined;
}

/** What is known of the schema is out of date, or seems to be. */
export function forget({ known, types }: RdsDataDatabase): void {
  known.clear();
  types.invalidate();
}

export class Runs {
  readonly #database: RdsDataDatabase;

  constructor(database: RdsDataDatabase) {
    this.#database = database;
  }

  /** `own` is the statement's own transaction, which then ends with the last of its rows. */
  async run(run: Run, own?: DataTransaction): Promise<Result> {
    const { plan, transaction } = run;
    const sent = await this.#prepare(run);
    const answer = await this.#execute(run, sent);
    if (plan.changesSchema) {
      if (transaction) transaction.schemaChanged = true;
      else forget(this.#database);
    }
    if (answer.type === "result") {
      const given = (): Result => this.#result(run, sent, answer.result);
      // Bounds and dimensions of an array are not in the answer. From now on they are known to be needed.
      return plan.repeatable && !sent.columns && hasArrays(answer.result)
        ? this.#again(run, given, own)
        : given();
    }
    if (plan.repeatable && answer.refusal === "size") return this.#paged(run, sent, own);
    if (plan.repeatable && answer.refusal === "type" && !sent.columns) {
      const refuse = (): never => {
        throw answer.error;
      };
      return this.#again(run, refuse, own);
    }
    return this.#fail(run, answer.error, sent);
  }

  /** What is known of the statement may be out of date, and the reason. */
  #fail(run: Run, error: PgError, { text }: Sent): never {
    this.#known(run).delete(keyOf(run));
    throw placed(error, text);
  }

  #execute({ transaction, signal }: Run, { text, parameters }: Sent): Promise<Answer> {
    return transaction
      ? transaction.execute(text.sql, parameters, signal)
      : this.#database.api.execute(text.sql, parameters, undefined, signal);
  }

  /** Asks once more, with the columns as text. In a transaction the API may have ended it; then `otherwise` holds. */
  async #again(run: Run, otherwise: () => Result, own: DataTransaction | undefined): Promise<Result> {
    let types: StatementTypes;
    try {
      types = await this.types(run, true);
    } catch (error) {
      if (!run.transaction || !(error instanceof PgError)) throw error;
      return otherwise();
    }
    if (!types.resultTypes) return otherwise();
    const sent = this.#bound(run, types, true);
    const answer = await this.#execute(run, sent);
    if (answer.type === "result") return this.#result(run, sent, answer.result);
    if (answer.refusal === "size") return this.#paged(run, sent, own);
    return this.#fail(run, answer.error, sent);
  }

  /** Finds out what has to be known of a statement before it is sent. */
  async #prepare(run: Run): Promise<Sent> {
    const { statement, plan, settings } = run;
    if (!plan.preparable) return this.#bound(run, undefined, false);
    const rewritten = plan.returnsRows && (!plan.repeatable || changesOutput(settings));
    const known = this.#remembered(run);
    const untyped = [...uncastParameters(statement.sql)].some(
      (number) => castName(statement.parameterTypes[number - 1] ?? 0) === undefined,
    );
    const names = plan.returnsRows && changesOutput(settings);
    if (!known && !rewritten && !untyped && !names) return this.#bound(run, undefined, false);
    let types = await this.types(run, names);
    const refused = plan.returnsRows && types.resultTypes?.some((type) => !isGiven(type));
    if (refused && !types.columnNames) types = await this.types(run, true);
    return this.#bound(run, types, plan.returnsRows && (refused === true || changesOutput(settings)));
  }

  #bound({ statement, settings }: Run, types: StatementTypes | undefined, asText: boolean): Sent {
    const { sql, parameters, parameterTypes } = statement;
    const uncast = types ? undefined : uncastParameters(sql);
    const cast = (number: number): string | undefined => {
      if (uncast && !uncast.has(number)) return undefined;
      return castName(parameterTypes[number - 1] ?? 0) ?? types?.parameterNames[number - 1];
    };
    const typeOf = (at: number): number => parameterTypes[at] || (types?.parameterTypes[at] ?? 0);
    const resultTypes = types?.resultTypes;
    const all = changesOutput(settings);
    const converted = (at: number): boolean => all || !isGiven(resultTypes?.[at] ?? 0);
    const around = asText && resultTypes ? textColumns(sql, resultTypes.length, converted) : undefined;
    return {
      text: bindText(sql, cast, around),
      parameters: parameters.map((value, at) => ({
        name: `p${at + 1}`,
        value: fieldOf(value, typeOf(at), at),
      })),
      asText: around ? converted : () => false,
      columns: types?.columnNames && resultTypes ? columnsOf(types) : undefined,
    };
  }

  #result(run: Run, sent: Sent, answer: ExecuteResponse): Result {
    const { plan } = run;
    const { kind } = plan;
    const metadata = answer.columnMetadata ?? [];
    if (!plan.returnsRows && metadata.length === 0 && (answer.records ?? []).length === 0) {
      // A query without columns has rows all the same, which the API does not count.
      return { type: "command", tag: commandTag(kind, answer.numberOfRecordsUpdated ?? 0) };
    }
    const columns = this.#columns(run, sent, answer);
    const read = reader(columns, sent.asText);
    const tag = commandTag(kind, 0).replace(/ 0$/, "");
    return { type: "rows", columns, rows: (answer.records ?? []).map(read), tag };
  }

  #columns(
    { plan, statement }: Run,
    { columns }: Sent,
    { columnMetadata = [] }: ExecuteResponse,
  ): readonly Column[] {
    if (!columns) {
      const told = columnMetadata.map(({ label, name, typeName }) => ({
        name: label ?? name ?? "?column?",
        typeOid: oidOfName(typeName),
      }));
      return nameParameters(told, plan.namedByCast);
    }
    if (columns.length === columnMetadata.length || columnMetadata.length === 0) return columns;
    // The table has changed behind the gateway's back.
    forget(this.#database);
    throw new PgError(sqlstate.featureNotSupported, "cached plan must not change result type", {
      detail: `The statement was known to give ${columns.length} columns, and gave ${columnMetadata.length}: ${statement.sql.slice(0, 80)}`,
    });
  }

  /** Reads a large result by a cursor, in the client's transaction or one of its own. */
  async #paged(run: Run, sent: Sent, own: DataTransaction | undefined): Promise<Result> {
    const { signal } = run;
    const alone =
      own ??
      (run.transaction
        ? undefined
        : await DataTransaction.begin(this.#database.api, {}, run.settings, signal));
    const transaction = alone ?? (run.transaction as DataTransaction);
    try {
      const pages = new Pages(transaction);
      const first = await pages.open(sent.text, sent.parameters, signal);
      const columns = this.#columns(run, sent, first);
      const rows = pages.rows(first, reader(columns, sent.asText), signal, async (complete) => {
        if (!alone) return pages.close();
        if (complete) await alone.commit();
        else alone.abandon();
      });
      return { type: "rows", columns, rows, tag: "SELECT" };
    } catch (error) {
      alone?.abandon();
      throw error;
    }
  }

  #known({ transaction }: Run): Map<string, StatementTypes> {
    return transaction?.schemaChanged ? transaction.known : this.#database.known;
  }

  #remembered(run: Run): StatementTypes | undefined {
    const found = this.#known(run).get(keyOf(run));
    // Others may change a table without the gateway's hearing of it.
    return found && Date.now() - found.asked < maxAge ? found : undefined;
  }

  /** The types of a statement, asked for once. */
  async types(run: Run, names: boolean): Promise<StatementTypes> {
    const { statement, plan, signal, transaction, settings } = run;
    const { sql, parameterTypes } = statement;
    const found = this.#remembered(run);
    if (found && (!names || found.columnNames || !found.resultTypes)) return found;
    const ask = async (send: Send): Promise<StatementTypes> => {
      const types = found ?? (await askTypes(send, sql, parameterTypes));
      if (names && types.resultTypes) {
        const told = (await askColumnNames(send, sql, types)).map((name) => ({ name }));
        types.columnNames = nameParameters(told, plan.namedByCast).map(({ name }) => name);
      }
      return types;
    };
    let types: StatementTypes;
    if (transaction) {
      await transaction.apply(settings, signal);
      types = await ask((text, parameters) => transaction.execute(text, parameters, signal));
    } else {
      const own = await DataTransaction.begin(this.#database.api, {}, settings, signal);
      try {
        types = await ask((text, parameters) => own.execute(text, parameters, signal));
        await own.rollback();
      } catch (error) {
        own.abandon();
        throw error;
      }
    }
    if (sql.length > maxLength) return types;
    const known = this.#known(run);
    // The oldest goes: a Map keeps the order of insertion.
    if (known.size >= maxKnown) known.delete(known.keys().next().value as string);
    known.set(keyOf(run), types);
    return types;
  }
}

function keyOf({ statement, settings }: Run): string {
  const { sql, parameterTypes } = statement;
  return JSON.stringify([settings.get("search_path"), settings.get("role"), parameterTypes, sql]);
}
