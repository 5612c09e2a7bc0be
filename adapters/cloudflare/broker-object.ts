// A Durable Object that knows where sessions are: the keys of CancelRequests that have no room for a route, and who listens
// to which channel. What it knows is in its SQLite storage, for it may be evicted whenever nobody asks it anything.
import { DurableObject } from "cloudflare:workers";
import { encodeBase64 } from "../../src/auth/base64.ts";
import { equalBytes } from "../../src/auth/constant-time.ts";
import type { Notification, SessionKey } from "../../src/session/mod.ts";
import type { BrokerCalls, BrokerMessage, ObjectBindings } from "./object-calls.ts";

const tables = `
  CREATE TABLE IF NOT EXISTS secrets (secret BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS keys (
    process_id INTEGER NOT NULL, secret_key BLOB NOT NULL, route BLOB NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (process_id, secret_key));
  CREATE INDEX IF NOT EXISTS keys_route ON keys (route);
  CREATE TABLE IF NOT EXISTS listeners (
    channel TEXT NOT NULL, place TEXT NOT NULL, PRIMARY KEY (channel, place)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS listeners_place ON listeners (place);`;

/** Milliseconds after which a key's session is asked whether it is still there, and how many are asked in one go. */
const checkInterval = 24 * 3_600_000;
const checkedAtOnce = 100;

export class BrokerObject extends DurableObject<ObjectBindings> implements BrokerCalls {
  /** The last delivery to each place that is under way: the next one comes behind it. */
  readonly #deliveries: Map<string, Promise<void>> = new Map();

  constructor(state: DurableObjectState, env: ObjectBindings) {
    super(state, env);
    this.#sql.exec(tables);
  }

  get #sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  // --- the secret ---

  secret(): Uint8Array {
    const [row] = this.#sql.exec<{ secret: ArrayBuffer }>("SELECT secret FROM secrets").toArray();
    if (row) return new Uint8Array(row.secret);
    const made = crypto.getRandomValues(new Uint8Array(32));
    this.#sql.exec("INSERT INTO secrets VALUES (?)", made);
    return made;
  }

  // --- cancel keys ---

  addKey({ processId, secretKey }: SessionKey, route: Uint8Array): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)",
      processId,
      secretKey,
      route,
      Date.now(),
    );
    void this.#scheduleCheck();
  }

  removeKey({ processId, secretKey }: SessionKey): void {
    this.#sql.exec("DELETE FROM keys WHERE process_id = ? AND secret_key = ?", processId, secretKey);
  }

  findKey({ processId, secretKey }: SessionKey): Uint8Array | undefined {
    const rows = this.#sql.exec<{ secret_key: ArrayBuffer; route: ArrayBuffer }>(
      "SELECT secret_key, route FROM keys WHERE process_id = ?",
      processId,
    );
    for (const { secret_key, route } of rows) {
      if (equalBytes(new Uint8Array(secret_key), secretKey)) return new Uint8Array(route);
    }
    return undefined;
  }

  cancel(place: string, { processId, secretKey }: SessionKey): void {
    this.#tell(place, { type: "cancel", processId, secretKey: encodeBase64(secretKey) });
  }

  /** Keys that their sessions have not taken back: some end without a word, as when new code is deployed. */
  override async alarm(): Promise<void> {
    const rows = this.#sql
      .exec<{ process_id: number; secret_key: ArrayBuffer; route: ArrayBuffer }>(
        "SELECT process_id, secret_key, route FROM keys WHERE seen <= ? ORDER BY seen LIMIT ?",
        Date.now() - checkInterval,
        checkedAtOnce,
      )
      .toArray();
    for (const row of rows) {
      const key = { processId: row.process_id, secretKey: new Uint8Array(row.secret_key) };
      if (!(await this.#isHeld(key, new TextDecoder().decode(row.route)))) this.removeKey(key);
      else this.#sql.exec("UPDATE keys SET seen = ? WHERE process_id = ?", Date.now(), key.processId);
    }
    if (rows.length === checkedAtOnce) await this.ctx.storage.setAlarm(Date.now());
    else if (this.#sql.exec("SELECT 1 FROM keys LIMIT 1").toArray().length > 0) await this.#scheduleCheck();
  }

  async #scheduleCheck(): Promise<void> {
    const { storage } = this.ctx;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + checkInterval);
  }

  async #isHeld(key: SessionKey, place: string): Promise<boolean> {
    const sessions = this.env.EDGEWIRE_SESSIONS;
    if (!place.startsWith("object:")) return this.ctx.getWebSockets(place).length > 0;
    const id = place.slice("object:".length);
    return sessions !== undefined && (await sessions.get(sessions.idFromString(id)).holds(key));
  }

  // --- channels ---

  listen(place: string, channels: readonly string[]): void {
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec("DELETE FROM listeners WHERE place = ?", place);
      for (const channel of channels) this.#sql.exec("INSERT INTO listeners VALUES (?, ?)", channel, place);
    });
  }

  notify(from: string, notifications: readonly Notification[]): void {
    const deliveries = new Map<string, Notification[]>();
    for (const notification of notifications) {
      const places = this.#sql.exec<{ place: string }>(
        "SELECT place FROM listeners WHERE channel = ? AND place <> ?",
        notification.channel,
        from,
      );
      for (const { place } of places) {
        const delivery = deliveries.get(place) ?? [];
        delivery.push(notification);
        deliveries.set(place, delivery);
      }
    }
    // The sender does not wait for anybody to wake up.
    for (const [place, delivery] of deliveries) this.#enqueue(place, delivery);
  }

  #enqueue(place: string, notifications: readonly Notification[]): void {
    const before = this.#deliveries.get(place) ?? Promise.resolve();
    const delivery = before
      .then(() => this.#deliver(place, notifications))
      .catch((error: unknown) => console.error(`edgewire: a notification was lost: ${error}`))
      .finally(() => {
        if (this.#deliveries.get(place) === delivery) this.#deliveries.delete(place);
      });
    this.#deliveries.set(place, delivery);
  }

  async #deliver(place: string, notifications: readonly Notification[]): Promise<void> {
    const sessions = this.env.EDGEWIRE_SESSIONS;
    let there: boolean;
    if (!place.startsWith("object:")) there = this.#tell(place, { type: "notify", notifications });
    else if (!sessions) there = false;
    else
      there = await sessions
        .get(sessions.idFromString(place.slice("object:".length)))
        .notified(notifications);
    if (!there) this.listen(place, []);
  }

  // --- invocations ---

  override fetch(request: Request): Response {
    const place = new URL(request.url).searchParams.get("place");
    if (!place || request.headers.get("upgrade") !== "websocket") return new Response(null, { status: 400 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [place]);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketClose(socket: WebSocket): void {
    this.#forget(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#forget(socket);
  }

  /** Whether there is such a place. */
  #tell(place: string, message: BrokerMessage): boolean {
    const sockets = this.ctx.getWebSockets(place);
    for (const socket of sockets) socket.send(JSON.stringify(message));
    return sockets.length > 0;
  }

  /** The invocation is over, and its session with it. */
  #forget(socket: WebSocket): void {
    for (const place of this.ctx.getTags(socket)) {
      // It may have been opened again before the loss of this one was noticed.
      const others = this.ctx.getWebSockets(place).filter((other) => other !== socket);
      if (others.some(({ readyState }) => readyState === WebSocket.OPEN)) continue;
      this.listen(place, []);
      this.#sql.exec("DELETE FROM keys WHERE route = ?", new TextEncoder().encode(place));
    }
  }
}
