"""What the Python client programs share: the list of checks, how they are run and printed (see programs.ts)."""

import os
import traceback

URL = os.environ["EDGEWIRE_URL"]
HAS_PASSWORD = os.environ.get("EDGEWIRE_PASSWORD") == "1"
DIRECT_TLS = os.environ.get("EDGEWIRE_DIRECT_TLS") == "1"

# Minutes of work in little memory, checked for interrupts at each row: what the cancel checks interrupt.
SLOW = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b"

_checks = []


class Skip(Exception):
    """Raised by a check that this version of the client cannot do, with the reason."""


def check(name, when=True):
    """Registers a function without arguments as the check `name`; checks run in the order of the file.

    `when` says whether the server under test is one that the check is about (see Target in programs.ts).
    """

    def register(function):
        if when:
            _checks.append((name, function))
        return function

    return register


def equal(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what} is {short(actual)}, expected {short(expected)}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"


def with_parameter(url, name, value):
    """The URL with one more query parameter; a later one overrides an earlier one of the same name."""
    return f"{url}{'&' if '?' in url else '?'}{name}={value}"


def with_password(url, password):
    """postgresql://user:password@host/... with another password."""
    scheme, rest = url.split("://", 1)
    login, host = rest.split("@", 1)
    return f"{scheme}://{login.split(':')[0]}:{password}@{host}"


def with_database(url, database):
    head, question, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}{question}{query}"


def main(call=lambda function: function()):
    """Runs the checks; `call` is what an asynchronous client wraps each of them with."""
    after = os.environ.get("EDGEWIRE_AFTER", "")
    only = os.environ.get("EDGEWIRE_CHECK", "")
    started = after == ""
    for name, function in _checks:
        if started and only in name:
            print(f"start {name}", flush=True)
            try:
                call(function)
                print(f"ok {name}", flush=True)
            except Skip as reason:
                print(f"skip {name}: {reason}", flush=True)
            except BaseException as error:  # asyncio.CancelledError is no Exception
                frame = traceback.extract_tb(error.__traceback__)[-1]
                own = [f for f in traceback.extract_tb(error.__traceback__) if "/clients/python/" in f.filename]
                line = (own[-1] if own else frame).lineno
                if own and own[-1].name in ("equal", "true") and len(own) > 1:
                    line = own[-2].lineno
                reason = " | ".join(str(error).split("\n")) or "no message"
                print(f"FAIL {name}: {type(error).__name__}: {reason} (line {line})", flush=True)
        elif name == after:
            started = True
    print("done", flush=True)
