// Whether a client's certificate is one of an authority's. Deno's TLS has looked at it already, but not where the client
// came back with a session of before: it remembers those for the whole process, whichever listener they were made at and
// whatever its authorities are by now, and cannot be told not to.
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { isVersion3 } from "./certificate-files.ts";

/** Certificates between a client's and its authority's; nobody needs more. */
const maxDepth = 10;

/** Looks at the certificate of the peer and those that it sent along. True without any: that is for others to judge. */
export function isVouchedFor(socket: TLSSocket, authorities: readonly X509Certificate[]): boolean {
  const [own, ...sent] = chainOf(socket);
  return own === undefined || (isVersion3(own) && leadsTo(own, sent, authorities, new Date()));
}

function leadsTo(
  own: X509Certificate,
  sent: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: Date,
): boolean {
  let current: X509Certificate | undefined = own;
  for (let depth = 0; current && depth < maxDepth; depth++) {
    const at: X509Certificate = current;
    if (!isValid(at, now)) return false;
    if (authorities.some((authority) => isTrusted(at, authority, now))) return true;
    current = sent.find((issuer) => issued(at, issuer));
  }
  return false;
}

function isTrusted(certificate: X509Certificate, authority: X509Certificate, now: Date): boolean {
  // A certificate that signs itself, and is named as its own authority.
  if (certificate.raw.equals(authority.raw)) return true;
  return isValid(authority, now) && issued(certificate, authority);
}

function issued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isValid({ validFrom, validTo }: X509Certificate, now: Date): boolean {
  return new Date(validFrom) <= now && now <= new Date(validTo);
}

/** The peer's own certificate first. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let current: { raw?: Uint8Array; issuerCertificate?: unknown } | undefined =
    socket.getPeerCertificate(true);
  // The last one is its own issuer.
  for (let last: unknown; current?.raw && current !== last && chain.length <= maxDepth; ) {
    chain.push(new X509Certificate(current.raw as Buffer));
    last = current;
    current = current.issuerCertificate as typeof current;
  }
  return chain;
}
