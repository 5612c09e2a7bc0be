#!/usr/bin/env bash
# Brings what `npm run test:clients` needs: a few system packages where apt can install them, the Python drivers,
# pgjdbc, Prisma, and the Go and Rust clients compiled. What npm brings goes to
# test/clients/prisma, everything else to test/clients/.cache.
# Quick when all is there. A toolchain that is missing (Java, Go, Rust) is named and left alone: its clients are
# then reported as skipped. Exits non-zero only when something that should have worked did not.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
cache=$PWD/.cache
mkdir -p "$cache/bin"
failed=0

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\n' "$*"; }

# attempt <what> <seconds> <command...>
attempt() {
  local what=$1 seconds=$2
  shift 2
  if timeout --kill-after=15 "$seconds" "$@"; then
    say "$what: ready"
  else
    say "$what: could not be installed ($*)"
    failed=1
    return 1
  fi
}

# --- system packages -------------------------------------------------------------------------------------------

as_root=()
if [[ $(id -u) != 0 ]]; then as_root=(sudo -n); fi

packages=()
have psql || packages+=(postgresql-client)
have cc || packages+=(gcc libc6-dev)
have openssl || packages+=(openssl)
if ! have pg_config || [[ ! -e $(pg_config --includedir)/libpq-fe.h ]]; then packages+=(libpq-dev); fi
if have python3 && ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then packages+=(python3-venv); fi

if ((${#packages[@]})); then
  if have apt-get && { [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; }; then
    export DEBIAN_FRONTEND=noninteractive
    timeout 300 ${as_root[@]+"${as_root[@]}"} apt-get -qq update || say "apt-get update failed"
    attempt "packages ${packages[*]}" 600 \
      ${as_root[@]+"${as_root[@]}"} apt-get -qq -y --no-install-recommends install "${packages[@]}"
  else
    say "missing, and not installable from here: ${packages[*]}"
  fi
fi

# --- Python ----------------------------------------------------------------------------------------------------

if ! have python3; then
  say "python3 is not installed: psycopg2, psycopg3, asyncpg, SQLAlchemy and psql at a terminal will be skipped"
elif ! cmp -s python/requirements.txt "$cache/python/requirements.txt" || ! "$cache/python/bin/python" -c '' 2>/dev/null; then
  rm -rf "$cache/python"
  if attempt "a Python environment" 120 python3 -m venv "$cache/python" &&
    attempt "psycopg2, psycopg3, asyncpg, SQLAlchemy" 600 \
      "$cache/python/bin/python" -m pip install --quiet --disable-pip-version-check -r python/requirements.txt; then
    cp python/requirements.txt "$cache/python/requirements.txt"
  fi
else
  say "psycopg2, psycopg3, asyncpg, SQLAlchemy: ready"
fi

# --- Java ------------------------------------------------------------------------------------------------------

if ! have java || ! have mvn; then
  say "java or mvn is not installed: pgjdbc will be skipped"
elif ! cmp -s java/pom.xml "$cache/java/pom.xml"; then
  rm -rf "$cache/java"
  if attempt "pgjdbc" 600 mvn -q -B -f java/pom.xml dependency:copy-dependencies \
    -DincludeScope=compile -Dmdep.stripVersion=true "-DoutputDirectory=$cache/java"; then
    cp java/pom.xml "$cache/java/pom.xml"
  fi
else
  say "pgjdbc: ready"
fi

# --- PostgreSQL 17, behind the double of the RDS Data API ------------------------------------------------------

case $(uname -sm) in
  "Linux x86_64") machine=amd64 ;;
  "Linux aarch64") machine=arm64v8 ;;
  *) machine= ;;
esac

# A jar is a zip, with one xz'd tar in it.
unpack_server() {
  python3 - "$1" "$2" <<'PYTHON'
import io, sys, tarfile, zipfile
with zipfile.ZipFile(sys.argv[1]) as jar:
    [name] = [each for each in jar.namelist() if each.endswith(".txz")]
    with tarfile.open(fileobj=io.BytesIO(jar.read(name)), mode="r:xz") as archive:
        archive.extractall(sys.argv[2])
PYTHON
}

if ! have mvn || ! have python3 || [[ -z $machine ]]; then
  say "mvn or python3 is not installed, or this machine is unknown: the RDS Data API's double has the embedded PostgreSQL"
elif ! cmp -s server/pom.xml "$cache/server/pom.xml"; then
  rm -rf "$cache/server"
  if attempt "PostgreSQL 17" 600 mvn -q -B -f server/pom.xml dependency:copy-dependencies "-Dmachine=$machine" \
    -DincludeScope=compile -Dmdep.stripVersion=true "-DoutputDirectory=$cache/server" &&
    unpack_server "$cache/server/embedded-postgres-binaries-linux-$machine.jar" "$cache/server"; then
    rm "$cache/server/"*.jar
    cp server/pom.xml "$cache/server/pom.xml"
  fi
else
  say "PostgreSQL 17: ready"
fi

# --- Prisma ----------------------------------------------------------------------------------------------------

if ! cmp -s prisma/package-lock.json "$cache/prisma-lock.json" || [[ ! -d prisma/node_modules ]]; then
  if attempt "Prisma" 600 npm ci --prefix prisma --ignore-scripts --no-audit --no-fund --loglevel=error; then
    cp prisma/package-lock.json "$cache/prisma-lock.json"
  fi
else
  say "Prisma: ready"
fi

# --- Go and Rust: run.ts compiles them too; here, outside its time limits, the first time --------------------

if have go; then
  (cd go && attempt "pgx, lib/pq" 900 go build -o "$cache/bin/" ./pgx ./pq) || failed=1
else
  say "go is not installed: pgx and lib/pq will be skipped"
fi

if have cargo; then
  (cd rust && CARGO_TARGET_DIR=$cache/rust attempt "tokio-postgres" 900 cargo build --quiet --locked) || failed=1
else
  say "cargo is not installed: tokio-postgres will be skipped"
fi

exit "$failed"
