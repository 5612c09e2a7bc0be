/** A client of /sql: requests to an app without a socket in between. */
import { createGateway, type Gateway, type GatewayConfig } from "../../src/gateway/mod.ts";
import { type AppOptions, createApp } from "../../src/http/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";

export interface Field {
  name: string;
  dataTypeID: number;
  tableID: number;
  columnID: number;
  dataTypeSize: number;
  dataTypeModifier: number;
  format: string;
}

export interface SqlResult {
  fields: Field[];
  rows: (Record<string, unknown> | unknown[])[];
  command: string;
  rowCount: number | null;
  rowAsArray: boolean;
}

export interface SqlAnswer extends SqlResult {
  status: number;
  headers: Headers;
  text: string;
  results: SqlResult[];
  /** Of an error. */
  message: string;
  code: string | null;
  [field: string]: unknown;
}

export class SqlClient {
  readonly gateway: Gateway;
  readonly #fetch: (request: Request) => Response | Promise<Response>;
  /** Headers of every request. */
  readonly headers: Record<string, string> = { "neon-connection-string": "postgres://postgres@h/postgres" };

  constructor(upstream: Upstream, config: Partial<GatewayConfig> = {}, options: Partial<AppOptions> = {}) {
    const whole = { databases: new Map([["postgres", "test:"]]), users: new Map(), ...config };
    this.gateway = createGateway(whole, { test: () => upstream });
    this.#fetch = createApp({ ...options, gateway: this.gateway }).fetch;
  }

  request(body: unknown, headers: Record<string, string> = {}, init: RequestInit = {}): Request {
    return new Request("http://gateway/sql", {
      method: "POST",
      headers: { ...this.headers, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
    });
  }

  async fetch(request: Request): Promise<SqlAnswer> {
    const response = await this.#fetch(request);
    const text = await response.text();
    const json = response.headers.get("content-type") === "application/json" ? JSON.parse(text) : {};
    return { ...json, status: response.status, headers: response.headers, text };
  }

  post(body: unknown, headers: Record<string, string> = {}): Promise<SqlAnswer> {
    return this.fetch(this.request(body, headers));
  }

  query(
    query: string,
    params: readonly unknown[] = [],
    headers: Record<string, string> = {},
  ): Promise<SqlAnswer> {
    return this.post({ query, params }, headers);
  }

  /** The rows in PostgreSQL's text. */
  async rows(query: string, params: readonly unknown[] = []): Promise<unknown[]> {
    return (await this.query(query, params, rawArrays)).rows;
  }

  batch(queries: readonly string[], headers: Record<string, string> = {}): Promise<SqlAnswer> {
    return this.post({ queries: queries.map((query) => ({ query })) }, headers);
  }
}

export const rawArrays = { "neon-raw-text-output": "true", "neon-array-mode": "true" };
