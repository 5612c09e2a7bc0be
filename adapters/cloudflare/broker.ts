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
  type NotificationBroker,
  routedCancelRegistry,
  type SessionKey,
} from "../../src/session/mod.ts";
import type { BrokerCalls, BrokerMessage, ObjectBindings } from "./object-calls.ts";

type Broker = DurableObjectStub<BrokerCalls>;

const keyBrokers = 8;

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
  return {
    async register(target, maxKeyLength, kept): Promise<CancelKey> {
      // Which one does not matter: the route names it.
      const broker = nameForKeys(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
      const place = await openPlace(env, broker, broker);
      const registry = routedCancelRegistry({ ...common, route: new TextEncoder().encode(place.name) });
      place.onMessage = (message) => {
        if (message.type !== "cancel") return;
        const { processId, secretKey } = message;
        registry.serve({ processId, secretKey: decodeBase64(secretKey) ?? new Uint8Array(0) });
      };
      const key = await registry.register(target, maxKeyLength, kept);
      return {
        ...plain(key),
        release() {
          key.release();
          place.close();
        },
      };
    },
    cancel: (processId, secretKey) => anywhere.cancel(processId, secretKey),
  };
}

// --- notifications ---

/** The broker for sessions that are served in invocations. Those that listen have a WebSocket to it. */
export function invocationNotifications(env: ObjectBindings): NotificationBroker {
  return {
    async join(member): Promise<Membership> {
      const name = nameForChannels(member.database);
      const place = await openPlace(env, name);
      place.onMessage = (message) => {
        if (message.type === "notify") for (const one of message.notifications) member.deliver(one);
      };
      return { ...membershipOf(env, place.name, member), leave: () => place.close() };
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

interface OpenPlace {
  readonly name: string;
  onMessage: (message: BrokerMessage) => void;
  close(): void;
}

/** `broker` is where the place is; a route has to name it. */
async function openPlace(env: ObjectBindings, broker: string, route = ""): Promise<OpenPlace> {
  const name = `socket:${route}:${crypto.randomUUID()}`;
  const response = await brokerOf(env, broker).fetch(`https://broker/?place=${encodeURIComponent(name)}`, {
    headers: { upgrade: "websocket" },
  });
  const { webSocket: socket } = response;
  if (!socket) throw new Error(`the broker answered ${response.status}`);
  const place: OpenPlace = { name, onMessage: () => {}, close: () => socket.close(1000) };
  socket.accept();
  socket.addEventListener("message", ({ data }) =>
    place.onMessage(JSON.parse(data as string) as BrokerMessage),
  );
  return place;
}
