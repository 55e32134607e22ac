#!/usr/bin/env python3
"""An operator's accounts and users, in Go and Python, against a server with a full resolver.

    operator ── signs ──▶ accounts ── sign ──▶ users with .creds files
        └── pushes accounts over the system account while their users are connected

Accounts appear, begin to import from each other, revoke a user, lose a scoped signing key and are
deleted; whoever is concerned is cut off, and nobody else. See README.md.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from runner.binary import server_binary
from runner.children import child
from runner.languages import LANGUAGES, SetupError
from runner.servers import Server, ServerError

# Everything that one program does: its checks have deadlines of their own, much shorter ones.
_PROGRAM_SECONDS = 120
_LANGUAGES = [language for language in LANGUAGES if language.name in ("go", "python")]


def play(command: list[str], environment: dict[str, str]) -> bool:
    """Runs a program to its end and passes its lines on; whether nothing failed."""
    what = " ".join(command[-2:])
    with child(command, env=environment, stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate(timeout=_PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            output = f"FAIL {what}: not finished within {_PROGRAM_SECONDS} s"
    if process.returncode != 0 and "FAIL" not in output:
        output += f"FAIL {what}: exited with {process.returncode}"
    if output.strip():
        print(output.rstrip(), flush=True)
    return "FAIL" not in output


def live(binary: Path, directory: Path) -> bool:
    """The life of the accounts from beginning to end; whether nothing failed."""
    commands = {language.name: language.setup() for language in _LANGUAGES}
    environment = os.environ | {"INTEROP_CALLOUT_DIR": str(directory)}
    if not play([*commands["go"], "hierarchy", "setup"], environment):
        return False
    server = Server(binary, directory, "hierarchy", (directory / "hierarchy.conf").read_text())
    passed = False
    try:
        server.start()
        environment["INTEROP_CALLOUT_URL"] = server.url
        passed = play([*commands["go"], "hierarchy", "play"], environment)
        passed = play([*commands["python"], "hierarchy"], environment) and passed
    finally:
        server.kill()
        if not passed:
            print(f"The log of the server:\n{server.log}", flush=True)
    return passed


def main() -> int:
    """Plays it; the last line is `ok`, `FAIL` or `skip`."""
    binary = server_binary()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = [tool for language in _LANGUAGES for tool in language.missing()]
    if missing:
        print(f"skip all hierarchy: not on PATH: {', '.join(missing)}")
        return 1
    directory = Path(tempfile.mkdtemp(prefix="nats-hierarchy-"))
    try:
        passed = live(binary, directory)
    except (SetupError, ServerError, OSError) as error:
        print(f"FAIL all hierarchy: {error}", flush=True)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("ok all hierarchy" if passed else "FAIL all hierarchy: see above", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
