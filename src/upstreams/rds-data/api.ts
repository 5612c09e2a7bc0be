/** The shapes of the RDS Data API, version 2018-08-01, as far as they are used (its service model in AWS's SDKs). */

/** A value; one member is there. */
export interface Field {
  readonly isNull?: boolean;
  readonly booleanValue?: boolean;
  /** A string where it is beyond what a double can hold: see readJson. */
  readonly longValue?: number | string;
  readonly doubleValue?: number;
  readonly stringValue?: string;
  /** In base64. */
  readonly blobValue?: string;
  readonly arrayValue?: ArrayValue;
}

/** One member is there. Not accepted in parameters. */
export interface ArrayValue {
  readonly booleanValues?: readonly (boolean | null)[];
  readonly longValues?: readonly (number | string | null)[];
  readonly doubleValues?: readonly (number | null)[];
  readonly stringValues?: readonly (string | null)[];
  readonly arrayValues?: readonly ArrayValue[];
}

export interface SqlParameter {
  readonly name: string;
  readonly value: Field;
}

export interface ColumnMetadata {
  readonly name?: string;
  readonly label?: string;
  /** PostgreSQL's name of the type: `int4`, `_text`; for a column with a sequence also `serial`. */
  readonly typeName?: string;
}

export interface ExecuteResponse {
  readonly records?: readonly (readonly Field[])[];
  readonly columnMetadata?: readonly ColumnMetadata[];
  readonly numberOfRecordsUpdated?: number;
}

export type Route =
  | "Execute"
  | "BatchExecute"
  | "BeginTransaction"
  | "CommitTransaction"
  | "RollbackTransaction";

/** A request to be signed and sent. */
export interface DataApiRequest {
  readonly url: string;
  readonly method: "POST";
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly signal: AbortSignal;
}

export interface DataApiResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** Signs a request (Signature Version 4, service `rds-data`) and sends it. */
export type SignedFetch = (request: DataApiRequest) => Promise<DataApiResponse>;
