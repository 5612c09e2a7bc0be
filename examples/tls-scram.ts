// TLS and passwords: a server that knows its clients, and that its clients can know.
//
//   openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -keyout server.key -out server.crt
//   node examples/tls-scram.ts server.crt server.key
//
// The password is never sent: SCRAM-SHA-256 proves it, bound to the certificate (channel_binding=require).
// In a project of your own: from "edgewire" and "edgewire/node".
import { serve } from "../adapters/node/mod.ts";
import { scramVerifier, staticAuthSource, type Upstream } from "../src/mod.ts";

const [cert, key] = process.argv.slice(2);
if (!cert || !key) throw new Error("usage: node examples/tls-scram.ts server.crt server.key");

const upstream: Upstream = {
  connect({ login: { user, tls, address } }) {
    const rows = [[user, tls?.protocol ?? null, address ?? null]];
    const columns = [{ name: "user" }, { name: "tls" }, { name: "address" }];
    return { query: () => ({ type: "rows", columns, rows }) };
  },
};

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream,
  tls: { cert, key },
  // Verifiers as PostgreSQL keeps them in pg_authid, so that nobody can read the passwords here.
  auth: staticAuthSource({ alice: await scramVerifier("wonderland") }),
});

console.log(
  `psql "host=localhost port=${server.port} user=alice password=wonderland dbname=any ` +
    `sslmode=verify-full sslrootcert=${cert} channel_binding=require"`,
);
