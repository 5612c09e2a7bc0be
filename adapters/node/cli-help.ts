// The texts of --help.

const main = `edgewire: any PostgreSQL client to any serverless SQL API

  edgewire serve [options]          serve databases over the PostgreSQL protocol
  edgewire query <url> <sql>        run one statement on a PostgreSQL server

  edgewire <command> --help         the command's options
  edgewire --version`;

const serve = `edgewire serve: serve databases over the PostgreSQL protocol

  --listen <host:port>       where to listen (default 127.0.0.1:6432). A path is a Unix socket; in a folder it gets
                             the name that psql looks for: --listen /tmp:6432 is psql -h /tmp -p 6432
  --database <name=url>      a database; may be repeated. URLs:
                               pglite:                 embedded PostgreSQL, in memory
                               pglite:./folder         embedded PostgreSQL, kept in a folder
                               postgres://user@host/db a PostgreSQL server
                             the name * serves all other names
                             (default postgres=pglite:)
  --user <name:verifier>     who may connect; may be repeated. A SCRAM-SHA-256$... or md5... verifier as in
                             pg_authid, or a password (others on this machine can read the command line: better
                             in the file). Without any, everyone is trusted.
  --auth <method>            scram-sha-256 (default), md5, password, cert or trust
  --tls-cert <file>          PEM certificate; SIGHUP reads it again
  --tls-key <file>           PEM private key
  --tls-ca <file>            PEM authorities of client certificates (for --auth cert)
  --max-connections <n>      clients at a time (default 1000)
  --statement-timeout <ms>   cancel statements that run longer (default 0: never)
  --idle-timeout <ms>        end sessions idle for longer (default 0: never)
  --idle-in-transaction-timeout <ms>
                             end sessions idle in a transaction for longer (default 0: never)
  --trace                    print every protocol message, as libpq's PQtrace does
  --config <file>            JSON with the same names: {"listen": "...", "databases": {"name": "url"},
                             "users": {"name": "verifier"}, "tls-cert": "...", "max-connections": 100, ...}

Flags win over the file, and the file over environment variables: EDGEWIRE_LISTEN, EDGEWIRE_MAX_CONNECTIONS and so on,
EDGEWIRE_DATABASES (name=url ...), EDGEWIRE_USERS (name:verifier ...) and EDGEWIRE_CONFIG.

SIGTERM and SIGINT let running statements finish, for ten seconds; a second one does not.`;

const query = `edgewire query: run one statement on a PostgreSQL server and print a table

  edgewire query postgres://user:password@host:port/database "select 1"

The password may also come from PGPASSWORD. sslmode, channel_binding and application_name are taken from the URL.`;

export const help: { readonly main: string; readonly serve: string; readonly query: string } = {
  main,
  serve,
  query,
};
