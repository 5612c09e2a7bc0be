/**
 * Descriptions of statements by their texts, for all clients of an upstream: drivers ask for the same ones over and
 * over. A schema that others change is seen when a description has aged, or when a result contradicts it.
 */
import type { Column, Description, StatementText } from "../session/upstream.ts";

/** Descriptions that are kept, the longest of their texts in characters, and milliseconds that they are good for. */
const maxKept = 500;
const maxLength = 10_000;
const maxAge = 60_000;

interface Kept {
  readonly description: Description;
  readonly since: number;
}

export class Descriptions {
  /** The oldest first. */
  readonly #kept: Map<string, Kept> = new Map();
  readonly #invalidated: () => void;
  #epoch = 0;

  /** `invalidated` is called whenever the schema may have changed. */
  constructor(invalidated: () => void = () => {}) {
    this.#invalidated = invalidated;
  }

  /** Counts changes of the schema that came this way. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The schema has changed, or may have. */
  invalidate(): void {
    this.#epoch++;
    this.#kept.clear();
    this.#invalidated();
  }

  /** `scope`: what else names depend on, such as the settings. */
  get(scope: string, statement: StatementText): Description | undefined {
    const key = keyOf(scope, statement);
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    if (Date.now() - kept.since < maxAge) return kept.description;
    this.#kept.delete(key);
    return undefined;
  }

  /** `epoch`: what it was when the description was asked for. */
  add(scope: string, statement: StatementText, description: Description, epoch: number): void {
    if (epoch !== this.#epoch || statement.sql.length > maxLength) return;
    if (this.#kept.size >= maxKept) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(keyOf(scope, statement), { description, since: Date.now() });
  }

  /** Forgets a description that a result's columns contradict. */
  check(scope: string, statement: StatementText, columns: readonly Column[]): void {
    if (this.#kept.size === 0) return;
    const key = keyOf(scope, statement);
    const told = this.#kept.get(key)?.description.columns;
    if (told && !sameTypes(told, columns)) this.#kept.delete(key);
  }
}

export function sameTypes(some: readonly Column[], others: readonly Column[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ name, typeOid }, at) => name === others[at]?.name && typeOid === others[at]?.typeOid)
  );
}

function keyOf(scope: string, { sql, parameterTypes }: StatementText): string {
  return JSON.stringify([scope, parameterTypes, sql]);
}
