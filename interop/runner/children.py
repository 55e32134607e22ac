"""The commands and programs that are running, so that an interrupted run ends them all.

Servers are not here: the fleet owns them and outlives the programs.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_running: set["subprocess.Popen[str]"] = set()
_closed = False


class Interrupted(Exception):
    """The run is ending; nothing new is started."""


@contextmanager
def child(command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Starts a process in text mode; it does not outlive the block."""
    with _lock:
        if _closed:
            raise Interrupted
        process = subprocess.Popen(command, text=True, errors="replace", **options)
        _running.add(process)
    try:
        yield process
    finally:
        with _lock:
            _running.discard(process)
        if process.poll() is None:
            process.kill()
        process.wait()


def end_all() -> None:
    """Kills what is running and lets nothing else start."""
    global _closed
    with _lock:
        _closed = True
        for process in _running:
            process.kill()
