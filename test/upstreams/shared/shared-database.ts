/** One embedded PostgreSQL shared by the clients of a test, each over a session in memory. */
import { openPglite } from "../../../adapters/node/pglite.ts";
import type { CancelRegistry, Upstream } from "../../../src/session/mod.ts";
import { memoryCancelRegistry } from "../../../src/session/mod.ts";
import { type ProtocolBackend, type SharedOptions, sharedUpstream } from "../../../src/upstreams/mod.ts";
import { encodeStartup, Writer } from "../../../src/wire/mod.ts";
import { startup, TestClient } from "../../session/test-client.ts";

export class SharedDatabase {
  readonly backend: ProtocolBackend;
  readonly upstream: Upstream;
  readonly cancels: CancelRegistry = memoryCancelRegistry();
  readonly #clients: TestClient[] = [];

  constructor(backend: ProtocolBackend, options: SharedOptions = {}) {
    this.backend = backend;
    this.upstream = sharedUpstream(backend, options);
  }

  static async start(options: SharedOptions = {}): Promise<SharedDatabase> {
    return new SharedDatabase(await openPglite(undefined), options);
  }

  /** A client that is through its startup. */
  async client(parameters: Record<string, string> = {}): Promise<SharedClient> {
    const client = new SharedClient(this);
    this.#clients.push(client);
    void client.sendBytes(startup(parameters));
    await client.until("ReadyForQuery");
    client.processId = client.last("BackendKeyData").processId;
    client.secretKey = client.last("BackendKeyData").secretKey;
    client.take();
    return client;
  }

  /** All clients go, as after each test; settles when nothing of them is left. */
  async gone(): Promise<void> {
    const clients = this.#clients.splice(0);
    for (const client of clients) client.session.end();
    await Promise.all(clients.map((client) => client.session.closed));
  }

  async close(): Promise<void> {
    await this.gone();
    await this.upstream.close?.();
  }
}

export class SharedClient extends TestClient {
  processId = 0;
  secretKey: Uint8Array = new Uint8Array(0);
  readonly #database: SharedDatabase;

  constructor(database: SharedDatabase) {
    super({ upstream: database.upstream, cancels: database.cancels });
    this.#database = database;
  }

  /** The rows of a query, cells joined by bars; an error as `ERROR code`. */
  async rows(sql: string): Promise<string[]> {
    const lines = await this.query(sql);
    return lines
      .filter((line) => line.startsWith("DataRow") || line.startsWith("ErrorResponse"))
      .map((line) => (line.startsWith("DataRow") ? line.slice("DataRow ".length) : errorCode(line)));
  }

  /** The only cell of a query's only row, or its error. */
  async value(sql: string): Promise<string | undefined> {
    const [first] = await this.rows(sql);
    return first;
  }

  /** Runs what must not fail. */
  async run(sql: string): Promise<void> {
    const lines = await this.query(sql);
    const error = lines.find((line) => line.startsWith("ErrorResponse"));
    if (error) throw new Error(`${sql}: ${error}`);
  }

  /** A CancelRequest over a connection of its own. */
  async cancel(): Promise<void> {
    const other = new TestClient({ upstream: this.#database.upstream, cancels: this.#database.cancels });
    const writer = new Writer();
    encodeStartup(writer, { type: "CancelRequest", processId: this.processId, secretKey: this.secretKey });
    void other.sendBytes(writer.take());
    await other.untilClosed();
  }
}

export function errorCode(line: string): string {
  return line.replace(/^ErrorResponse (\S+ \S+) .*/s, "$1");
}
