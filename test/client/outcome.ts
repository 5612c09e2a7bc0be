// What became of a promise, as text.
import { PgError } from "../../src/wire/mod.ts";

/** `ERROR 42P01 relation "x" does not exist` of a promise that rejects with a PgError. */
export async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    return `${error.severity} ${error.code} ${error.message}`;
  }
  return "no error";
}

/** The whole error. */
export async function rejection(promise: Promise<unknown>): Promise<PgError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PgError) return error;
    throw error;
  }
  throw new Error("it did not reject");
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
