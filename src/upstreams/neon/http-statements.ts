/** One client's statements over HTTP: which can go that way, with what in front of them, alone or as a batch. */
import type { Call, Description, Result, Statement, StatementText } from "../../session/upstream.ts";
import { PgError } from "../../wire/error.ts";
import { type Descriptions, sameTypes } from "../descriptions.ts";
import type { SqlHttp, SqlHttpAnswer, SqlHttpResult, SqlHttpStatement } from "./http.ts";
import { resultOf } from "./http-result.ts";
import type { Plan } from "./plan.ts";
import { canPrecede, settingsFor } from "./settings.ts";

/** What it has to know of the client's session. */
export interface HttpClient {
  /** The settings that have to go in front of a statement. */
  settings(): ReadonlyMap<string, string>;
  /** What names in a statement depend on besides the schema. */
  scope(): string;
  describe(statement: StatementText, call: Call): Promise<Description>;
}

type Planned = readonly [statement: Statement, plan: Plan];

export class HttpStatements {
  readonly #http: SqlHttp;
  readonly #descriptions: Descriptions;
  readonly #client: HttpClient;

  constructor(
    { http, descriptions }: { readonly http: SqlHttp; readonly descriptions: Descriptions },
    client: HttpClient,
  ) {
    this.#http = http;
    this.#descriptions = descriptions;
    this.#client = client;
  }

  /** The result of one statement; undefined: it has not run, and needs a session. @throws PgError */
  async run(statement: Statement, plan: Plan, call: Call): Promise<Result | undefined> {
    const asked = this.#ask(statement, plan, call);
    const http = asked instanceof Promise ? await asked : asked;
    if (!http) return undefined;
    const before = settingsFor(statement.sql, this.#client.settings());
    const answer = await this.#send(before ? [before, http] : [http], [plan], call);
    if (answer.type === "results") {
      return this.#resultOf(answer.results.at(-1) as SqlHttpResult, statement, plan);
    }
    // A statement that was committed with its result unread must not run again.
    if (answer.type === "tooLarge" && (answer.part === "request" || before || plan.harmless))
      return undefined;
    throw answer.error;
  }

  /** The results of statements as one transaction; undefined: none of them has run. @throws PgError */
  async batch(planned: readonly Planned[], call: Call): Promise<readonly Result[] | undefined> {
    const all: SqlHttpStatement[] = [];
    for (const [statement, plan] of planned) {
      const http = await this.#ask(statement, plan, call);
      if (!http) return undefined;
      all.push(http);
    }
    const texts = all.map(({ sql }) => sql).join(";");
    const before = settingsFor(texts, this.#client.settings());
    const plans = planned.map(([, plan]) => plan);
    const answer = await this.#send(before ? [before, ...all] : all, plans, call);
    if (answer.type !== "results") {
      // What the connection behind the endpoint died of may have come behind the COMMIT.
      if (/^(08|57P)/.test(answer.error.code)) throw answer.error;
      return undefined;
    }
    const results = before ? answer.results.slice(1) : answer.results;
    return planned.map(([statement, plan], at) =>
      this.#resultOf(results[at] as SqlHttpResult, statement, plan),
    );
  }

  /**
   * A statement as HTTP can run it; undefined where it cannot. Types that the client has given its parameters cannot be
   * told there: they must be the ones that the server finds by itself.
   */
  #ask(
    { sql, parameters, parameterTypes, resultFormats }: Statement,
    plan: Plan,
    call: Call,
  ): SqlHttpStatement | undefined | Promise<SqlHttpStatement | undefined> {
    if (plan.way !== "http") return undefined;
    const settings = this.#client.settings();
    if (settings.size > 0 && !(plan.plain && canPrecede(settings)) && settingsFor(sql, settings)) {
      return undefined;
    }
    // Binary is made of the text, which has not all digits then.
    if (resultFormats.includes(1) && Number(settings.get("extra_float_digits") ?? 1) < 1) return undefined;
    if (!parameters.every((value) => value === null || typeof value === "string")) return undefined;
    const statement = { sql, parameters: parameters as readonly (string | null)[] };
    if (!parameterTypes.some((type) => type !== 0)) return statement;
    return this.#findsTypes(sql, parameterTypes, call).then((same) => (same ? statement : undefined));
  }

  /** Whether the server would give the parameters the types that the client gave them. */
  async #findsTypes(sql: string, given: readonly number[], call: Call): Promise<boolean> {
    try {
      const found = await this.#client.describe({ sql, parameterTypes: [] }, call);
      if (sameParameters(given, found.parameterTypes, false)) return true;
      if (!sameParameters(given, found.parameterTypes, true)) return false;
      // varchar for text: the same, if the result has the same types.
      const told = await this.#client.describe({ sql, parameterTypes: given }, call);
      return sameTypes(told.columns ?? [], found.columns ?? []);
    } catch (error) {
      // Then the session of the tunnel has the error that the client is to see, if it is one with its types.
      if (error instanceof PgError) return false;
      throw error;
    }
  }

  async #send(
    statements: readonly SqlHttpStatement[],
    plans: readonly Plan[],
    call: Call,
  ): Promise<SqlHttpAnswer> {
    try {
      return await this.#http.run(statements, call.signal);
    } finally {
      if (plans.some(({ changesSchema }) => changesSchema)) this.#descriptions.invalidate();
    }
  }

  #resultOf(answer: SqlHttpResult, statement: Statement, { kind }: Plan): Result {
    const result = resultOf(answer, kind);
    if (result.type === "rows") this.#descriptions.check(this.#client.scope(), statement, result.columns);
    return result;
  }
}

const text = 25;
const varchar = 1043;

/** `alike`: text and varchar count as the same. */
function sameParameters(given: readonly number[], found: readonly number[], alike: boolean): boolean {
  return given.every((type, at) => {
    if (type === 0 || type === found[at]) return true;
    return alike && type === varchar && found[at] === text;
  });
}
