/**
 * The gateway as a Worker, in workerd as `wrangler dev` runs it; its database is on Node, behind a `postgres://` URL. There
 * is one Worker, which is configured anew for what comes next.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { openTunnel } from "../../../adapters/node/tunnel.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { startUpstream } from "../../adapters/cloudflare/upstream.ts";
import { startWorker } from "../../adapters/cloudflare/wrangler-dev.ts";
import { appUser } from "../../drivers/neon.ts";
import { tcp } from "./sockets.ts";
import type { Otherwise, ServedGateway, Transport } from "./transport.ts";
import { webSocket } from "./websockets.ts";

const inObject = "WebSocket to a Durable Object";
const inInvocation = "WebSocket in the invocation";

/** In an order that needs few configurations. */
export const workerdTransports: readonly string[] = ["TCP", inObject, inInvocation, "tunnel"];

const routed: Otherwise = {
  because: "a key of protocol 3.2 is longer: it has the way to whoever has the session",
  of: { startup: ["3.2", "3.9999 and options of the protocol"] },
};

interface Configuration {
  /** Each WebSocket has a Durable Object of its own. */
  readonly objects: boolean;
  /** `name:verifier` pairs; undefined: everyone is trusted. */
  readonly users?: string;
}

export async function startWorkerdGateway(): Promise<ServedGateway> {
  const upstream = await startUpstream();
  const databases = `postgres=postgres://postgres@127.0.0.1:${upstream.port}/postgres`;
  const trust = { EDGEWIRE_DATABASES: databases, EDGEWIRE_AUTH: "trust" };
  const worker = await startWorker({ vars: trust });
  const url = `${worker.url.replace(/^http/, "ws")}/v2`;
  const tunnel = await openTunnel({ url });

  async function configure({ objects, users }: Configuration): Promise<void> {
    await worker.harness.update((options) => ({
      ...options,
      workers: options.workers.map((one) => ({
        ...one,
        ...("configPath" in one && { configPath: withObjects(String(one.configPath), objects) }),
        vars: users === undefined ? trust : { EDGEWIRE_DATABASES: databases },
        ...(users !== undefined && { secrets: { EDGEWIRE_USERS: users } }),
      })),
    }));
  }

  let configured = Promise.resolve();
  let current: Configuration = { objects: true };
  function needs(next: Configuration): Promise<void> {
    if (next.objects !== current.objects || next.users !== current.users) {
      current = next;
      configured = configured.then(() => configure(next));
    }
    return configured;
  }
  const needing = (configuration: Configuration, transport: Transport): Transport => ({
    ...transport,
    otherwise: configuration.objects ? [routed] : [],
    prepare: () => needs(configuration),
  });

  return {
    admin: tcp("admin", upstream.port),
    transports: [
      needing({ objects: true }, tcp("TCP", worker.tcpPort)),
      needing({ objects: true }, webSocket(inObject, url)),
      needing({ objects: false }, webSocket(inInvocation, url)),
      needing({ objects: false }, tcp("tunnel", tunnel.port)),
    ],
    async asking() {
      await needs({ objects: true, users: `${appUser.name}:${await scramVerifier(appUser.password)}` });
      return worker.url;
    },
    async close() {
      await tunnel.close(0);
      await worker.stop();
      await upstream.stop();
    },
  };
}

const withoutObjects = "without-objects.toml";

/** The configuration with its Durable Objects, or one beside it that has none. */
function withObjects(path: string, objects: boolean): string {
  const given = path.replace(withoutObjects, "wrangler.toml");
  if (objects) return given;
  const bare = given.replace(/wrangler\.toml$/, withoutObjects);
  const toml = readFileSync(given, "utf8");
  writeFileSync(
    bare,
    toml.replaceAll(/^\[\[(durable_objects\.bindings|migrations)\]\]\n([^[\n].*\n)*/gm, ""),
  );
  return bare;
}
