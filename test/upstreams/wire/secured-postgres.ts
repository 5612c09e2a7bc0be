/** A real PostgreSQL server with TLS, and users for each authentication method. */
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateFolder, makeCertificate } from "../../adapters/node/certificates.ts";
import { type PostgresServer, startPostgres } from "../../conformance/postgres-server.ts";

export interface SecuredPostgres extends PostgresServer {
  /** Files in PEM: the server's authority, another one that signed nothing, and a client's own of CN=certified. */
  readonly authority: string;
  readonly stranger: string;
  readonly client: { readonly cert: string; readonly key: string };
}

/** SQL that makes the users of the rules below; all have the password `secret`. */
export const users: string = `
  SET password_encryption = 'scram-sha-256';
  CREATE ROLE scram LOGIN PASSWORD 'secret';
  CREATE ROLE cleartext LOGIN PASSWORD 'secret';
  CREATE ROLE certified LOGIN;
  SET password_encryption = 'md5';
  CREATE ROLE hashed LOGIN PASSWORD 'secret'`;

const rules = `
  local   all all                     trust
  hostssl all scram     127.0.0.1/32  scram-sha-256
  host    all hashed    127.0.0.1/32  md5
  host    all cleartext 127.0.0.1/32  password
  hostssl all certified 127.0.0.1/32  cert
  host    all postgres  127.0.0.1/32  trust
`;

/** @returns the server, or why there is none */
export async function startSecuredPostgres(): Promise<SecuredPostgres | string> {
  const certificates = certificateFolder();
  const folder = mkdtempSync(join(tmpdir(), "edgewire-secured-"));
  const remove = (): void => {
    certificates.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  const authority = makeCertificate({ names: ["authority"], authority: true });
  const server = certificates.write("server", makeCertificate({ names: ["localhost"], issuer: authority }));
  const root = certificates.write("authority", authority).cert;
  const stranger = makeCertificate({ names: ["stranger"], authority: true });
  writeFileSync(join(folder, "pg_hba.conf"), rules);
  own(folder, join(folder, "pg_hba.conf"), join(server.key, ".."), server.cert, server.key, root);
  try {
    const started = await startPostgres({
      ssl: "on",
      ssl_cert_file: server.cert,
      ssl_key_file: server.key,
      ssl_ca_file: root,
      hba_file: join(folder, "pg_hba.conf"),
      max_connections: "40",
    });
    if (typeof started === "string") {
      remove();
      return started;
    }
    return {
      ...started,
      authority: root,
      stranger: certificates.write("stranger", stranger).cert,
      client: certificates.write("client", makeCertificate({ names: ["certified"], issuer: authority })),
      stop: () => started.stop().finally(remove),
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** PostgreSQL runs as another user than root, and reads no key that others can read. */
function own(...paths: string[]): void {
  if (process.getuid?.() !== 0) return;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((entry) => entry.split(":"));
  const user = line.find(([name]) => name === "postgres") ?? line.find(([name]) => name === "nobody");
  if (!user) return;
  for (const path of paths) if (statSync(path)) chownSync(path, Number(user[2]), Number(user[3]));
}
