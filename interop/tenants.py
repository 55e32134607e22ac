#!/usr/bin/env python3
"""Tenants of one server: accounts from a configuration file, in Python.

    SHOP ── exports a service and a stream, maps subjects, has JetStream with limits
    DESK ── imports both under names of its own, has JetStream
    GUEST ── has nothing of the others and no JetStream
    SYS ── the system account

Each account gets what it was given, and nothing else. See README.md.
"""

import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from hierarchy import play
from runner.binary import server_binary
from runner.languages import LANGUAGES, SetupError
from runner.servers import Server, ServerError

_CONFIG = """
jetstream {{ store_dir: "{store}", max_file_store: 16M, max_memory_store: 16M }}
system_account: SYS
accounts {{
  SYS {{ users: [ {{ user: sys, password: "{password}" }} ] }}
  SHOP {{
    users: [ {{ user: shop, password: "{password}" }} ]
    jetstream {{ max_file: 1M, max_streams: 1 }}
    exports: [
      {{ service: "price.*", accounts: [DESK] }}
      {{ stream: "news.*" }}
    ]
    mappings {{ "orders.v1.*": "orders.v2.$1" }}
  }}
  DESK {{
    users: [ {{ user: desk, password: "{password}" }} ]
    jetstream: enabled
    imports: [
      {{ service: {{ account: SHOP, subject: "price.*" }}, to: "shop.price.*" }}
      {{ stream: {{ account: SHOP, subject: "news.*" }}, prefix: shop }}
    ]
  }}
  GUEST {{ users: [ {{ user: guest, password: "{password}" }} ] }}
}}
"""


def live(binary: Path, directory: Path) -> bool:
    """Runs the clients against a server with the accounts; whether nothing failed."""
    python = next(language for language in LANGUAGES if language.name == "python")
    command = python.setup()
    password = secrets.token_hex(16)
    config = _CONFIG.format(store=directory / "store", password=password)
    server = Server(binary, directory, "tenants", config)
    passed = False
    try:
        server.start()
        environment = os.environ | {
            "INTEROP_TENANTS_URL": server.url,
            "INTEROP_TENANTS_PASSWORD": password,
        }
        passed = play([*command, "tenants"], environment)
    finally:
        server.kill()
        if not passed:
            print(f"The log of the server:\n{server.log}", flush=True)
    return passed


def main() -> int:
    """Plays it; the last line is `ok` or `FAIL`."""
    binary = server_binary()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix="nats-tenants-"))
    try:
        passed = live(binary, directory)
    except (SetupError, ServerError, OSError) as error:
        print(f"FAIL all tenants: {error}", flush=True)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("ok all tenants" if passed else "FAIL all tenants: see above", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
