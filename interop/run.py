#!/usr/bin/env python3
"""Runs the official NATS clients against a server binary. See README.md.

Needs Python 3.11 and openssl; everything else is skipped, visibly, when missing.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from runner import children, program
from runner.binary import server_binary
from runner.checks import CHECKS
from runner.languages import LANGUAGES, ROOT, Language, SetupError
from runner.program import Outcome
from runner.servers import Fleet, ServerError

# Two programs at a time: they are short and share a small machine with their servers.
PARALLEL = 2


class Tally:
    """Prints outcomes as they come and counts them; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failures: list[Outcome] = []

    def report(self, outcome: Outcome) -> None:
        """Counts one check and prints its line."""
        with self._lock:
            self._counts[outcome.status] += 1
            if outcome.status == "FAIL":
                self._failures.append(outcome)
            print(outcome, flush=True)

    def skip_language(self, language: Language, missing: list[str]) -> None:
        """Counts all checks of a language whose toolchain is not there, in one line."""
        with self._lock:
            self._counts["skip"] += len(CHECKS)
            print(f"skip {language.name}: not on PATH: {', '.join(missing)}", flush=True)

    def passed(self) -> bool:
        """Whether something ran and nothing failed; a run of skips proves nothing."""
        return self._counts["ok"] > 0 and self._counts["FAIL"] == 0

    def finish(self) -> int:
        """Prints the summary and returns the exit code."""
        if self._failures:
            print("\nFailures:")
            for outcome in self._failures:
                # The whole story, a compiler's output for example, is above.
                print(f"  {str(outcome).splitlines()[0]}")
        passed, failed, skipped = (self._counts[status] for status in ("ok", "FAIL", "skip"))
        print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        return 0 if self.passed() else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [language.name for language in LANGUAGES]
    parser = argparse.ArgumentParser(description="Runs the official NATS clients against a server.")
    parser.add_argument("--only", action="append", choices=names, metavar="LANG",
                        help=f"run this language only, may be repeated: {', '.join(names)}")
    parser.add_argument("--expect-version", default="2.14.5", metavar="VERSION",
                        help="the version the server must announce (default %(default)s)")
    parser.add_argument("--forgets-acks", action="store_true",
                        help="for nats-server 2.14, which a kill makes forget confirmed acknowledgements")
    parser.add_argument("--keep", action="store_true",
                        help="keep configurations and logs even if everything passed")
    return parser.parse_args()


def run_language(language: Language, fleet: Fleet, directory: Path, tally: Tally) -> None:
    """Installs and runs one program; whatever goes wrong becomes a failure of its own."""
    try:
        started = time.monotonic()
        command = language.setup()
        ready = time.monotonic()
        server = fleet.start_own(language.name)
        environment = fleet.environment | {"INTEROP_RESTART_URL": server.url}
        errors = directory / f"{language.name}.stderr"
        program.run(language.name, command, environment, server, errors, tally.report)
        print(f"   {language.name}: set up in {ready - started:.1f} s, "
              f"ran in {time.monotonic() - ready:.1f} s", flush=True)
    except (SetupError, ServerError, OSError) as error:
        tally.report(Outcome("FAIL", language.name, "setup", str(error)))
    except children.Interrupted:
        pass
    except Exception:  # A bug in the runner must fail the run, not vanish in a thread.
        tally.report(Outcome("FAIL", language.name, "runner", traceback.format_exc()))


def main() -> int:
    """Runs everything and returns the exit code."""
    options = arguments()
    binary = server_binary()
    # SIGTERM takes the same way out as an error, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if shutil.which("openssl") is None:
        sys.exit("openssl is not on PATH; it makes the certificates and keys of the run.")
    wanted = [language for language in LANGUAGES
              if not options.only or language.name in options.only]
    tally = Tally()
    present = []
    for language in wanted:
        missing = language.missing()
        if missing:
            tally.skip_language(language, missing)
        else:
            present.append(language)
    if present:
        run_present(present, binary, options, tally)
    if not options.only:
        run_script("callout", [], tally)
        run_script("hierarchy", [], tally)
        run_script("tenants", [], tally)
        run_script("orders", ["--forgets-acks"] if options.forgets_acks else [], tally)
    return tally.finish()


def run_script(name: str, arguments: list[str], tally: Tally) -> None:
    """Plays a script of its own (the order desk in its short form); its last `ok`, `FAIL` or `skip` line
    counts."""
    status, why = "FAIL", "it told nothing"
    command = [sys.executable, str(ROOT / f"{name}.py"), *arguments]
    with children.child(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.rstrip().split(" ", 2)
            if words[0] in ("ok", "FAIL", "skip"):
                status, why = words[0], " ".join(words[2:])
            elif line.strip() and "passed," not in line:
                print(line.rstrip(), flush=True)
    tally.report(Outcome(status, "all", name, why))


def run_present(
    languages: list[Language], binary: Path, options: argparse.Namespace, tally: Tally
) -> None:
    """Starts the servers, runs the programs, stops the servers."""
    directory = Path(tempfile.mkdtemp(prefix="nats-interop-"))
    fleet: Fleet | None = None
    try:
        fleet = Fleet(binary, directory, options.expect_version)
        fleet.start_shared()
        with ThreadPoolExecutor(PARALLEL) as pool:
            jobs = [pool.submit(run_language, language, fleet, directory, tally)
                    for language in languages]
            try:
                wait(jobs)
            except BaseException:
                # Interrupted: the pool's exit waits for its threads, so let them have nothing to do.
                children.end_all()
                raise
    except (ServerError, RuntimeError, OSError) as error:
        tally.report(Outcome("FAIL", "all", "servers", str(error)))
    finally:
        if fleet is not None:
            fleet.stop()
        if options.keep or not tally.passed():
            print(f"Configurations and logs are in {directory}", flush=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
