"""Runs one client program and serves its requests about its own server.

A program writes one line per check and may write `CONTROL <verb>`, upon which
it waits for one line on its standard input: `done`, or `error: why`.

    program                         runner                      server
       | CONTROL stop  ------------>  | SIGTERM, wait ---------->  |
       | <------------------- done    |                            x
       | (sees the disconnect)        |
       | CONTROL start ------------>  | start on the same port ->  |
       | <------------------- done    |                            |
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .checks import CHECKS
from .children import child
from .servers import Server, ServerError

# All checks together; each check has its own, much shorter, deadline inside the program.
PROGRAM_SECONDS = 300
_STDERR_LINES = 40


class Outcome(NamedTuple):
    """What became of one check: `status` is "ok", "FAIL" or "skip"."""

    status: str
    language: str
    check: str
    reason: str

    def __str__(self) -> str:
        line = f"{self.status} {self.language} {self.check}"
        return f"{line}: {self.reason}" if self.reason else line


def run(
    language: str,
    command: list[str],
    environment: dict[str, str],
    server: Server,
    errors: Path,
    report: Callable[[Outcome], None],
) -> None:
    """Runs the program to its end or its deadline and reports each check it tells of, once."""
    overdue = threading.Event()
    with errors.open("wb") as stderr, child(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        env=os.environ | environment,
    ) as process:

        def end() -> None:
            overdue.set()
            process.kill()

        watchdog = threading.Timer(PROGRAM_SECONDS, end)
        watchdog.start()
        try:
            seen = _follow(language, process, server, report)
            process.wait(PROGRAM_SECONDS)
        finally:
            watchdog.cancel()
    _complete(language, process.returncode, overdue.is_set(), seen, errors, report)


def _follow(
    language: str,
    process: "subprocess.Popen[str]",
    server: Server,
    report: Callable[[Outcome], None],
) -> dict[str, str]:
    """Reads the program's lines until it closes its output; returns the status per check."""
    assert process.stdout is not None and process.stdin is not None
    seen: dict[str, str] = {}
    for line in process.stdout:
        line = line.rstrip("\n")
        if line.startswith("CONTROL "):
            answer = _control(server, line.removeprefix("CONTROL "))
            try:
                process.stdin.write(answer + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                break
            continue
        outcome = _parse(language, line)
        if outcome is None:
            print(f"   {language}: {line}", flush=True)
            continue
        if outcome.check in seen or outcome.check not in CHECKS:
            outcome = outcome._replace(status="FAIL", reason="not a check of the list, or reported twice")
        seen[outcome.check] = outcome.status
        report(outcome)
    return seen


def _parse(language: str, line: str) -> Outcome | None:
    """`ok go headers`, `FAIL go headers: why`, `skip go headers: why`; anything else is chatter."""
    head, _, reason = line.partition(": ")
    words = head.split(" ")
    if len(words) != 3 or words[0] not in ("ok", "FAIL", "skip") or words[1] != language:
        return None
    return Outcome(words[0], words[1], words[2], reason)


def _control(server: Server, verb: str) -> str:
    actions: dict[str, Callable[[], None]] = {
        "start": server.start,
        "stop": server.stop,
        "kill": server.kill,
        "lame_duck": lambda: server.signal(signal.SIGUSR2),
    }
    action = actions.get(verb)
    if action is None:
        return f"error: unknown verb {verb}, known are {', '.join(actions)}"
    try:
        action()
    except (ServerError, OSError) as error:
        return "error: " + " ".join(str(error).split())
    return "done"


def _complete(
    language: str,
    code: int,
    overdue: bool,
    seen: dict[str, str],
    errors: Path,
    report: Callable[[Outcome], None],
) -> None:
    """Fails the run for checks a program did not report, or an exit code that contradicts its lines."""
    missing = [check for check in CHECKS if check not in seen]
    if missing:
        why = f"overdue after {PROGRAM_SECONDS} s" if overdue else f"exit code {code}"
        report(Outcome("FAIL", language, "unreported", f"{', '.join(missing)} ({why})"))
    elif (code != 0) != ("FAIL" in seen.values()):
        report(Outcome("FAIL", language, "exit_code", f"{code} contradicts the lines above"))
    if missing or code != 0:
        lines = errors.read_text(errors="replace").splitlines()[-_STDERR_LINES:]
        if lines:
            print(f"   {language}: last lines of its standard error:", flush=True)
            print("\n".join(f"   {language}| {line}" for line in lines), flush=True)
