/**
 * Statements that are known at once, for an upstream that takes them as a whole: a pipeline, or the text of a simple
 * query, becomes one request. Where the upstream declines, nothing has happened, and they are run one by one.
 */
import type { StatementClass } from "../sql/statement.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { after, type RunningCall } from "./call.ts";
import type { Foreseen } from "./foresee.ts";
import { settle } from "./rows.ts";
import type { StatementContext } from "./statements.ts";
import type { Result, Statement, StatementSession } from "./upstream.ts";

type RunBatch = NonNullable<StatementSession["batch"]>;

/** Whether the upstream may be asked: nothing is open that the statements would have to join. */
export function takesBatches({ upstream, transaction }: StatementContext): boolean {
  return upstream.batch !== undefined && transaction.status === "I" && !transaction.implicit;
}

/** BEGIN as a batch is one by itself: without modes. */
export function beginsBlock(kind: StatementClass | undefined): boolean {
  return (
    kind?.type === "begin" &&
    kind.isolation === undefined &&
    kind.readOnly === undefined &&
    kind.deferrable === undefined
  );
}

/** COMMIT behind which no other transaction begins. */
export function endsBlock(kind: StatementClass | undefined): boolean {
  return kind?.type === "commit" && !kind.chain;
}

/** The results of all statements, which are committed then; undefined: nothing has happened. */
export function runBatch(
  { upstream }: StatementContext,
  statements: readonly Statement[],
  call: RunningCall,
): readonly Result[] | undefined | Promise<readonly Result[] | undefined> {
  const given = settle((upstream.batch as RunBatch)(statements, call), call);
  return after(given, (results) => {
    if (!results) return undefined;
    call.done();
    if (results.length === statements.length) return results;
    throw new PgError(
      sqlstate.internalError,
      `the upstream gave ${results.length} results for ${statements.length} statements`,
    );
  });
}

/**
 * The same for a block from BEGIN to COMMIT. Behind an error the client is in it, for all that it knows, and will send
 * ROLLBACK.
 */
export async function runBlock(
  context: StatementContext,
  statements: readonly Statement[],
  call: RunningCall,
): Promise<readonly Result[] | undefined> {
  try {
    return await runBatch(context, statements, call);
  } catch (error) {
    context.transaction.enter();
    throw error;
  }
}

/** A pipeline's statements. They are run when the first one is to be, so that an error is the answer to that one. */
export class Batch {
  readonly foreseen: Foreseen;
  #results: Iterator<Result> | undefined;
  #declined = false;

  constructor(foreseen: Foreseen) {
    this.foreseen = foreseen;
  }

  /** The result of the next statement; undefined: each is to be run by itself. */
  next(context: StatementContext, call: RunningCall): Result | undefined | Promise<Result | undefined> {
    if (this.#declined) return undefined;
    if (this.#results) return this.#results.next().value as Result;
    const { statements, block } = this.foreseen;
    const run = block ? runBlock : runBatch;
    return after(run(context, statements, call), (results) => {
      this.#declined = results === undefined;
      const all = results && block ? [command(block), ...results, command("COMMIT")] : results;
      this.#results = all?.[Symbol.iterator]();
      return this.#results?.next().value as Result | undefined;
    });
  }
}

function command(tag: string): Result {
  return { type: "command", tag };
}
