#!/usr/bin/env python3
"""An order desk under fire: official clients of four languages, and a server that is killed.

    go, python --publish with ids--> stream ORDERS --pull, double ack--> rust (DISPATCH)
                                                   --push-------------> node (MONITOR)
    go ------ a file --> object store              rust, go, python --> KV bucket of order states

The server is killed with SIGKILL and started again several times meanwhile. In the end what the
clients were told is compared with what the server holds: nothing acknowledged is lost, nothing is
there twice, and no confirmed order was handed out again. See README.md.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from runner.binary import server_binary
from runner.children import child
from runner.languages import LANGUAGES, SetupError
from runner.servers import Server, ServerError

# The role of each program, by the language that plays it.
CAST = (("go", "publish"), ("python", "publish"), ("rust", "dispatch"), ("node", "monitor"), ("go", "object"))
_STEP_SECONDS = 60


class Size(NamedTuple):
    """How much is done: orders per publisher, bytes of the file, kills, and seconds for it all."""

    each: int
    file_bytes: int
    kills: int
    seconds: int


SHORT = Size(each=1_500, file_bytes=10 << 20, kills=3, seconds=55)
FULL = Size(each=50_000, file_bytes=100 << 20, kills=12, seconds=1_200)


class Journal:
    """What the programs have printed, in the order of each program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, list[list[str]]] = defaultdict(list)
        self._grown = threading.Condition(self._lock)

    def follow(self, program: str, process: "subprocess.Popen[str]") -> None:
        """Takes down all of a program's lines until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            with self._lock:
                self._lines[program].append(line.split())
                self._grown.notify_all()

    def told(self, verb: str) -> list[list[str]]:
        """The words after `verb` of all lines that begin with it."""
        with self._lock:
            return [words[1:] for lines in self._lines.values() for words in lines if words[:1] == [verb]]

    def lines_of(self, program: str) -> list[list[str]]:
        """All lines of one program."""
        with self._lock:
            return list(self._lines[program])

    def await_acked(self, count: int, deadline: float) -> None:
        """Waits until the publishers have this many orders acknowledged."""
        with self._lock:
            while sum(w[:1] == ["acked"] for lines in self._lines.values() for w in lines) < count:
                if not self._grown.wait(max(0.0, deadline - time.monotonic())) or time.monotonic() > deadline:
                    raise ServerError(f"fewer than {count} orders were acknowledged in time")


def main() -> int:
    """Plays it once and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the long run: 100,000 orders, 100 MB, 12 kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32),
                        help="when the kills come")
    parser.add_argument("--forgets-acks", action="store_true",
                        help="let pass what nats-server 2.14 does: confirmed acknowledgements forgotten by a kill")
    options = parser.parse_args()
    size = FULL if options.full else SHORT
    by_name = {language.name: language for language in LANGUAGES}
    wanted = sorted({name for name, _ in CAST})
    missing = [tool for name in wanted for tool in by_name[name].missing()]
    if missing:
        print(f"skip orders: not on PATH: {', '.join(missing)}\n\n0 passed, 0 failed, 1 skipped")
        return 0
    try:
        commands = {name: by_name[name].setup() for name in wanted}
        directory = Path(tempfile.mkdtemp(prefix="nats-orders-"))
        print(f"orders: seed {options.seed}, {2 * size.each} orders, {size.kills} kills", flush=True)
        faults = play(directory, commands, size, options)
    except (SetupError, ServerError, subprocess.SubprocessError, OSError) as error:
        faults, directory = [str(error)], None
    for fault in faults:
        print(f"FAIL orders: {fault}")
    if not faults:
        shutil.rmtree(directory, ignore_errors=True)
        print("ok orders")
    elif directory is not None:
        print(f"Everything is in {directory}")
    print(f"\n{int(not faults)} passed, {int(bool(faults))} failed, 0 skipped")
    return 1 if faults else 0


def play(directory: Path, commands: dict[str, list[str]], size: Size, options: argparse.Namespace) -> list[str]:
    """Starts the server and the programs, kills the server, and returns what was wrong."""
    journal = Journal()
    config = f'jetstream {{ store_dir: "{directory}/store", max_file_store: 8GB }}\n'
    server = Server(server_binary(), directory, "orders", config)
    started = time.monotonic()
    deadline = started + size.seconds
    try:
        server.start()
        stage = Stage(directory, commands, journal, {
            "INTEROP_ORDERS_URL": server.url, "INTEROP_ORDERS_EACH": str(size.each),
            "INTEROP_ORDERS_TOTAL": str(2 * size.each), "INTEROP_ORDERS_FILE_BYTES": str(size.file_bytes)})
        stage.enter("python", "setup")
        stage.end("python", "setup", time.monotonic() + _STEP_SECONDS)
        for language, role in CAST:
            stage.enter(language, role)
        kill_at_random(server, journal, size, random.Random(options.seed), deadline)
        for language, role in CAST:
            stage.end(language, role, deadline)
        print(f"   orders: done after {time.monotonic() - started:.1f} s", flush=True)
        # One more, so that what is compared is what a restart finds.
        server.kill()
        server.start()
        stage.enter("python", "audit")
        stage.end("python", "audit", time.monotonic() + _STEP_SECONDS + size.each / 500)
        return compare(journal, 2 * size.each, options.forgets_acks)
    finally:
        server.kill()
        if "stage" in locals():
            stage.clear()


def kill_at_random(server: Server, journal: Journal, size: Size, chance: random.Random, deadline: float) -> None:
    """Kills and restarts the server, spread over the time the publishers are at work."""
    for kill in range(size.kills):
        journal.await_acked(2 * size.each * (2 * kill + 1) // (2 * size.kills), deadline)
        time.sleep(chance.uniform(0, 0.2))
        server.kill()
        time.sleep(chance.uniform(0, 0.2))
        server.start()


class Stage:
    """The programs that are running."""

    def __init__(self, directory: Path, commands: dict[str, list[str]], journal: Journal,
                 environment: dict[str, str]) -> None:
        self._directory, self._commands, self._journal = directory, commands, journal
        self._environment = environment
        self._threads: dict[str, tuple[threading.Thread, list[int]]] = {}
        self._processes: dict[str, "subprocess.Popen[str]"] = {}

    def enter(self, language: str, role: str) -> None:
        """Starts a program in a role; a thread takes down what it prints."""
        name, codes = f"{language}-{role}", []
        ready = threading.Event()

        def run() -> None:
            with (self._directory / f"{name}.stderr").open("wb") as errors, child(
                [*self._commands[language], role], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors, env=os.environ | self._environment,
            ) as process:
                self._processes[name] = process
                ready.set()
                self._journal.follow(name, process)
                codes.append(process.wait())

        thread = threading.Thread(target=run, name=name)
        thread.start()
        ready.wait(_STEP_SECONDS)
        self._threads[name] = (thread, codes)

    def end(self, language: str, role: str, deadline: float) -> None:
        """Waits for a program to end well."""
        name = f"{language}-{role}"
        thread, codes = self._threads[name]
        thread.join(max(0.0, deadline - time.monotonic()))
        if codes != [0]:
            why = f"exit code {codes[0]}" if codes else "not finished in time"
            tail = (self._directory / f"{name}.stderr").read_text(errors="replace").splitlines()[-5:]
            raise ServerError(f"{name}: {why}; {len(self._journal.lines_of(name))} lines told; {' | '.join(tail)}")

    def clear(self) -> None:
        """Ends what is still there."""
        for process in self._processes.values():
            process.kill()
        for thread, _ in self._threads.values():
            thread.join(_STEP_SECONDS)


def compare(journal: Journal, total: int, forgets_acks: bool) -> list[str]:
    """What the clients were told against what the server holds; returns the differences."""
    faults: list[str] = []

    def check(what: str, wrong: list[str]) -> None:
        if wrong:
            faults.append(f"{len(wrong)} × {what}: {', '.join(sorted(wrong)[:5])}")

    held = {int(sequence): order for sequence, order in journal.told("order")}
    if not journal.told("end"):
        return ["the audit did not come to its end"]
    count, first, last = map(int, journal.told("stream")[0])
    if (count, first, last) != (total, 1, total):
        faults.append(f"the stream has {count} messages, {first} to {last}, want {total}")
    check("acknowledged order lost or under another sequence",
          [f"{order}@{seq}" for order, seq in journal.told("acked") if held.get(int(seq)) != order])
    check("order stored twice", [order for order in set(held.values()) if list(held.values()).count(order) > 1]
          if len(set(held.values())) != len(held) else [])
    check("order never acknowledged", list(set(held.values()) - {order for order, _ in journal.told("acked")}))
    check("order never dispatched", list(set(held.values()) - {told[1] for told in journal.told("delivered")}))
    if not forgets_acks:
        check("order handed out after its confirmed acknowledgement", handed_out_again(journal))
    seen = {int(sequence): order for sequence, order in journal.told("seen")}
    check("order the monitor missed", [order for seq, order in held.items() if seen.get(seq) != order])
    pending, unacked, floor = map(int, journal.told("dispatch")[0])
    if (pending, unacked, floor) != (0, 0, total):
        faults.append(f"DISPATCH has {pending} pending, {unacked} unacknowledged, floor {floor}")
    check_states(journal, held, check)
    if len(journal.told("file")) != 1 or journal.told("file") != journal.told("read"):
        faults.append(f"file put as {journal.told('file')}, read as {journal.told('read')}")
    return faults


def handed_out_again(journal: Journal) -> list[str]:
    """Orders that came once more after the server had confirmed their acknowledgement."""
    confirmed: set[str] = set()
    wrong = []
    for words in journal.lines_of("rust-dispatch"):
        if words[0] == "delivered" and words[1] in confirmed:
            wrong.append(f"{words[2]} (delivery {words[3]})")
        elif words[0] == "confirmed":
            confirmed.add(words[1])
    return wrong


def check_states(journal: Journal, held: dict[int, str], check: object) -> None:
    """Every order's state is the last one, at no older revision than was acknowledged."""
    entries = {key: (int(revision), value) for key, revision, value in journal.told("entry")}
    newest: dict[str, int] = {}
    for order, revision in journal.told("state"):
        newest[order] = max(newest.get(order, 0), int(revision))
    assert callable(check)
    check("state that is not dispatched",
          [order for order in held.values() if entries.get(order, (0, ""))[1] != "dispatched"])
    check("state older than acknowledged",
          [order for order, revision in newest.items() if entries.get(order, (0, ""))[0] < revision])


if __name__ == "__main__":
    sys.exit(main())
