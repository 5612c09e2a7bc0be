// Certificates for the tests of TLS, made when they run: an authority, and what it signs. In PEM, since that is what the
// adapter reads.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bitString,
  der,
  integer,
  objectIdentifier,
  sequence,
  set,
  tagged,
  text,
  time,
} from "../../auth/certificate.ts";

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
}

export interface CertificateOptions {
  /** Common names of the subject; none: it has an organization only. */
  readonly names: readonly string[];
  /** Who signs; absent: it signs itself. */
  readonly issuer?: Certificate;
  /** May sign others. */
  readonly authority?: boolean;
  /** The end of its time, YYMMDDHHMMSSZ. */
  readonly until?: string;
  /** Of X.509; version 1 has no extensions. Default 3. */
  readonly version?: 1 | 3;
}

const ecdsaWithSha256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
const commonName = "2.5.4.3";
const organization = "2.5.4.10";

export function makeCertificate(options: CertificateOptions): Certificate {
  const { names, issuer, authority = false, until = "491231235959Z", version = 3 } = options;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer: KeyObject = issuer ? createPrivateKey(issuer.key) : privateKey;
  const extensions = [
    extension("2.5.29.19", sequence(...(authority ? [der(0x01, Uint8Array.of(0xff))] : []))),
    ...(authority ? [] : [extension("2.5.29.17", subjectAlternatives(names))]),
  ];
  const signed = sequence(
    ...(version === 3 ? [tagged(0, integer(2))] : []),
    integer(1 + Math.floor(Math.random() * 120)),
    ecdsaWithSha256,
    subject(issuer?.names ?? names),
    sequence(time("240101000000Z"), time(until)),
    subject(names),
    createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({
      type: "spki",
      format: "der",
    }),
    ...(version === 3 ? [tagged(3, sequence(...extensions))] : []),
  );
  const certificate = sequence(signed, ecdsaWithSha256, bitString(sign("sha256", signed, signer)));
  return {
    cert: pem(certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    names,
  };
}

function subject(names: readonly string[]): Uint8Array {
  const attribute = (type: string, value: string) => set(sequence(objectIdentifier(type), text(value)));
  return sequence(
    attribute(organization, "edgewire tests"),
    ...names.map((name) => attribute(commonName, name)),
  );
}

function extension(type: string, value: Uint8Array): Uint8Array {
  return sequence(objectIdentifier(type), der(0x04, value));
}

/** The names as DNS names, and the loopback address. */
function subjectAlternatives(names: readonly string[]): Uint8Array {
  const dns = names.map((name) => der(0x82, Buffer.from(name)));
  return sequence(...dns, der(0x87, Uint8Array.of(127, 0, 0, 1)));
}

function pem(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** A temporary folder with certificates as files. */
export interface CertificateFolder {
  /** Writes `<name>.crt` and `<name>.key`, and gives their paths. */
  write(name: string, certificate: Certificate): { cert: string; key: string };
  remove(): void;
}

export function certificateFolder(): CertificateFolder {
  const folder = mkdtempSync(join(tmpdir(), "edgewire-certificates-"));
  return {
    write(name, { cert, key }) {
      const paths = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
      writeFileSync(paths.cert, cert);
      writeFileSync(paths.key, key, { mode: 0o600 });
      return paths;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
