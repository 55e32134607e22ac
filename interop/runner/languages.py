"""How each language's program is installed and started.

Installing uses the language's ordinary package client with its committed lock
file. A step that is not incremental by itself is skipped while its inputs are
unchanged; a stamp inside the (git-ignored) output remembers their digest.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .children import child

ROOT = Path(__file__).resolve().parent.parent
# A fresh machine downloads and compiles within this; a hung registry does not hold a run up for ever.
SETUP_SECONDS = 600
_MAVEN_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


class SetupError(Exception):
    """Installing or compiling a program failed; the message carries the command's output."""


class Language(NamedTuple):
    """`tools` must be on PATH; `setup` installs and returns the command that runs the program."""

    name: str
    tools: tuple[str, ...]
    setup: Callable[[], list[str]]

    def missing(self) -> list[str]:
        """The tools that are not on PATH."""
        return [tool for tool in self.tools if shutil.which(tool) is None]


def _rust() -> list[str]:
    directory = ROOT / "rust"
    # Named explicitly, so that the binary is where we look whatever the user's cargo settings are.
    target = directory / "target"
    configured = _environment_path("CARGO_TARGET_DIR")
    if configured is not None:
        target = configured
    _run(directory, "cargo", "build", "--quiet", "--locked", "--target-dir", str(target))
    return [str(target / "debug" / "nats-interop-rust")]


def _go() -> list[str]:
    directory = ROOT / "go"
    binary = directory / "bin" / "nats-interop-go"
    _run(directory, "go", "build", "-o", str(binary), ".")
    return [str(binary)]


def _python() -> list[str]:
    directory = ROOT / "python"
    venv = directory / ".venv"
    python = venv / "bin" / "python"

    def install() -> None:
        _run(directory, sys.executable, "-m", "venv", "--clear", str(venv))
        _run(directory, str(python), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "-r", "requirements.txt")

    _once(venv / ".installed", [directory / "requirements.txt"], install)
    return [str(python), str(directory / "main.py")]


def _node() -> list[str]:
    directory = ROOT / "node"
    _once(
        directory / "node_modules" / ".installed",
        [directory / "package-lock.json", directory / "package.json"],
        lambda: _run(directory, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"),
    )
    return ["node", str(directory / "main.mjs")]


def _java() -> list[str]:
    directory = ROOT / "java"
    libraries = directory / "target" / "lib"
    classes = directory / "target" / "classes"
    sources = sorted((directory / "src" / "main" / "java").glob("*.java"))

    def download() -> None:
        _run(directory, "mvn", "--quiet", "--batch-mode",
             f"{_MAVEN_DEPENDENCY_PLUGIN}:copy-dependencies", f"-DoutputDirectory={libraries}")

    def compile_sources() -> None:
        classes.mkdir(parents=True, exist_ok=True)
        _run(directory, "javac", "--release", "17", "-nowarn", "-d", str(classes),
             "-cp", f"{libraries}/*", *map(str, sources))

    _once(libraries / ".installed", [directory / "pom.xml"], download)
    _once(classes / ".compiled", [directory / "pom.xml", *sources], compile_sources)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{libraries}/*", "Main"]


# Slowest to compile first, so that it overlaps with the others.
LANGUAGES = (
    Language("rust", ("cargo",), _rust),
    Language("go", ("go",), _go),
    Language("java", ("mvn", "java", "javac"), _java),
    Language("node", ("node", "npm"), _node),
    Language("python", ("python3",), _python),
)


def _environment_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).resolve() if value else None


def _once(stamp: Path, inputs: list[Path], step: Callable[[], None]) -> None:
    """Runs `step` unless `stamp` shows it has succeeded for exactly these inputs."""
    digest = hashlib.sha256()
    for path in inputs:
        digest.update(f"{path}\0".encode() + path.read_bytes())
    wanted = digest.hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    step()
    stamp.write_text(wanted)


def _run(directory: Path, *command: str) -> None:
    started = time.monotonic()
    with child(list(command), cwd=directory, stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            output, _ = process.communicate(timeout=SETUP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SetupError(
                f"`{' '.join(command)}` did not end within {SETUP_SECONDS} s:\n{error.output or ''}"
            ) from None
    if process.returncode != 0:
        spent = time.monotonic() - started
        raise SetupError(
            f"`{' '.join(command)}` exited with {process.returncode} after {spent:.0f} s:\n{output}"
        )
