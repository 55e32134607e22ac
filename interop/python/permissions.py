"""Permissions: violations are reported and the connection lives on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from harness import WAIT, CheckError, connected, env, expect, received, within

Failures = "asyncio.Queue[Exception]"


def user(name: str) -> dict[str, str]:
    """The options of a user of the users server."""
    return {"user": name, "password": env("PASSWORD")}


@asynccontextmanager
async def watched(**options: Any) -> AsyncIterator[tuple[Client, Failures]]:
    """A connection to the users server and the queue of its asynchronous errors."""
    failures: asyncio.Queue[Exception] = asyncio.Queue()
    async with connected("USERS_URL", error_cb=failures.put, **options) as nc:
        yield nc, failures


async def violation(failures: Failures, operation: str) -> None:
    """Awaits a permissions violation that names the operation."""
    error = await within(failures.get(), "permissions violation")
    wanted = f"permissions violation for {operation}".lower()
    if wanted not in str(error).lower():
        raise CheckError(f"got {str(error)!r}, want {wanted!r}")


@asynccontextmanager
async def limited() -> AsyncIterator[tuple[Client, Failures]]:
    """The limited user; at the end its connection must still live."""
    async with watched(**user("limited")) as (nc, failures):
        yield nc, failures
        sub = await nc.subscribe("ok.python.alive")
        await nc.publish("ok.python.alive", b"hello")
        expect("messages", await received(sub), ["hello"])


async def permission_publish() -> None:
    async with limited() as (nc, failures):
        for subject in ("other.python", "ok.secret.python"):
            await nc.publish(subject)
            await violation(failures, f'publish to "{subject}"')


async def permission_subscribe() -> None:
    async with limited() as (nc, failures):
        for subject in ("other.python", "ok.secret.python"):
            await nc.subscribe(subject)
            await violation(failures, f'subscription to "{subject}"')


async def permission_queue() -> None:
    async with limited() as (nc, failures):
        await nc.subscribe("q.python", queue="others")
        await violation(failures, 'subscription to "q.python" using queue "others"')
        workers = await nc.subscribe("q.python", queue="workers")
        await nc.flush(WAIT)
        async with connected("USERS_URL", **user("alice")) as alice:
            await alice.publish("q.python", b"job")
            await alice.flush(WAIT)
        expect("messages", await received(workers), ["job"])


async def permission_responses() -> None:
    async def service(message: Msg) -> None:
        # Two answers to a request that allows one: the second is the violation.
        await message.respond(b"one")
        await message.respond(b"two")

    async with watched(**user("responder")) as (nc, failures):
        await nc.subscribe("svc.python", cb=service)
        await nc.flush(WAIT)
        async with connected("USERS_URL", **user("alice")) as alice:
            reply = await alice.request("svc.python", timeout=WAIT)
            expect("reply", reply.data, b"one")
            await violation(failures, 'publish to "_INBOX.')


CHECKS = {
    check.__name__: check
    for check in (permission_publish, permission_subscribe, permission_queue, permission_responses)
}
