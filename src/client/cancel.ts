/** CancelRequest (PostgreSQL documentation, 53.2.8 Canceling Requests in Progress), on a connection of its own. */
import { fatal, PgError } from "../wire/error.ts";
import { encodeStartup } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import { Inbox } from "./inbox.ts";
import { defaultConnectTimeout, type TlsOptions } from "./options.ts";
import { negotiateTls } from "./tls.ts";

/** What BackendKeyData told; a Connection has both. */
export interface BackendKey {
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

export interface CancelOptions extends TlsOptions {
  /** Milliseconds until the request is given up. Default 10,000. */
  readonly timeout?: number | undefined;
}

/**
 * Sends a CancelRequest over a connection of its own, encrypted like the first one, since the key is a secret. It waits
 * until the server has closed that connection, which is all of its answer: whether a statement was cancelled shows on
 * the statement's connection (57014).
 * @throws PgError 0A000 if the server gave no key, 08001 if it does not answer
 */
export async function cancel(
  stream: ByteStream,
  target: BackendKey,
  options: CancelOptions = {},
): Promise<void> {
  const inbox = new Inbox(stream);
  const timer = setTimeout(() => {
    inbox.lose(fatal(sqlstate.sqlclientUnableToEstablishSqlconnection, "timeout expired"));
    stream.destroy();
  }, options.timeout ?? defaultConnectTimeout);
  try {
    if (target.secretKey.length === 0) {
      throw new PgError(sqlstate.featureNotSupported, "the server gave no key to cancel with");
    }
    await negotiateTls(stream, inbox, options);
    const writer = new Writer();
    const { processId, secretKey } = target;
    encodeStartup(writer, { type: "CancelRequest", processId, secretKey });
    await stream.write(writer.take());
    await inbox.closed();
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}
