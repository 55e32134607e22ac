"""The client's roles in ../callout.py: getting in, or not, where a service decides."""

import asyncio
from collections.abc import Awaitable, Callable

import nats.errors

from harness import CHECK_DEADLINE, CheckError, connected, env, expect, received, within

Check = Callable[[], Awaitable[None]]


def login(user: str, password: str | None = None) -> dict[str, str]:
    """A user and password. In operator mode the server adds the sentinel, which nats-py cannot."""
    return {"user": user, "password": password or env("PASSWORD")}


async def refused(user: str, password: str | None = None) -> None:
    """The server says that this login is an authorization violation, and nothing else."""
    try:
        async with connected("CALLOUT_URL", **login(user, password)):
            pass
    except nats.errors.Error as error:
        if "authorization violation" not in str(error).lower():
            raise CheckError(f"got {error!r}, want an authorization violation") from error
        return
    raise CheckError(f"{user} was let in")


async def _allowed() -> None:
    failures: asyncio.Queue[Exception] = asyncio.Queue()
    async with connected("CALLOUT_URL", error_cb=failures.put, **login("bob")) as nc:
        sub = await nc.subscribe("news.python")
        await nc.publish("news.python", b"hello")
        expect("messages", await received(sub), ["hello"])
        await nc.publish("other.python")
        error = await within(failures.get(), "permissions violation")
        if "permissions violation" not in str(error).lower():
            raise CheckError(f"got {error!r}, want a permissions violation")


async def _refused() -> None:
    await refused("bob", "wrong")
    await refused("mallory")


async def _banned() -> None:
    await refused("alice")
    await _allowed()


async def _unanswered() -> None:
    await refused("bob")


ROLES: dict[str, dict[str, Check]] = {
    "client": {"callout_allowed": _allowed, "callout_refused": _refused},
    "banned": {"callout_banned": _banned},
    "unanswered": {"callout_unanswered": _unanswered},
}


async def run(role: str, mode: str) -> int:
    """Runs the checks of a role and prints one line for each."""
    failed = False
    for name, check in ROLES[role].items():
        try:
            await asyncio.wait_for(check(), CHECK_DEADLINE)
            print(f"ok python {mode} {name}", flush=True)
        except Exception as error:
            failed = True
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"FAIL python {mode} {name}: {why}", flush=True)
    return 1 if failed else 0
