/** A real PostgreSQL server with TLS, and users for each authentication method. */
import { certificateFolder, makeCertificate } from "../../adapters/node/certificates.ts";
import { startOracle } from "../../conformance/oracle-server.ts";
import type { PostgresServer } from "../../servers/postgres.ts";

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
  const authority = makeCertificate({ names: ["authority"], authority: true });
  const server = certificates.write("server", makeCertificate({ names: ["localhost"], issuer: authority }));
  const root = certificates.write("authority", authority).cert;
  const stranger = makeCertificate({ names: ["stranger"], authority: true });
  try {
    const started = await startOracle({
      settings: { ssl: "on", ssl_ca_file: "root.crt", max_connections: "40" },
      files: { "server.crt": server.cert, "server.key": server.key, "root.crt": root },
      rules,
    });
    if (typeof started === "string") {
      certificates.remove();
      return started;
    }
    return {
      ...started,
      authority: root,
      stranger: certificates.write("stranger", stranger).cert,
      client: certificates.write("client", makeCertificate({ names: ["certified"], issuer: authority })),
      stop: () => started.stop().finally(certificates.remove),
    };
  } catch (error) {
    certificates.remove();
    throw error;
  }
}
