"""Draining, and a server that goes away and comes back."""

import asyncio
from typing import Any

from nats.aio.msg import Msg

from harness import WAIT, connected, control, expect, plain, received, sent_exactly, within


async def drain_subscription() -> None:
    count = 100
    handled = 0
    gate = asyncio.Event()

    async def handle(_: Msg) -> None:
        nonlocal handled
        await gate.wait()
        handled += 1

    async with plain() as nc:
        sub = await nc.subscribe("python.drain.sub", cb=handle)
        for _ in range(count):
            await nc.publish("python.drain.sub")
        await nc.flush(WAIT)
        drained = asyncio.create_task(sub.drain())
        # One turn of the loop lets the drain queue its UNSUB; what is published after it must not arrive.
        await asyncio.sleep(0)
        await nc.publish("python.drain.sub")
        await nc.flush(WAIT)
        gate.set()
        await within(drained, "end of the drain")
        expect("messages handled", handled, count)
        await sent_exactly(nc, count)


async def drain_connection() -> None:
    count = 100
    closed = asyncio.Event()

    async def on_closed() -> None:
        closed.set()

    async with plain() as observer, connected("PLAIN_URL", closed_cb=on_closed) as nc:
        echoes = await observer.subscribe("python.drain.echo")
        await observer.flush(WAIT)

        # Handlers still publish while the connection drains: all of it must leave.
        async def echo(message: Msg) -> None:
            await nc.publish("python.drain.echo", message.data)

        await nc.subscribe("python.drain.conn", cb=echo)
        for _ in range(count):
            await nc.publish("python.drain.conn", b"x")
        await within(nc.drain(), "end of the drain")
        await within(closed.wait(), "closed event")
        await received(echoes, count)
        expect("closed", nc.is_closed, True)


def reconnecting(**options: Any) -> Any:
    """A connection to this program's own server that comes back quickly."""
    return connected("RESTART_URL", allow_reconnect=True, max_reconnect_attempts=-1,
                     reconnect_time_wait=0.05, **options)


async def _reconnect(how: str) -> None:
    lost, back = asyncio.Event(), asyncio.Event()

    async def on_lost() -> None:
        lost.set()

    async def on_back() -> None:
        back.set()

    async with reconnecting(disconnected_cb=on_lost, reconnected_cb=on_back) as nc:
        sub = await nc.subscribe("python.reconnect")
        await nc.flush(WAIT)
        await control(how)
        try:
            await within(lost.wait(), "disconnect event")
        finally:
            await control("start")
        await within(back.wait(), "reconnect event")
        await nc.publish("python.reconnect", b"after")
        expect("messages", await received(sub), ["after"])


async def reconnect() -> None:
    await _reconnect("stop")


async def reconnect_after_kill() -> None:
    await _reconnect("kill")


async def lame_duck() -> None:
    noticed = asyncio.Event()

    async def on_notice() -> None:
        noticed.set()

    try:
        async with reconnecting(lame_duck_mode_cb=on_notice) as nc:
            await control("lame_duck")
            await within(noticed.wait(), "lame duck notice")
            # The grace period has only begun: the connection still works.
            await nc.flush(WAIT)
    finally:
        await control("start")


CHECKS = {
    check.__name__: check
    for check in (drain_subscription, drain_connection, reconnect, reconnect_after_kill, lame_duck)
}
