"""Exercises a NATS server with nats-py.

Runs the named checks of ../runner/checks.py in order and prints one line for
each: `ok python <check>` or `FAIL python <check>: why`. Addresses and secrets
come from INTEROP_* variables; see ../README.md. With a role as its argument
it takes part in ../orders.py, ../callout.py, ../hierarchy.py or ../tenants.py
instead.
"""

import asyncio
import sys

import auth
import callout
import core
import hierarchy
import jetstream
import lifecycle
import orders
import permissions
import stores
import tenants
import tls
from harness import CHECK_DEADLINE, Skipped


async def main() -> int:
    """Runs every check and returns the exit code."""
    failed = False
    modules = (core, lifecycle, auth, permissions, tls, jetstream, stores)
    for name, check in [item for module in modules for item in module.CHECKS.items()]:
        try:
            await asyncio.wait_for(check(), CHECK_DEADLINE)
            print(f"ok python {name}", flush=True)
        except Skipped as why:
            print(f"skip python {name}: {why}", flush=True)
        except Exception as error:
            failed = True
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"FAIL python {name}: {why}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            todo = main()
        case ["callout", *role]:
            todo = callout.run(*role)
        case ["hierarchy"]:
            todo = hierarchy.run()
        case ["tenants"]:
            todo = tenants.run()
        case role:
            todo = orders.run(*role)
    sys.exit(asyncio.run(todo))
