/** Connecting: encryption, start and authentication, bounded in time. */
import { fatal, PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ByteStream } from "./byte-stream.ts";
import { Connection, type Events } from "./connection.ts";
import { Inbox } from "./inbox.ts";
import { type ClientOptions, defaultConnectTimeout } from "./options.ts";
import { start } from "./startup.ts";
import { negotiateTls } from "./tls.ts";

/**
 * Connects over a stream that is open, which is closed if that fails.
 * @throws PgError: the server's (28P01, 3D000 …), 08006 if the connection ends, 08001 if it takes too long or does not
 * give the encryption that was asked for, 08P01 if the server breaks the protocol; or what the signal was aborted with
 */
export async function connect(
  stream: ByteStream,
  options: ClientOptions,
  events: Events = {},
): Promise<Connection> {
  const inbox = new Inbox(stream);
  const given = Promise.withResolvers<never>();
  const giveUp = (error: unknown): void => {
    inbox.lose(PgError.from(error));
    given.reject(error);
  };
  const abort = (): void => giveUp(options.signal?.reason);
  const milliseconds = options.connectTimeout ?? defaultConnectTimeout;
  const timer =
    milliseconds > 0
      ? setTimeout(
          () => giveUp(fatal(sqlstate.sqlclientUnableToEstablishSqlconnection, "timeout expired")),
          milliseconds,
        )
      : undefined;
  try {
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", abort);
    return await Promise.race([establish(stream, inbox, options, events), given.promise]);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  }
}

async function establish(
  stream: ByteStream,
  inbox: Inbox,
  options: ClientOptions,
  events: Events,
): Promise<Connection> {
  const tls = await negotiateTls(stream, inbox, options);
  const started = await start(stream, inbox, options, tls, events.onNotice);
  return new Connection(stream, inbox, started, tls, events);
}
