// The texts of --help.

const main = `edgewire: any PostgreSQL client to any serverless SQL API

  edgewire serve [options]          serve databases over the PostgreSQL protocol
  edgewire query <url> <sql>        run one statement on a PostgreSQL server
  edgewire tunnel <url> [options]   reach a gateway on Workers or Deno Deploy from this machine, by WebSocket

  edgewire <command> --help         the command's options
  edgewire --version`;

const serve = `edgewire serve: serve databases over the PostgreSQL protocol

  --listen <host:port>       where to listen (default 127.0.0.1:6432). A path is a Unix socket; in a folder it gets
                             the name that psql looks for: --listen /tmp:6432 is psql -h /tmp -p 6432
  --http <host:port>         where to serve HTTP and WebSockets (default 127.0.0.1:8080, if it is free): POST /sql for
                             Neon's serverless driver, PostgreSQL sessions over WebSockets, /health, /ready, /metrics.
                             Beside a Unix socket that trusts everyone, only if it is asked for
  --no-http                  serve neither
  --database <name=url>      a database; may be repeated. URLs:
                               pglite:                 embedded PostgreSQL, in memory
                               pglite:./folder         embedded PostgreSQL, kept in a folder
                                 ?extensions=a,b       loads extensions: pg_trgm, vector, ...
                                 ?turn_timeout=60      seconds that a client waits for another one's transaction
                               postgres://user@host/db a PostgreSQL server
                                 ?pool_size=20         connections to it at a time
                                 ?sslmode=...          and the rest of libpq's: see edgewire query --help
                             the name * serves all other names
                             (default postgres=pglite:)
  --user <name:verifier>     who may connect; may be repeated. A SCRAM-SHA-256$... or md5... verifier as in
                             pg_authid, or a password (others on this machine can read the command line: better
                             in the file). Without any, everyone is trusted.
  --auth <method>            scram-sha-256 (default), md5, password, cert or trust
  --tls-cert <file>          PEM certificate, for HTTP too (https, wss); SIGHUP reads it again
  --tls-key <file>           PEM private key
  --tls-ca <file>            PEM authorities of client certificates (for --auth cert)
  --origins <list>           origins whose web pages may use HTTP and WebSockets: "https://a.example https://b.example".
                             Default: all; where everyone is trusted, only pages from this machine (loopback)
  --max-connections <n>      clients at a time (default 1000)
  --max-request-bytes <n>    bytes of a request to /sql (default 10485760)
  --max-response-bytes <n>   bytes of an answer of /sql (default 10485760)
  --statement-timeout <ms>   cancel statements that run longer (default 0: never)
  --idle-timeout <ms>        end sessions idle for longer (default 0: never)
  --idle-in-transaction-timeout <ms>
                             end sessions idle in a transaction for longer (default 0: never)
  --trace                    print every protocol message, as libpq's PQtrace does, behind the number of its session
  --config <file>            JSON with the same names: {"listen": "...", "databases": {"name": "url"},
                             "users": {"name": "verifier"}, "tls-cert": "...", "http": false, "trace": true, ...}

Flags win over the file, and the file over environment variables: EDGEWIRE_LISTEN, EDGEWIRE_HTTP (or off),
EDGEWIRE_MAX_CONNECTIONS and so on, EDGEWIRE_DATABASES (name=url ...), EDGEWIRE_USERS (name:verifier ...) and
EDGEWIRE_CONFIG. PGUSER and PGPASSWORD stand in for what a postgres: URL leaves out.

SIGTERM and SIGINT let running statements finish, for ten seconds; a second one does not.`;

const query = `edgewire query: run one statement on a PostgreSQL server and print a table

  edgewire query postgres://user:password@host:port/database "select 1"

PGUSER, or the system's user, and PGPASSWORD stand in for what the URL leaves out. It takes libpq's parameters:

  sslmode=<mode>             disable, prefer (default), require, verify-ca or verify-full
  sslrootcert=<file>         PEM authorities to check the server's certificate with; "system" for the system's
  sslcert=<file> sslkey=<file>
                             PEM certificate of the client, and its key
  sslnegotiation=direct      TLS from the first byte (PostgreSQL 17 and later)
  channel_binding=<mode>     disable, prefer (default) or require
  require_auth=<methods>     password, md5, scram-sha-256 or none, with commas; !method forbids one
  connect_timeout=<seconds>  default 10; 0 waits for ever
  min_protocol_version, max_protocol_version
                             3.0, 3.2 or latest
  application_name, options, and any setting of the session, such as search_path=app`;

const tunnel = `edgewire tunnel: reach a gateway that is served by WebSocket with any PostgreSQL client

  edgewire tunnel wss://gateway.example.com/v2
  psql postgresql://user@127.0.0.1:6432/database

Each connection to the local address becomes one WebSocket. https://host and a mere host mean wss://host/v2, and a mere
localhost:8787 means ws://localhost:8787/v2. Databases, users and passwords are the gateway's.

  --listen <host:port>       where to listen (default 127.0.0.1:6432); a path is a Unix socket, as for serve
  --header <name: value>     a header of the WebSocket's handshake, for endpoints that are protected; may be repeated
  --token <token>            short for --header "Authorization: Bearer <token>"; better in EDGEWIRE_TUNNEL_TOKEN, since
                             others on this machine can read the command line
  --tls-cert <file>          PEM certificate, for clients that insist on TLS (sslmode=require); SIGHUP reads it again.
  --tls-key <file>           Without it SSLRequest is answered N: what leaves this machine is encrypted by wss:

A tunnel that cannot be opened, or breaks, is FATAL 08006 to its client. SIGTERM and SIGINT let running statements
finish, for ten seconds; a second one does not.`;

export const help: {
  readonly main: string;
  readonly serve: string;
  readonly query: string;
  readonly tunnel: string;
} = {
  main,
  serve,
  query,
  tunnel,
};
