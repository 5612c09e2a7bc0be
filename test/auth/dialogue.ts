// Lets a client exchange and a server exchange talk, through the bytes of the wire.

import type { ClientExchange } from "../../src/auth/client.ts";
import type { ServerExchange } from "../../src/auth/server.ts";
import type { Login, TlsInfo } from "../../src/auth/source.ts";
import { type BackendMessage, decodeBackend, encodeBackend } from "../../src/wire/backend.ts";
import { PgError } from "../../src/wire/error.ts";
import { decodeFrontend, encodeFrontend, type FrontendMessage } from "../../src/wire/frontend.ts";
import { Writer } from "../../src/wire/writer.ts";

export function login(user: string, tls?: TlsInfo): Login {
  return { user, database: user, parameters: new Map([["user", user]]), tls };
}

/** The body of a `p` message. */
export function body(message: FrontendMessage): Uint8Array {
  const writer = new Writer();
  encodeFrontend(writer, message);
  return writer.take().subarray(5);
}

function overTheWire(message: BackendMessage): BackendMessage {
  const writer = new Writer();
  encodeBackend(writer, message);
  const bytes = writer.take();
  return decodeBackend(bytes[0] as number, bytes.subarray(5));
}

/** Changes a message on its way, as somebody in the middle would. */
export interface Tampering {
  toServer?(message: FrontendMessage): FrontendMessage;
  toClient?(message: BackendMessage): BackendMessage;
}

/** Every message's type, in order; throws what either side throws. Ends with AuthenticationOk. */
export async function converse(
  server: ServerExchange,
  client: ClientExchange,
  tampering: Tampering = {},
): Promise<string[]> {
  const { toServer = (message) => message, toClient = (message) => message } = tampering;
  const seen: string[] = [];
  let step = await server.start();
  for (;;) {
    const send: BackendMessage[] = [...step.send];
    if (step.type === "done") send.push({ type: "AuthenticationOk" });
    let answer: FrontendMessage | undefined;
    for (const message of send) {
      const received = toClient(overTheWire(message));
      seen.push(received.type);
      answer = await client.receive(received);
    }
    if (step.type === "done") return seen;
    if (answer === undefined) throw new Error("the client has nothing to say");
    const bytes = body(toServer(answer));
    seen.push(decodeFrontend(0x70, bytes, step.expects).type);
    step = await server.receive(bytes);
  }
}

/** The fields of the PgError that a promise is rejected with. */
export async function refusal(
  promise: Promise<unknown>,
): Promise<{ severity: string; code: string; message: string; detail?: string }> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    const { severity, code, message, detail } = error.fields;
    return { severity, code, message, ...(detail !== undefined && { detail }) };
  }
  throw new Error("nothing was refused");
}
