"""Finds the server to test."""

import os
import sys
from pathlib import Path

from .languages import ROOT


def server_binary() -> Path:
    """NATS_SERVER_BIN, or what cargo built in this repository."""
    configured = os.environ.get("NATS_SERVER_BIN")
    target = ROOT.parent / "target"
    candidates = [Path(configured)] if configured else [
        target / "release" / "nats-server", target / "debug" / "nats-server"]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.resolve()
    tried = ", ".join(map(str, candidates))
    sys.exit(f"No server to test: {tried} is not an executable file. "
             "Build it (cargo build --release) or name one in NATS_SERVER_BIN.")
