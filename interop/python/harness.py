"""What every check uses: deadlines, connections, comparisons, the runner's control line."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

WAIT = 8  # seconds; bounds everything a check waits for
CHECK_DEADLINE = 30  # seconds; bounds a whole check, whatever it hangs on


class CheckError(Exception):
    """The server or the client did not do what the check requires."""


class Skipped(Exception):
    """The client cannot express this check."""


def env(name: str) -> str:
    """The value of INTEROP_<name>; the runner sets them all."""
    value = os.environ.get(f"INTEROP_{name}")
    if value is None:
        raise CheckError(f"INTEROP_{name} is not set; start this through run.py")
    return value


def cert(file: str) -> str:
    """The path of a file the runner made."""
    return os.path.join(env("CERTS"), file)


def expect(what: str, found: object, wanted: object) -> None:
    """Compares, naming what was compared."""
    if found != wanted:
        raise CheckError(f"{what}: got {found!r}, want {wanted!r}")


async def within(awaitable: Awaitable[Any], what: str) -> Any:
    """Awaits with the deadline, naming what did not come."""
    try:
        return await asyncio.wait_for(awaitable, WAIT)
    except asyncio.TimeoutError:
        raise CheckError(f"no {what} within {WAIT} s") from None


async def _ignore(_: Exception) -> None:
    """Errors show in what the check looks at; the client's default would log a traceback."""


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    """A connection that does not reconnect unless an option says so."""
    defaults = {"name": "interop-python", "allow_reconnect": False, "connect_timeout": WAIT,
                "error_cb": _ignore}
    nc = await within(nats.connect(env(url), **(defaults | options)), "connection")
    try:
        yield nc
    finally:
        await nc.close()


def plain() -> Any:
    """A connection to the plain server."""
    return connected("PLAIN_URL")


def with_jetstream(**options: Any) -> Any:
    """A connection to the server with JetStream."""
    return connected("JETSTREAM_URL", **options)


async def received(sub: Subscription, count: int = 1) -> list[str]:
    """The payloads of the next `count` messages, as text."""
    return [message.data.decode() for message in await messages(sub, count)]


async def messages(sub: Subscription, count: int = 1) -> list[Msg]:
    """The next `count` messages."""
    got: list[Msg] = []
    for _ in range(count):
        try:
            got.append(await sub.next_msg(timeout=WAIT))
        except nats.errors.TimeoutError:
            raise CheckError(f"{len(got)} of {count} messages on {sub.subject}") from None
    return got


async def sent_exactly(nc: Client, total: int) -> None:
    """Fails unless the server has sent `total` messages to this connection.

    The flush puts everything sent before its PONG in front of us, so no time has to pass.
    """
    await nc.flush(WAIT)
    expect("messages sent by the server", nc.stats["in_msgs"], total)


async def control(verb: str) -> None:
    """Asks the runner to do something to this program's own server."""
    print(f"CONTROL {verb}", flush=True)
    answer = await asyncio.to_thread(sys.stdin.readline)
    expect(f"answer to CONTROL {verb}", answer.strip(), "done")
