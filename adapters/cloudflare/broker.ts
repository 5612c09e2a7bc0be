// How sessions reach the BrokerObjects: their names, CancelRequests across isolates and objects, and the notifications of
// LISTEN and NOTIFY.
//
// There is one broker for the channels of each database: its notifications have one order, and databases do not meet. Keys
// of protocol 3.0 are spread over a few brokers by process id, for each session asks there once. The deployment's secret
// is asked for once by each isolate.
import { decodeBase64 } from "../../src/auth/base64.ts";
import {
  type BrokerMember,
  type CancelKey,
  type CancelRegistry,
  type KeyDirectory,
  type Membership,
  memoryCancelRegistry,
  type NotificationBroker,
  routedCancelRegistry,
  type SessionKey,
} from "../../src/session/mod.ts";
import type { BrokerCalls, BrokerMessage, ObjectBindings } from "./object-calls.ts";

type Broker = DurableObjectStub<BrokerCalls>;

const keyBrokers = 8;

/** The name of the broker for the key of a session. */
const nameForKeys = (processId: number): string => `keys ${processId % keyBrokers}`;
const nameForChannels = (database: string): string => `channels ${database}`;

function brokerOf(env: ObjectBindings, name: string): Broker {
  const { EDGEWIRE_BROKER: brokers } = env;
  if (!brokers) throw new Error("there is no binding EDGEWIRE_BROKER");
  return brokers.get(brokers.idFromName(name));
}

// --- cancel ---

const secrets = new WeakMap<ObjectBindings, Uint8Array>();

/** What the deployment signs its cancel keys with. */
export async function secretOf(env: ObjectBindings): Promise<Uint8Array> {
  const known = secrets.get(env);
  if (known) return known;
  const { EDGEWIRE_SECRET: own } = env;
  const secret = own ? new TextEncoder().encode(own) : await brokerOf(env, "secret").secret();
  secrets.set(env, secret);
  return secret;
}

/** The directory of protocol 3.0's keys; undefined without a broker. */
export function keyDirectory(env: ObjectBindings): KeyDirectory | undefined {
  if (!env.EDGEWIRE_BROKER) return undefined;
  const of = ({ processId }: SessionKey): Broker => brokerOf(env, nameForKeys(processId));
  return {
    add: (key, route) => of(key).addKey(plain(key), route),
    remove: (key) => of(key).removeKey(plain(key)),
    find: (key) => of(key).findKey(plain(key)),
  };
}

/** Takes a CancelRequest to the place that a route names. */
export async function forwardCancel(env: ObjectBindings, route: Uint8Array, key: SessionKey): Promise<void> {
  const place = new TextDecoder().decode(route);
  const [kind, id = ""] = place.split(":");
  const { EDGEWIRE_SESSIONS: sessions } = env;
  if (kind === "socket") await brokerOf(env, id).cancel(place, plain(key));
  else if (kind === "object") await sessions?.get(sessions.idFromString(id)).cancel(plain(key));
}

/** A session whose key no broker could take is served all the same: only cancelling is not to be had for it. */
export function despiteBroker(registry: CancelRegistry): CancelRegistry {
  return {
    async register(...session) {
      try {
        return await registry.register(...session);
      } catch (error) {
        console.error(`edgewire: a session cannot be cancelled: ${error}`);
        return memoryCancelRegistry().register(...session);
      }
    },
    cancel: (processId, secretKey) => registry.cancel(processId, secretKey),
  };
}

/** Without the functions that a CancelKey has. */
function plain({ processId, secretKey }: SessionKey): SessionKey {
  return { processId, secretKey };
}

/** The registry for sessions that are served in invocations. Each has a WebSocket to a broker while it lives. */
export function invocationCancels(env: ObjectBindings): CancelRegistry {
  const common = {
    secret: () => secretOf(env),
    directory: keyDirectory(env),
    forward: (route: Uint8Array, key: SessionKey) => forwardCancel(env, route, key),
  };
  const anywhere = routedCancelRegistry({ ...common, route: new Uint8Array(0) });
  return despiteBroker({
    async register(target, maxKeyLength, kept): Promise<CancelKey> {
      const processId = kept?.processId ?? newProcessId();
      // Where its key is, if it is a short one: a broker whose WebSocket has closed forgets both.
      const broker = nameForKeys(processId);
      const place = new OpenPlace(env, broker, broker);
      const route = new TextEncoder().encode(place.name);
      const registry = routedCancelRegistry({ ...common, route, newProcessId: () => processId });
      place.onMessage = (message) => {
        if (message.type !== "cancel") return;
        const secretKey = decodeBase64(message.secretKey) ?? new Uint8Array(0);
        registry.serve({ processId: message.processId, secretKey });
      };
      await place.open();
      const key = await registry.register(target, maxKeyLength, kept);
      place.onReopen = async () => {
        if (key.secretKey.length === 4) await common.directory?.add(key, route);
      };
      return {
        ...plain(key),
        release() {
          key.release();
          place.close();
        },
      };
    },
    cancel: (processId, secretKey) => anywhere.cancel(processId, secretKey),
  });
}

// --- notifications ---

/** The broker for sessions that are served in invocations. Those that listen have a WebSocket to it. */
export function invocationNotifications(env: ObjectBindings): NotificationBroker {
  return {
    async join(member): Promise<Membership> {
      const place = new OpenPlace(env, nameForChannels(member.database));
      place.onMessage = (message) => {
        if (message.type === "notify") for (const one of message.notifications) member.deliver(one);
      };
      await place.open();
      const { listen, notify } = membershipOf(env, place.name, member);
      let listening: readonly string[] = [];
      place.onReopen = async () => listen(listening);
      return {
        async listen(channels) {
          await listen(channels);
          listening = channels;
        },
        notify,
        leave: () => place.close(),
      };
    },
  };
}

/** What a place can ask of its database's broker. */
export function membershipOf(
  env: ObjectBindings,
  place: string,
  { database }: Pick<BrokerMember, "database">,
): Pick<Membership, "listen" | "notify"> {
  const broker = brokerOf(env, nameForChannels(database));
  return {
    listen: (channels) => broker.listen(place, channels),
    notify: (notifications) => broker.notify(place, notifications),
  };
}

/** Milliseconds until a lost WebSocket is opened again, at first and at the most. */
const firstRetry = 500;
const lastRetry = 60_000;

/** A session's WebSocket to a broker, opened again when it is lost: brokers restart when new code is deployed. */
class OpenPlace {
  readonly name: string;
  onMessage: (message: BrokerMessage) => void = () => {};
  /** Tells the broker again what it has forgotten. */
  onReopen: () => Promise<void> = async () => {};
  readonly #env: ObjectBindings;
  readonly #broker: string;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `route` is the broker's name where a route has to tell it. */
  constructor(env: ObjectBindings, broker: string, route = "") {
    this.#env = env;
    this.#broker = broker;
    this.name = `socket:${route}:${crypto.randomUUID()}`;
  }

  async open(): Promise<void> {
    const url = `https://broker/?place=${encodeURIComponent(this.name)}`;
    const response = await brokerOf(this.#env, this.#broker).fetch(url, {
      headers: { upgrade: "websocket" },
    });
    const { webSocket: socket } = response;
    if (!socket) throw new Error(`the broker answered ${response.status}`);
    socket.accept();
    if (this.#closed) return socket.close(1000);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) =>
      this.onMessage(JSON.parse(data as string) as BrokerMessage),
    );
    socket.addEventListener("close", () => this.#reopen(firstRetry));
    socket.addEventListener("error", () => this.#reopen(firstRetry));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  #reopen(delay: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.open()
        .then(() => this.onReopen())
        .catch(() => this.#reopen(Math.min(delay * 2, lastRetry)));
    }, delay);
  }
}

/** Within 31 bits, as several clients print it as a signed number. */
function newProcessId(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) >>> 1 || 1;
}
