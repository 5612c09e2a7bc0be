/** A gateway with a wire upstream, before servers that the test plays. */
import { type Connection, connect, type Events } from "../../../src/client/mod.ts";
import { type WireOptions, wireUpstream } from "../../../src/upstreams/mod.ts";
import type { BackendInput, ErrorFields, FrontendInput } from "../../../src/wire/mod.ts";
import type { ScriptedServer } from "../../client/scripted-server.ts";
import { type TestServer, testServer } from "../../client/server.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";
import { ScriptedServers } from "./scripted-servers.ts";

export const login = { user: "someone", sslMode: "disable" } as const;

export const ready: BackendInput = { type: "ReadyForQuery", status: "I" };
export const complete: BackendInput = { type: "CommandComplete", tag: "DONE" };
export const copyInResponse: BackendInput = { type: "CopyInResponse", format: 0, columnFormats: [] };
export const error = (severity: ErrorFields["severity"], code: string): BackendInput => ({
  type: "ErrorResponse",
  fields: { severity, code, message: "told", detail: "in full" },
});

export interface Gateway extends TestServer {
  readonly servers: ScriptedServers;
}

export function gateway(options: Partial<WireOptions> = {}): Gateway {
  const servers = new ScriptedServers();
  const client = { user: "gateway", database: "behind", sslMode: "disable" } as const;
  const upstream = wireUpstream({ open: servers.open, client, ...options });
  return { servers, ...testServer({ upstream }) };
}

export interface Joined extends Gateway {
  readonly client: Connection;
  readonly server: ScriptedServer;
}

/** A client, and the server connection that it has. */
export async function joined(events: Events = {}): Promise<Joined> {
  const running = gateway();
  const connecting = connect(await running.open(), login, events);
  const server = await running.servers.accepted();
  return { ...running, client: await connecting, server };
}

/** The client as somebody who sends what he likes, and what he gets by its letters. */
export interface RawClient {
  readonly got: readonly string[];
  send(...messages: readonly (FrontendInput | Uint8Array)[]): void;
}

export function raw({ client }: Joined): RawClient {
  const got: string[] = [];
  client.takeOver({
    frame: ({ code }) => void got.push(String.fromCharCode(code)),
    received: () => {},
    lost: ({ code }) => void got.push(code),
  });
  const encode = (message: FrontendInput | Uint8Array): Uint8Array =>
    message instanceof Uint8Array ? message : frontendBytes(message);
  return { got, send: (...messages) => void client.write(concat(...messages.map(encode))) };
}
