/**
 * One client of Supabase's API. A statement is one request, be it with settings of the client's in front of it; several
 * statements that are known at once are one request, and one transaction. There is no other way to have one.
 */
import type {
  Call,
  ClientContext,
  Description,
  Result,
  Statement,
  StatementSession,
  StatementText,
  TransactionModes,
} from "../../session/mod.ts";
import { defaultModes, modesStatement } from "../../session/transaction-modes.ts";
import { commandTag } from "../../sql/mod.ts";
import type { BuiltInTypes } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { runCopy } from "../copy/mod.ts";
import { differingSettings } from "../kept-settings.ts";
import { runSetConfig } from "../set-config.ts";
import { addCall, askOutput, readCall } from "./call.ts";
import type { Defaults } from "./defaults.ts";
import { addDescription, describeOther, readDescription, undescribable } from "./description.ts";
import { badAnswer } from "./errors.ts";
import { planOf } from "./plan.ts";
import { canBeBatched, noTransactions, notAtOnce, refuseSessionNeeds } from "./refusals.ts";
import {
  addAlone,
  addKept,
  addKeptResults,
  parsed,
  readAlone,
  readKept,
  type Step,
  standsAlone,
  typeList,
} from "./requests.ts";
import { literal, Script, uniqueName } from "./script.ts";
import type { SupabaseDatabase } from "./upstream.ts";

/** Of JSON, which is quoted once more on its way: a request has 3 MB. */
const maxCopyBytes = 1_500_000;

export class SupabaseSession implements StatementSession {
  readonly parameters: ReadonlyMap<string, string>;
  readonly #database: SupabaseDatabase;
  readonly #client: ClientContext;
  readonly #defaults: Defaults;
  /** Statements that are one transaction come one by one. */
  #implicit = false;

  constructor(database: SupabaseDatabase, client: ClientContext, defaults: Defaults) {
    this.#database = database;
    this.#client = client;
    this.#defaults = defaults;
    this.parameters = defaults.settings;
  }

  async query(statement: Statement, call: Call): Promise<Result> {
    const { signal } = call;
    const plan = planOf(this.#database.parser, statement.sql);
    if (plan.needs.has("copy") && plan.statement) {
      if (this.#implicit) throw notAtOnce();
      return runCopy(this.#copySession(), plan.statement, call);
    }
    refuseSessionNeeds(plan);
    if (plan.kind.type === "closeCursor") return { type: "command", tag: commandTag(plan.kind) };
    if (this.#implicit && plan.mayChange) throw notAtOnce();
    if (plan.setConfig) {
      return runSetConfig(plan.setConfig, this.#client, (sql) => this.query({ ...statement, sql }, call));
    }
    const step = { statement, plan, index: 0 };
    await this.#check([step], signal);
    if (plan.shape === "call") return this.#procedure(step, signal);
    if (!standsAlone(plan, this.#defaults.version)) {
      const [result] = await this.#together([step], signal);
      return result as Result;
    }
    const script = this.#begin();
    addAlone(script, step);
    const cells =
      plan.shape === "command"
        ? await this.#run(script, [step], () => this.#database.api.raw(script.text, signal).then(() => []))
        : await this.#run(script, [step], () => this.#database.api.run(script.text, signal));
    const result = await this.#settled(readAlone(plan, cells), signal);
    if (result.type === "rows") {
      this.#database.descriptions.check(this.#scope(), statement, result.columns);
    }
    return result;
  }

  async batch(statements: readonly Statement[], { signal }: Call): Promise<readonly Result[] | undefined> {
    const steps = statements.map((statement, index) => ({
      statement,
      plan: planOf(this.#database.parser, statement.sql),
      index,
    }));
    if (!steps.every(({ plan }) => canBeBatched(plan))) return undefined;
    await this.#check(steps, signal);
    return this.#together(steps, signal);
  }

  async describe(statement: StatementText, { signal }: Call): Promise<Description> {
    const plan = planOf(this.#database.parser, statement.sql);
    if (!plan.needs.has("copy")) refuseSessionNeeds(plan);
    if (plan.shape !== "rows" && plan.shape !== "count") return describeOther(plan, statement);
    const { descriptions, columnTypes, api } = this.#database;
    const scope = this.#scope();
    const found = descriptions.get(scope, statement);
    if (found) return found;
    const { epoch } = descriptions;
    const step = { statement: { ...statement, parameters: [], resultFormats: [] }, plan, index: 0 };
    await this.#check([step], signal);
    const script = this.#begin();
    addDescription(script, plan, statement, this.#defaults.version);
    const cells = await this.#run(script, [step], () => api.run(script.text, signal)).catch(
      (error: unknown) => {
        throw error instanceof PgError && plan.changesData ? undescribable(error) : error;
      },
    );
    const told = readDescription(cells[0], statement);
    const columns = told.columns && (await columnTypes.settle(told.columns, api, signal));
    const description = { ...told, columns };
    descriptions.add(scope, statement, description, epoch);
    return description;
  }

  types(typeOids: readonly number[]): Promise<BuiltInTypes> {
    return this.#database.types.find(typeOids);
  }

  begin({ implicit }: TransactionModes): void {
    if (!implicit) throw noTransactions();
    this.#implicit = true;
  }

  commit(): void {
    this.#implicit = false;
  }

  rollback(): void {
    this.#implicit = false;
  }

  /**
   * Has the server look at a text that the parser does not know, before it is put into another one: what is no whole
   * statement by itself could become one there.
   */
  async #check(steps: readonly Step[], signal: AbortSignal): Promise<void> {
    for (const step of steps) {
      const { plan, statement, index } = step;
      if (plan.statement || plan.shape !== "rows") continue;
      const script = this.#begin().add(`PREPARE ${uniqueName()}${typeList(statement)} AS `);
      script.addSource(statement.sql, index);
      await this.#run(script, [step], () => this.#database.api.raw(script.text, signal).then(() => []));
    }
  }

  /** Runs statements whose results are kept until the last one. */
  async #together(steps: readonly Step[], signal: AbortSignal): Promise<Result[]> {
    const { version } = this.#defaults;
    const script = this.#begin();
    for (const step of steps) addKept(script, step, version);
    addKeptResults(script, steps.length);
    const [cell] = await this.#run(script, steps, () => this.#database.api.run(script.text, signal));
    const values = cell === undefined ? undefined : parsed(cell);
    if (!Array.isArray(values)) throw badAnswer("there are no results");
    const results = steps.map(({ plan, index }) => readKept(plan, values[index]));
    return Promise.all(results.map((result) => this.#settled(result, signal)));
  }

  async #procedure(step: Step, signal: AbortSignal): Promise<Result> {
    const { api } = this.#database;
    const types = await askOutput(api, step, signal);
    const script = this.#begin();
    addCall(script, step, types);
    const cells = await this.#run(script, [step], async () => {
      if (types) return api.run(script.text, signal);
      await api.raw(script.text, signal);
      return [];
    });
    return this.#settled(readCall(step.plan, types, cells[0]), signal);
  }

  async #settled(result: Result, signal: AbortSignal): Promise<Result> {
    if (result.type !== "rows") return result;
    const { api, columnTypes } = this.#database;
    return { ...result, columns: await columnTypes.settle(result.columns, api, signal) };
  }

  /** Runs a text; an error of the database gets its place in the client's own. */
  async #run(script: Script, steps: readonly Step[], work: () => Promise<string[]>): Promise<string[]> {
    try {
      const cells = await work();
      if (steps.some(({ plan }) => plan.changesSchema)) this.#database.descriptions.invalidate();
      return cells;
    } catch (error) {
      throw error instanceof PgError ? placed(error, script, steps) : error;
    }
  }

  /** A request begins with what the client has set. */
  #begin(): Script {
    const script = new Script();
    const { parameters } = this.#client;
    const { settings } = this.#defaults;
    const modes = modesStatement(defaultModes(parameters));
    if (modes !== undefined) script.add(`${modes};\n`);
    const calls = [...differingSettings(parameters, settings)].map(
      ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`,
    );
    if (calls.length > 0) script.add(`SELECT ${calls.join(", ")};\n`);
    return script;
  }

  /** What names and types depend on beside the text. */
  #scope(): string {
    const { parameters } = this.#client;
    return JSON.stringify([parameters.get("search_path"), parameters.get("role")]);
  }

  #copySession(): Parameters<typeof runCopy>[0] {
    return {
      query: (statement, call) => this.query(statement, call),
      describe: (statement, call) => this.describe(statement, call),
      inTransaction: false,
      batchBytes: maxCopyBytes,
    };
  }
}

const wrapped: ReadonlySet<string> = new Set(["table", "utility", "call"]);

/** An error with its position in the statement that it is one of; what the gateway has put around that is left out. */
function placed(error: PgError, script: Script, steps: readonly Step[]): PgError {
  const { code, message, position, internalPosition, internalQuery, where, ...fields } = error.fields;
  const own = steps.find(({ statement }) => internalQuery?.endsWith(statement.sql));
  const place = position === undefined ? undefined : script.locate(position);
  // Of several statements the client is not told which one it was: a position is taken for one in the first.
  let found = place?.statement === 0 ? place.position : undefined;
  if (own && internalQuery !== undefined && internalPosition !== undefined) {
    const added = [...internalQuery].length - [...own.statement.sql].length;
    if (internalPosition > added && own.index === 0) found = internalPosition - added;
  }
  // What is run by PL/pgSQL of the gateway's has a line for that, the outermost one.
  const within = steps.some(({ plan: { shape, merges } }) => merges || wrapped.has(shape));
  const context = within
    ? where?.replace(/(^|\n)PL\/pgSQL function inline_code_block line \d+ at [^\n]*EXECUTE[^\n]*$/, "")
    : where;
  return new PgError(code, message, {
    ...fields,
    ...(found !== undefined && { position: found }),
    ...(!own && internalQuery !== undefined && { internalQuery }),
    ...(!own && internalPosition !== undefined && { internalPosition }),
    ...(context && { where: context }),
  });
}
