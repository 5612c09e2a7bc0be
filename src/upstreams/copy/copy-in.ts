/**
 * COPY FROM STDIN: rows are inserted in batches, as one transaction. Nothing of it stays when it fails, and the error
 * says at which line.
 */
import {
  type CopyDecoder,
  type CopyOptions,
  type CopyRelation,
  type CopyRow,
  type CopyStatement,
  columnContext,
  createDecoder,
  inContext,
  lineContext,
  readOptions,
} from "../../copy/mod.ts";
import type { Call, CopyInResult } from "../../session/mod.ts";
import { readTypeSettings } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { checkCondition } from "./condition.ts";
import { type InsertTarget, invalidBatch, runsOfDefaults, sizeOf } from "./insert.ts";
import { Inserts } from "./inserts.ts";
import { locateColumn } from "./locate.ts";
import { checkAccess, checkForced, chooseColumns, findRelation, refuseAsTarget } from "./relation.ts";
import { ask, type CopySession } from "./session.ts";
import { learnTypes } from "./types.ts";

/** Rows of a batch: finding the one that is refused takes a request for each time that the number can be halved. */
const maxRows = 10_000;
const defaultBatchBytes = 2 * 1024 * 1024;

export async function copyIn(
  session: CopySession,
  { source, options: written, where }: CopyStatement & { readonly source: CopyRelation },
  call: Call,
): Promise<CopyInResult> {
  const relation = await findRelation(session, call, source);
  const columns = chooseColumns(relation, source.columns);
  const target = { relation, columns, where };
  if (where) await checkCondition(session, call, target);
  checkAccess(relation, columns);
  const options = readOptions(written, "from");
  checkForced("FORCE_NOT_NULL", options.forceNotNull, relation, columns);
  checkForced("FORCE_NULL", options.forceNull, relation, columns);
  checkVersion(options, relation.version);
  const binary = options.format === "binary";
  const decoder = createDecoder(options, {
    relation: relation.name,
    columns: binary ? await binaryColumns(session, target, call) : columns,
    csvMarker: relation.version < 180_000,
  });
  return {
    type: "copyIn",
    format: binary ? 1 : 0,
    columnFormats: columns.map(() => (binary ? 1 : 0)),
    async receive(data) {
      refuseAsTarget(relation);
      checkFreeze(options, target, session);
      return new CopyIn(session, target, options, decoder, call).receive(data);
    },
  };
}

async function binaryColumns(
  session: CopySession,
  { columns }: InsertTarget,
  call: Call,
): Promise<{ name: string; fromBinary: (bytes: Uint8Array) => string }[]> {
  const types = await learnTypes(
    session,
    call,
    columns.map(({ typeOid }) => typeOid),
  );
  const settings = readTypeSettings(call.client.parameters);
  return columns.map(({ name, typeOid }) => ({ name, fromBinary: types.decoder(typeOid, settings) }));
}

/** What an older server does not know, and what it takes to do it. */
function checkVersion({ onError }: CopyOptions, version: number): void {
  if (onError === "stop" || version >= 160_000) return;
  throw new PgError(sqlstate.featureNotSupported, "COPY with ON_ERROR IGNORE needs PostgreSQL 16 or later");
}

/** The rows are not frozen, which nobody sees; what PostgreSQL asks of a table for it is asked here, too. */
function checkFreeze({ freeze }: CopyOptions, { relation }: InsertTarget, session: CopySession): void {
  if (!freeze) return;
  if (relation.kind === "p" || relation.kind === "f") {
    const kind = relation.kind === "p" ? "partitioned" : "foreign";
    throw new PgError(sqlstate.featureNotSupported, `cannot perform COPY FREEZE on a ${kind} table`);
  }
  if (session.inTransaction && relation.fresh) return;
  throw new PgError(
    sqlstate.objectNotInPrerequisiteState,
    "cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction",
  );
}

class CopyIn {
  readonly #session: CopySession;
  readonly #target: InsertTarget;
  readonly #options: CopyOptions;
  readonly #decoder: CopyDecoder;
  readonly #call: Call;
  readonly #inserts: Inserts;
  readonly #batchBytes: number;
  #batch: CopyRow[] = [];
  #size = 0;
  #count = 0;
  #skipped = 0;

  constructor(
    session: CopySession,
    target: InsertTarget,
    options: CopyOptions,
    decoder: CopyDecoder,
    call: Call,
  ) {
    this.#session = session;
    this.#target = target;
    this.#options = options;
    this.#decoder = decoder;
    this.#call = call;
    this.#inserts = new Inserts(session, target, call);
    this.#batchBytes = session.batchBytes ?? defaultBatchBytes;
  }

  async receive(data: AsyncIterable<Uint8Array>): Promise<string> {
    try {
      await this.#readAll(data);
      await this.#inserts.commit();
    } catch (error) {
      await this.#inserts.rollback();
      throw error;
    }
    this.#tellSkipped();
    return `COPY ${this.#count}`;
  }

  async #readAll(data: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks = data[Symbol.asyncIterator]();
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await chunks.next();
      } catch (error) {
        // CopyFail, or a message that is out of place.
        throw inContext(error, lineContext(this.#target.relation.name, this.#decoder.line));
      }
      await this.#take(next.done === true ? this.#decoder.end() : this.#decoder.push(next.value));
      if (next.done) return this.#flush("last");
    }
  }

  async #take(rows: Iterable<CopyRow>): Promise<void> {
    const reader = rows[Symbol.iterator]();
    for (;;) {
      let next: IteratorResult<CopyRow>;
      try {
        next = reader.next();
      } catch (error) {
        // What is wrong with the rows before comes first.
        await this.#flush("check");
        throw error;
      }
      if (next.done) return;
      const row = next.value;
      if (row.missing) {
        await this.#flush("check");
        const values = await locateColumn(this.#target, row, (part) => this.#inserts.convert(part));
        throw values ?? row.missing;
      }
      const size = sizeOf(row);
      if (this.#batch.length >= maxRows || (this.#size + size > this.#batchBytes && this.#batch.length > 0)) {
        await this.#flush("more");
      }
      this.#batch.push(row);
      this.#size += size;
    }
  }

  /**
   * Inserts what was gathered.
   * - `last`: there is nothing behind it
   * - `check`: what is behind it is wrong, and it is only looked whether that is the first mistake
   */
  async #flush(end: "more" | "last" | "check"): Promise<void> {
    if (this.#batch.length === 0) return;
    const rows = this.#batch;
    this.#batch = [];
    this.#size = 0;
    const runs = runsOfDefaults(rows);
    for (const run of runs) {
      const { valid, refusal } = await this.#validate(run);
      if (valid.length > 0) {
        if (end === "check" || refusal) await this.#inserts.check(valid);
        else this.#count += await this.#inserts.insert(valid, end === "last" && runs.length === 1);
      }
      if (refusal) throw refusal;
    }
  }

  /** ON_ERROR IGNORE: leaves out rows with values that are none of their types. */
  async #validate(rows: readonly CopyRow[]): Promise<{ valid: readonly CopyRow[]; refusal?: PgError }> {
    if (this.#options.onError === "stop") return { valid: rows };
    const batch = invalidBatch(this.#target, rows);
    if (!batch) return { valid: rows };
    const found = await ask(this.#session, this.#call, batch.sql, batch.parameters);
    const invalid = new Set<CopyRow>();
    const { rejectLimit = Number.POSITIVE_INFINITY, logVerbosity } = this.#options;
    for (const [number, at] of found) {
      const index = Number(number) - 1;
      const row = rows[index] as CopyRow;
      const column = this.#target.columns[Number(at)]?.name ?? "";
      const value = row.values[Number(at)] ?? null;
      invalid.add(row);
      if (logVerbosity === "verbose") this.#tell(row.line, column, value);
      if (++this.#skipped <= rejectLimit) continue;
      const refusal = inContext(
        new PgError(
          sqlstate.invalidTextRepresentation,
          `skipped more than REJECT_LIMIT (${rejectLimit}) rows due to data type incompatibility`,
        ),
        columnContext(this.#target.relation.name, row.line, column, value),
      );
      return { valid: rows.slice(0, index).filter((earlier) => !invalid.has(earlier)), refusal };
    }
    return { valid: invalid.size === 0 ? rows : rows.filter((row) => !invalid.has(row)) };
  }

  #tell(line: number, column: string, value: string | null): void {
    const { name } = this.#target.relation;
    const what = columnContext(name, line, column, value).slice(
      `COPY ${name}, line ${line}, column ${column}`.length,
    );
    this.#call.client.notice(
      `skipping row due to data type incompatibility at line ${line} for column "${column}"${what}`,
      { where: `COPY ${name}` },
    );
  }

  #tellSkipped(): void {
    if (this.#skipped === 0 || this.#options.logVerbosity === "silent") return;
    const rows = this.#skipped === 1 ? "1 row was" : `${this.#skipped} rows were`;
    this.#call.client.notice(`${rows} skipped due to data type incompatibility`);
  }
}
