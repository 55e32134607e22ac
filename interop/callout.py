#!/usr/bin/env python3
"""An auth callout service in Go decides who gets in, and clients in Go and Python try.

    client --CONNECT--> server --sealed question--> service (Go, nats.go)
                               <--sealed answer---

Once with the service named in the configuration, once by an account's claims in operator mode. Then
somebody is banned, and the service goes away: whoever is in stays, and nobody else gets in. See
README.md.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.binary import server_binary
from runner.children import child
from runner.languages import LANGUAGES, SetupError
from runner.servers import Server, ServerError

MODES = ("configured", "operator")
# Everything that one program does: its checks have deadlines of their own, much shorter ones.
_PROGRAM_SECONDS = 90


class Stage:
    """The programs, their common environment, and what they have told."""

    def __init__(self, directory: Path) -> None:
        self._commands = {lang.name: lang.setup() for lang in LANGUAGES if lang.name in ("go", "python")}
        self._environment = os.environ | {
            "INTEROP_CALLOUT_DIR": str(directory),
            "INTEROP_PASSWORD": secrets.token_hex(16),
        }
        self.failed = False

    def at(self, url: str) -> None:
        """Programs that start from now on use this server."""
        self._environment["INTEROP_CALLOUT_URL"] = url

    def command(self, language: str, *role: str) -> list[str]:
        return [*self._commands[language], "callout", *role]

    def play(self, language: str, *role: str) -> None:
        """Runs a role to its end and passes its lines on."""
        with child(self.command(language, *role), env=self._environment, stdin=subprocess.DEVNULL,
                   stdout=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(timeout=_PROGRAM_SECONDS)
            except subprocess.TimeoutExpired:
                output = f"FAIL {language} {' '.join(role)}: not finished within {_PROGRAM_SECONDS} s"
        if process.returncode != 0 and "FAIL" not in output:
            output += f"FAIL {language} {' '.join(role)}: exited with {process.returncode}"
        if output.strip():
            print(output.rstrip(), flush=True)
        self.failed = self.failed or "FAIL" in output

    @contextmanager
    def service(self, mode: str) -> Iterator["subprocess.Popen[str]"]:
        """The service, ready to decide."""
        with child(self.command("go", "service", mode), env=self._environment,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            _await_line(process, "ready")
            yield process


def _await_line(process: "subprocess.Popen[str]", wanted: str) -> None:
    assert process.stdout is not None
    # A service that hangs is ended, which ends its output.
    overdue = threading.Timer(_PROGRAM_SECONDS, process.kill)
    overdue.start()
    line = process.stdout.readline().strip()
    overdue.cancel()
    if line != wanted:
        raise ServerError(f"the service said {line!r} instead of {wanted!r}")


def decide(stage: Stage, mode: str, binary: Path, directory: Path) -> None:
    """One mode from beginning to end."""
    server = Server(binary, directory, mode, (directory / f"{mode}.conf").read_text())
    try:
        server.start()
        stage.at(server.url)
        with stage.service(mode) as service:
            for language in ("go", "python"):
                stage.play(language, "client", mode)
            assert service.stdin is not None
            service.stdin.write("ban alice\n")
            service.stdin.flush()
            _await_line(service, "banned alice")
            stage.play("python", "banned", mode)
        # Nobody answers any more.
        stage.play("python", "unanswered", mode)
        with stage.service(mode):
            stage.play("python", "client", mode)
    finally:
        server.kill()
        if stage.failed:
            print(f"The log of {mode}:\n{server.log}", flush=True)


def main() -> int:
    """Plays both modes; the last line is `ok` or `FAIL`."""
    binary = server_binary()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = [tool for lang in LANGUAGES if lang.name in ("go", "python") for tool in lang.missing()]
    if missing:
        print(f"skip all callout: not on PATH: {', '.join(missing)}")
        return 1
    directory = Path(tempfile.mkdtemp(prefix="nats-callout-"))
    try:
        stage = Stage(directory)
        stage.play("go", "setup", "both")
        for mode in MODES:
            decide(stage, mode, binary, directory)
    except (SetupError, ServerError, OSError) as error:
        print(f"FAIL all callout: {error}", flush=True)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("FAIL all callout: see above" if stage.failed else "ok all callout", flush=True)
    return 1 if stage.failed else 0


if __name__ == "__main__":
    sys.exit(main())
