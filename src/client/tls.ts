/** The client's side of encryption (PostgreSQL documentation, 53.2.10 SSL Session Encryption). */
import type { TlsInfo } from "../auth/source.ts";
import { fatal, type PgError } from "../wire/error.ts";
import { constantFrames } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ByteStream, TlsVerification } from "./byte-stream.ts";
import type { Inbox } from "./inbox.ts";
import type { TlsOptions } from "./options.ts";

const letterS = 0x53;
const letterN = 0x4e;

/** Encrypts the connection as the mode wants it. Undefined: it stays plain, which the mode allows. */
export async function negotiateTls(
  stream: ByteStream,
  inbox: Inbox,
  { sslMode = "prefer", sslNegotiation = "postgres" }: TlsOptions,
): Promise<TlsInfo | undefined> {
  const required = sslMode !== "disable" && sslMode !== "prefer";
  if (sslNegotiation === "direct" && !required) {
    throw refused(`weak sslmode "${sslMode}" may not be used with sslnegotiation=direct`);
  }
  if (stream.tls || sslMode === "disable") return stream.tls;
  if (!stream.startTls) {
    if (!required) return undefined;
    throw refused(`sslmode "${sslMode}" needs TLS, which this connection cannot do`);
  }
  const verification: TlsVerification =
    sslMode === "verify-full" ? "full" : sslMode === "verify-ca" ? "authority" : "none";
  if (sslNegotiation === "direct") {
    const tls = await stream.startTls(verification);
    // Without ALPN, what speaks TLS at the other end may be no PostgreSQL at all (ALPACA).
    if (tls.alpn === "postgresql") return tls;
    throw refused("direct TLS connection was established without the ALPN protocol postgresql");
  }
  await stream.write(constantFrames.sslRequest.slice());
  const answer = await inbox.byte();
  if (answer === letterN) {
    if (!required) return undefined;
    throw refused("server does not support SSL, but SSL was required");
  }
  if (answer !== letterS) {
    // An error in place of the letter comes from nobody that is authenticated: it is not shown (CVE-2024-10977).
    throw fatal(sqlstate.protocolViolation, "received invalid response to SSL negotiation");
  }
  // Bytes from before the handshake would be taken for the server's own (CVE-2021-23222).
  if (inbox.buffered > 0) {
    throw fatal(sqlstate.protocolViolation, "received unencrypted data after SSL response");
  }
  return stream.startTls(verification);
}

function refused(message: string): PgError {
  return fatal(sqlstate.sqlclientUnableToEstablishSqlconnection, message);
}
