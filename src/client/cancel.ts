/** CancelRequest (PostgreSQL documentation, 53.2.8 Canceling Requests in Progress), on a connection of its own. */
import { constantFrames, encodeStartup } from "../wire/mod.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { SslMode } from "./options.ts";

/** What BackendKeyData told. */
export interface BackendKey {
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

/**
 * Sends a CancelRequest and waits until the server has closed the connection, which is all of its answer: whether a
 * statement was cancelled shows on the statement's own connection (57014).
 */
export async function cancel(stream: ByteStream, target: BackendKey, sslMode: SslMode): Promise<void> {
  const closed = Promise.withResolvers<void>();
  let answered: ((byte: number) => void) | undefined;
  stream.onClose = () => closed.resolve();
  stream.onData = (chunk) => answered?.(chunk[0] ?? 0);
  if (sslMode !== "disable" && stream.startTls && !stream.tls) {
    const answer = new Promise<number>((resolve) => {
      answered = resolve;
    });
    stream.write(constantFrames.sslRequest.slice());
    const letter = await Promise.race([answer, closed.promise]);
    if (letter === 0x53) await stream.startTls();
    // The key is a secret of its own: it is not sent in the clear where TLS was asked for.
    else if (sslMode !== "prefer") return stream.destroy();
  }
  const writer = new Writer();
  encodeStartup(writer, {
    type: "CancelRequest",
    processId: target.processId,
    secretKey: target.secretKey,
  });
  await stream.write(writer.take());
  await closed.promise;
}

