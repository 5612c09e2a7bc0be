/** What a gateway counts, and its text for Prometheus (exposition format 0.0.4). */
import type { Upstream } from "../session/mod.ts";

/** How a session came: `tcp`, `unix`, `websocket`, `http`. */
export type TransportName = "tcp" | "unix" | "websocket" | "http";

/** The routes of the HTTP side that are told apart. */
export type HttpRoute = "/" | "/sql" | "/health" | "/ready" | "/metrics" | "websocket" | "other";

/** A database of the gateway, at the moment. */
export interface DatabaseState {
  readonly database: string;
  readonly open: boolean;
  readonly connections: Upstream["connections"] | undefined;
}

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly values: Map<string, number>;
}

export class GatewayMetrics {
  readonly #metrics: Metric[] = [];
  readonly #open = this.#metric("gauge", "edgewire_sessions", "Sessions that are open.");
  readonly #total = this.#metric("counter", "edgewire_sessions_total", "Sessions that were opened.");
  readonly #requests = this.#metric("counter", "edgewire_http_requests_total", "HTTP requests.");
  readonly #statements = this.#metric(
    "counter",
    "edgewire_http_statements_total",
    "Statements that came by HTTP.",
  );
  readonly #errors = this.#metric(
    "counter",
    "edgewire_errors_total",
    "Errors of the gateway's own sessions by SQLSTATE class. Those of PostgreSQL servers pass uncounted.",
  );
  readonly #sqlErrors = this.#metric(
    "counter",
    "edgewire_http_sql_errors_total",
    "Errors that requests to /sql were answered with, by SQLSTATE class.",
  );
  readonly #up = this.#metric("gauge", "edgewire_database_up", "Databases that are open.");
  readonly #connections = this.#metric(
    "gauge",
    "edgewire_upstream_connections",
    "Connections to database servers: those of clients, and idle ones.",
  );
  readonly #databases: () => readonly DatabaseState[];

  /** @param databases is asked at each `print` */
  constructor(databases: () => readonly DatabaseState[] = () => []) {
    this.#databases = databases;
  }

  /** A session has its upstream. Call what it gives when the session ends. */
  session(transport: TransportName, database: string): () => void {
    const labels = format({ transport, database });
    add(this.#total, labels, 1);
    add(this.#open, labels, 1);
    return () => add(this.#open, labels, -1);
  }

  request(route: HttpRoute, method: string, status: number): void {
    // Methods are the client's to invent, and each would be a series.
    const known = ["GET", "POST", "OPTIONS", "HEAD"].includes(method) ? method : "other";
    add(this.#requests, format({ route, method: known, status: String(status) }), 1);
  }

  statements(count: number): void {
    add(this.#statements, "", count);
  }

  /** @param code SQLSTATE */
  error(code: string): void {
    add(this.#errors, classOf(code), 1);
  }

  /** @param code SQLSTATE */
  sqlError(code: string): void {
    add(this.#sqlErrors, classOf(code), 1);
  }

  /** The text of all metrics. */
  print(): string {
    this.#up.values.clear();
    this.#connections.values.clear();
    for (const { database, open, connections } of this.#databases()) {
      this.#up.values.set(format({ database }), open ? 1 : 0);
      for (const state of connections ? (["taken", "idle"] as const) : []) {
        this.#connections.values.set(format({ database, state }), connections?.[state] ?? 0);
      }
    }
    const lines = this.#metrics.flatMap(({ name, type, help, values }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...[...values].map(([labels, value]) => `${name}${labels} ${value}`),
    ]);
    return `${lines.join("\n")}\n`;
  }

  #metric(type: Metric["type"], name: string, help: string): Metric {
    const metric = { name, type, help, values: new Map<string, number>() };
    this.#metrics.push(metric);
    return metric;
  }
}

/** The first two characters; codes are the upstreams' to invent, and each would be a series. */
function classOf(code: string): string {
  return format({ class: /^[0-9A-Z]{5}$/.test(code) ? code.slice(0, 2) : "other" });
}

function add({ values }: Metric, labels: string, count: number): void {
  values.set(labels, (values.get(labels) ?? 0) + count);
}

function format(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${pairs.join(",")}}`;
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

function escaped(value: string): string {
  return value.replaceAll(/[\\"\n]/g, (character) => escapes[character] ?? character);
}
