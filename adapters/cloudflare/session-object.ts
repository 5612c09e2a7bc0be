// A Durable Object that serves one client's WebSocket, and costs nothing while the client is idle. By the hibernation API
// the runtime holds the WebSocket, not the object: after some idle seconds the session is suspended, its snapshot goes to
// the object's storage, and nothing is left that would keep the object in memory. The next message finds an object
// without memory, or one whose session sleeps, and takes the session up again. A session in a transaction, or one that
// holds what cannot be moved (see src/upstreams/wire/suspend.ts), stays in memory with its object.
import { DurableObject } from "cloudflare:workers";
import { decodeBase64 } from "../../src/auth/base64.ts";
import { type WebSocketConnection, type WebSocketSession, WebSocketTransport } from "../../src/http/mod.ts";
import {
  type BrokerMember,
  memoryCancelRegistry,
  type Notification,
  type NotificationBroker,
  type RoutedCancelRegistry,
  routedCancelRegistry,
  Session,
  type SessionKey,
  type SessionOptions,
  type SessionSnapshot,
} from "../../src/session/mod.ts";
import {
  encodeBackend,
  fatal,
  type PgError,
  sqlstate,
  Writer,
  writeErrorResponse,
} from "../../src/wire/mod.ts";
import { despiteBroker, forwardCancel, keyDirectory, membershipOf, secretOf } from "./broker.ts";
import type { Env } from "./env.ts";
import { gatewayOf } from "./gateway.ts";
import type { SessionCalls } from "./object-calls.ts";
import { SnapshotStore } from "./snapshot-store.ts";

/** Seconds of idleness until a session is suspended, unless EDGEWIRE_SUSPEND_AFTER says otherwise. */
const defaultIdle = 5;

/** Milliseconds until a session that could not be suspended is asked again, at the most: it is asked ever less often. */
const maxWait = 60_000;

/** What is kept with the WebSocket, wherever its session is. */
interface Attachment {
  readonly address?: string;
}

export class SessionObject extends DurableObject<Env> implements SessionCalls {
  readonly #store: SnapshotStore;
  readonly #place: string;
  readonly #cancels: RoutedCancelRegistry | undefined;
  /** The session, while it is in memory. */
  #live: WebSocketSession | undefined;
  /** It takes the notifications of a session in memory; those that come while it is taken up again wait. */
  #member: BrokerMember | undefined;
  #early: Notification[] = [];
  /** Counts down to the suspension. It also keeps the object in memory, with its session. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = 0;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#store = new SnapshotStore(state.storage);
    this.#place = `object:${state.id}`;
    if (env.EDGEWIRE_SECRET || env.EDGEWIRE_BROKER) {
      this.#cancels = routedCancelRegistry({
        secret: () => secretOf(env),
        route: new TextEncoder().encode(this.#place),
        forward: (route, key) => forwardCancel(env, route, key),
        directory: keyDirectory(env),
      });
    }
  }

  /** Whether a session is in memory. */
  get awake(): boolean {
    return this.#live !== undefined;
  }

  // --- the WebSocket ---

  override fetch(request: Request): Response {
    if (this.ctx.getWebSockets().length > 0) return new Response(null, { status: 409 });
    const { 0: client, 1: server } = new WebSocketPair();
    const address = request.headers.get("cf-connecting-ip");
    const attachment: Attachment = address === null ? {} : { address };
    server.serializeAttachment(attachment);
    this.ctx.acceptWebSocket(server);
    this.#serve(server, (transport) => new Session(transport, this.sessionOptions()));
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Frames come in their order, and cannot be held back: what waits for the upstream, the transport bounds. */
  override webSocketMessage(socket: WebSocket, data: ArrayBuffer | string): void {
    const live = this.#live ?? this.#wake(socket);
    if (!live) return;
    live.message(data);
    this.#rest(true);
  }

  override webSocketClose(socket: WebSocket, code: number, _reason: string, wasClean: boolean): void {
    // Compatibility dates before 2026 leave the answer to us.
    if (socket.readyState === WebSocket.OPEN) this.#connection(socket).close(code === 1005 ? 1000 : code);
    this.#closed(wasClean);
  }

  override webSocketError(): void {
    this.#closed(false);
  }

  #closed(clean: boolean): void {
    if (this.#live) return this.#live.closed(clean);
    // Nobody takes the suspended session up any more.
    const snapshot = this.#store.take();
    if (snapshot) this.#abandon(snapshot);
    this.#forget();
  }

  // --- the session ---

  #serve(socket: WebSocket, start: (transport: WebSocketTransport) => Session): WebSocketSession {
    const { address } = socket.deserializeAttachment() as Attachment;
    const transport = new WebSocketTransport(this.#connection(socket), { address });
    const live = transport.attach(start(transport));
    this.#live = live;
    live.session.closed.then(() => {
      // Of one that was suspended the snapshot is there.
      if (this.#live === live) this.#forget();
    });
    this.#rest(true);
    return live;
  }

  /** What its session is served by. A Worker with a gateway of its own overrides it. */
  protected sessionOptions(): SessionOptions {
    const { gateway, variables } = gatewayOf(this.env);
    return {
      ...gateway.sessionsOver("websocket", { limits: variables.limits }),
      cancels: this.#cancels ? despiteBroker(this.#cancels) : memoryCancelRegistry(),
      ...(this.env.EDGEWIRE_BROKER && { notifications: this.#notifications() }),
      suspendable: true,
    };
  }

  #connection(socket: WebSocket): WebSocketConnection {
    return {
      send(bytes) {
        try {
          socket.send(bytes);
        } catch {
          // It is closing, and the object is told of that.
        }
      },
      close(code, reason) {
        try {
          socket.close(code, reason);
        } catch {
          // It is closed.
        }
      },
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
    };
  }

  /** Takes the suspended session up. */
  #wake(socket: WebSocket): WebSocketSession | undefined {
    const snapshot = this.#store.take();
    if (!snapshot) {
      end(socket, lost("its object was restarted"));
      return undefined;
    }
    void this.ctx.storage.deleteAlarm();
    return this.#serve(socket, (transport) => Session.resume(transport, this.sessionOptions(), snapshot));
  }

  /** Counts down anew; `busy`: because something has come from the client. */
  #rest(busy: boolean): void {
    clearTimeout(this.#timer);
    const seconds = Number(this.env.EDGEWIRE_SUSPEND_AFTER);
    const idle = (seconds > 0 ? seconds : defaultIdle) * 1_000;
    this.#wait = busy ? idle : Math.min(this.#wait * 2, Math.max(idle, maxWait));
    this.#timer = setTimeout(() => void this.#suspend(), this.#wait);
  }

  async #suspend(): Promise<void> {
    const live = this.#live;
    const snapshot = await live?.session.suspend();
    if (snapshot) {
      this.#live = undefined;
      this.#member = undefined;
      this.#keep(snapshot);
    } else if (this.#live && this.#live === live) this.#rest(false);
  }

  #keep(snapshot: SessionSnapshot): void {
    try {
      this.#store.put(snapshot);
      if (snapshot.deadline !== undefined) void this.ctx.storage.setAlarm(snapshot.deadline);
    } catch (error) {
      console.error(`edgewire: a suspended session could not be kept: ${error}`);
      this.#abandon(snapshot);
      for (const socket of this.ctx.getWebSockets()) end(socket, lost("it could not be kept"));
    }
  }

  /** A suspended session has reached its idle_session_timeout: taking it up tells its client so. */
  override alarm(): void {
    const [socket] = this.ctx.getWebSockets();
    if (!this.#live && socket) this.#wake(socket);
  }

  /** The session is over. */
  #forget(): void {
    clearTimeout(this.#timer);
    this.#live = undefined;
    this.#member = undefined;
    if (this.#store.used) void this.ctx.storage.deleteAll();
  }

  /** What a suspended session has left elsewhere goes with its client. */
  #abandon({ database, processId, secretKey, channels }: SessionSnapshot): void {
    const gone = (error: unknown): void => console.error(`edgewire: the broker was not told: ${error}`);
    const key = { processId, secretKey: decodeBase64(secretKey) ?? new Uint8Array(0) };
    if (key.secretKey.length === 4) Promise.resolve(keyDirectory(this.env)?.remove(key)).catch(gone);
    if (channels.length === 0) return;
    Promise.resolve(membershipOf(this.env, this.#place, { database }).listen([])).catch(gone);
  }

  // --- what others ask ---

  cancel(key: SessionKey): void {
    // A session that is suspended runs nothing.
    this.#cancels?.serve(key);
  }

  holds(key: SessionKey): boolean {
    return this.#cancels?.has(key) || this.#store.read()?.processId === key.processId;
  }

  notified(notifications: readonly Notification[]): boolean {
    if (this.#live) {
      if (this.#member) for (const notification of notifications) this.#member.deliver(notification);
      else this.#early.push(...notifications);
      return true;
    }
    const [socket] = this.ctx.getWebSockets();
    const snapshot = this.#store.read();
    if (!socket || !snapshot) return false;
    // Its client is idle outside of a transaction, and may be told at once, without its session.
    const writer = new Writer();
    for (const notification of notifications) {
      if (!snapshot.channels.includes(notification.channel)) continue;
      encodeBackend(writer, { type: "NotificationResponse", ...notification });
    }
    if (writer.length > 0) this.#connection(socket).send(writer.take());
    return snapshot.channels.length > 0;
  }

  #notifications(): NotificationBroker {
    return {
      join: (member) => {
        this.#member = member;
        for (const notification of this.#early.splice(0)) member.deliver(notification);
        const membership = membershipOf(this.env, this.#place, member);
        return {
          ...membership,
          // The broker calls this object by its name, whether or not the session is in memory.
          suspend: () => {},
          leave: () => void Promise.resolve(membership.listen([])).catch(() => {}),
        };
      },
    };
  }
}

function lost(why: string): PgError {
  return fatal(sqlstate.connectionFailure, `the session was lost: ${why}`);
}

/** Ends a WebSocket that has no session. */
function end(socket: WebSocket, error: PgError): void {
  const writer = new Writer();
  writeErrorResponse(writer, error.fields);
  socket.send(writer.take());
  socket.close(1011, error.message);
}
