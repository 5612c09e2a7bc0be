/**
 * The session's settings where the upstream has none of its own: what SET, SHOW and RESET work on, which of them are
 * reported by ParameterStatus (PostgreSQL documentation, 53.2.7 Asynchronous Operations; GUC_REPORT in the server's
 * guc_tables.c), and their transactional behaviour (SET is undone by ROLLBACK, SET LOCAL ends with the transaction).
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { normalize } from "./setting-values.ts";
import type { TransactionModes } from "./upstream.ts";

/** The version of PostgreSQL whose behaviour the session shows; clients choose their catalog queries by it. */
export const serverVersion = "18.0";

/** GUC_REPORT: reported at start and at every change, in PostgreSQL 18's set. */
const reported: ReadonlyMap<string, string> = new Map([
  ["application_name", ""],
  ["client_encoding", "UTF8"],
  ["DateStyle", "ISO, MDY"],
  ["default_transaction_read_only", "off"],
  ["in_hot_standby", "off"],
  ["integer_datetimes", "on"],
  ["IntervalStyle", "postgres"],
  ["is_superuser", "off"],
  ["scram_iterations", "4096"],
  ["search_path", '"$user", public'],
  ["server_encoding", "UTF8"],
  ["server_version", serverVersion],
  ["session_authorization", ""],
  ["standard_conforming_strings", "on"],
  ["TimeZone", "UTC"],
]);

/** Settings that clients set and read but that are not reported. */
const unreported: ReadonlyMap<string, string> = new Map([
  ["bytea_output", "hex"],
  ["check_function_bodies", "on"],
  ["client_min_messages", "notice"],
  ["default_transaction_deferrable", "off"],
  ["default_transaction_isolation", "read committed"],
  ["extra_float_digits", "1"],
  ["idle_in_transaction_session_timeout", "0"],
  ["idle_session_timeout", "0"],
  ["jit", "on"],
  ["lc_messages", "C"],
  ["lc_monetary", "C"],
  ["lc_numeric", "C"],
  ["lc_time", "C"],
  ["lock_timeout", "0"],
  ["max_identifier_length", "63"],
  ["role", "none"],
  ["row_security", "on"],
  ["server_version_num", "180000"],
  ["statement_timeout", "0"],
  ["synchronous_commit", "on"],
  ["transaction_deferrable", "off"],
  ["transaction_isolation", "read committed"],
  ["transaction_read_only", "off"],
  ["work_mem", "4MB"],
  ["xmloption", "content"],
]);

const readOnly: ReadonlySet<string> = new Set([
  "in_hot_standby",
  "integer_datetimes",
  "is_superuser",
  "max_identifier_length",
  "server_encoding",
  "server_version",
  "server_version_num",
]);

const canonicalNames: ReadonlyMap<string, string> = new Map(
  [...reported.keys(), ...unreported.keys()].map((name) => [name.toLowerCase(), name]),
);

/** A setting's name as SHOW and ParameterStatus write it: they are looked up without regard to case. */
export function settingName(name: string): string {
  return canonicalNames.get(name.toLowerCase()) ?? name.toLowerCase();
}

interface Level {
  readonly savepoint: string | undefined;
  /** All values when the level began, and those hidden by SET LOCAL; a rollback goes back to them. */
  readonly values: ReadonlyMap<string, string>;
  readonly hidden: ReadonlyMap<string, string | undefined>;
}

/** Settings as they are kept while a session is suspended, outside a transaction. */
export interface ParametersSnapshot {
  readonly initial: readonly (readonly [string, string])[];
  /** Those that differ. */
  readonly values: readonly (readonly [string, string])[];
}

export class Parameters {
  readonly #report: (name: string, value: string) => void;
  /** What RESET goes back to: the defaults, changed by the upstream's and the startup packet's values. */
  readonly #initial: Map<string, string> = new Map([...reported, ...unreported]);
  #values: Map<string, string> = new Map(this.#initial);
  /** Values that SET LOCAL hides until the transaction ends. */
  #hidden: Map<string, string | undefined> = new Map();
  readonly #levels: Level[] = [];
  /** What the client was told, by name. */
  readonly #told: Map<string, string> = new Map();
  /** Names whose values may differ from what the client was told. */
  readonly #changed: Set<string> = new Set();

  /** `report` writes one ParameterStatus. */
  constructor(report: (name: string, value: string) => void) {
    this.#report = report;
  }

  get values(): ReadonlyMap<string, string> {
    return this.#values;
  }

  /** Sets a value that the upstream has from the start. */
  initialize(name: string, value: string): void {
    const canonical = canonicalNames.get(name.toLowerCase()) ?? name;
    this.#initial.set(canonical, value);
    this.#values.set(canonical, value);
  }

  /**
   * Takes the startup packet's settings, which RESET goes back to, and sends the whole reported set.
   * @throws PgError for a setting that does not exist or a value that is refused.
   */
  start(startup: ReadonlyMap<string, string>): void {
    for (const [name, value] of startup) {
      this.set(name, value);
      this.#initial.set(settingName(name), this.show(name));
    }
    for (const name of reported.keys()) this.#changed.add(name);
    this.announce();
  }

  snapshot(): ParametersSnapshot {
    return {
      initial: [...this.#initial],
      values: [...this.#values].filter(([name, value]) => this.#initial.get(name) !== value),
    };
  }

  /** Takes up what a snapshot kept. The client knows of it. */
  resume({ initial, values }: ParametersSnapshot): void {
    for (const [name, value] of initial) this.initialize(name, value);
    for (const [name, value] of values) this.#values.set(name, value);
    for (const name of reported.keys()) this.#told.set(name, this.#values.get(name) ?? "");
  }

  /**
   * Tells the client what has changed since it was last told: once for each setting, before ReadyForQuery, and nothing
   * of what is back at its old value.
   */
  announce(): void {
    if (this.#changed.size === 0) return;
    for (const name of this.#changed) {
      const value = this.#values.get(name) ?? "";
      if (this.#told.get(name) === value) continue;
      this.#told.set(name, value);
      this.#report(name, value);
    }
    this.#changed.clear();
  }

  /** SHOW. Outside of a transaction the modes are those that the next one would have. */
  show(name: string): string {
    const key = settingName(name);
    const value = this.#values.get(this.#levels.length === 0 ? (nextModes.get(key) ?? key) : key);
    if (value === undefined) throw unrecognized(name);
    return value;
  }

  /** SET; undefined is DEFAULT. */
  set(name: string, value: string | undefined, scope: "session" | "local" = "session"): void {
    const key = settingName(name);
    if (!this.#initial.has(key) && !key.includes(".")) throw unrecognized(name);
    if (readOnly.has(key)) {
      throw new PgError(sqlstate.cantChangeRuntimeParam, `parameter "${key}" cannot be changed`);
    }
    const initial = this.#initial.get(key) ?? "";
    const next = value === undefined ? initial : normalize(key, value);
    if (key === "session_authorization" && next !== initial) {
      throw new PgError(sqlstate.featureNotSupported, "roles are not supported by this database");
    }
    if (scope === "local") {
      // Outside a transaction SET LOCAL has no effect but a WARNING, which the caller sends.
      if (this.#levels.length === 0) return;
      if (!this.#hidden.has(key)) this.#hidden.set(key, this.#values.get(key));
    } else {
      this.#hidden.delete(key);
    }
    this.#change(key, next);
  }

  /** RESET; "all" resets everything. */
  reset(name: string): void {
    if (name !== "all") return this.set(name, undefined);
    for (const key of [...this.#values.keys()]) {
      if (!readOnly.has(key) && !transactionOnly.has(key)) this.#change(key, this.#initial.get(key) ?? "");
    }
  }

  /** Takes over a value that an upstream reports. */
  report(name: string, value: string): void {
    const key = canonicalNames.get(name.toLowerCase()) ?? name;
    this.#change(key, value);
    this.#changed.add(key);
  }

  begin(savepoint?: string): void {
    this.#levels.push({ savepoint, values: new Map(this.#values), hidden: new Map(this.#hidden) });
  }

  /** Modes of the transaction, be it BEGIN or SET TRANSACTION that gives them: they end with it. */
  setModes({ isolation, readOnly, deferrable }: TransactionModes): void {
    const modes = [
      ["transaction_isolation", isolation],
      ["transaction_read_only", readOnly],
      ["transaction_deferrable", deferrable],
    ] as const;
    for (const [key, mode] of modes) {
      if (mode === undefined) continue;
      if (!this.#hidden.has(key)) this.#hidden.set(key, this.#values.get(key));
      this.#change(key, typeof mode === "string" ? mode : mode ? "on" : "off");
    }
  }

  /** RELEASE: the innermost level of that name ends, its values stay. */
  release(savepoint: string): void {
    const at = this.#levelOf(savepoint);
    if (at >= 0) this.#levels.length = at;
  }

  /** ROLLBACK TO: the values go back, the level stays. */
  rollbackTo(savepoint: string): void {
    const at = this.#levelOf(savepoint);
    const level = this.#levels[at];
    if (!level) return;
    this.#levels.length = at + 1;
    this.#hidden = new Map(level.hidden);
    this.#restore(level.values);
  }

  commit(): void {
    this.#levels.length = 0;
    for (const [key, value] of this.#hidden) this.#change(key, value ?? this.#initial.get(key) ?? "");
    this.#hidden.clear();
  }

  rollback(): void {
    const level = this.#levels[0];
    this.#levels.length = 0;
    this.#hidden.clear();
    if (level) this.#restore(level.values);
  }

  #levelOf(savepoint: string): number {
    return this.#levels.findLastIndex((level) => level.savepoint === savepoint);
  }

  #restore(values: ReadonlyMap<string, string>): void {
    for (const key of [...this.#values.keys()]) {
      const value = values.get(key);
      if (value === undefined) this.#values.delete(key);
      else this.#change(key, value);
    }
  }

  #change(key: string, value: string): void {
    if (this.#values.get(key) === value) return;
    this.#values.set(key, value);
    if (reported.has(key)) this.#changed.add(key);
  }
}

const nextModes: ReadonlyMap<string, string> = new Map(
  ["isolation", "read_only", "deferrable"].map((mode) => [
    `transaction_${mode}`,
    `default_transaction_${mode}`,
  ]),
);

/** Settings of the transaction at hand, which RESET ALL leaves alone. */
const transactionOnly: ReadonlySet<string> = new Set([
  "session_authorization",
  "transaction_deferrable",
  "transaction_isolation",
  "transaction_read_only",
]);

function unrecognized(name: string): PgError {
  return new PgError(sqlstate.undefinedObject, `unrecognized configuration parameter "${name}"`);
}
