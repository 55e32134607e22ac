"""Roles in ../orders.py: setting up, publishing, and looking at what is left in the end.

What is printed is what the server has acknowledged, or holds.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import nats.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import Error as JetStreamError

from harness import env

IN_FLIGHT = 16


async def _ignore(_: Exception) -> None:
    """Losing the connection is the point of it all."""


async def run(role: str) -> int:
    """Plays one role to its end."""
    nc = await nats.connect(env("ORDERS_URL"), max_reconnect_attempts=-1, reconnect_time_wait=0.05,
                            error_cb=_ignore)
    js = nc.jetstream(timeout=5)
    await {"setup": setup, "publish": publish, "audit": audit}[role](js)
    await nc.close()
    return 0


async def again(what: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """Calls until it works: whatever the server had not acknowledged is sent once more."""
    while True:
        try:
            return await asyncio.wait_for(call(), 2)
        except (nats.errors.Error, JetStreamError, asyncio.TimeoutError, OSError) as error:
            print(f"{what}: {error!r}", file=sys.stderr)
            await asyncio.sleep(0.02)


async def setup(js: JetStreamContext) -> None:
    """Makes the stream, its two consumers, the bucket and the object store."""
    await js.add_stream(name="ORDERS", subjects=["ORDERS.*"], duplicate_window=120)
    await js.add_consumer("ORDERS", ConsumerConfig(
        durable_name="DISPATCH", ack_policy=AckPolicy.EXPLICIT, ack_wait=4))
    await js.add_consumer("ORDERS", ConsumerConfig(
        durable_name="MONITOR", ack_policy=AckPolicy.EXPLICIT, ack_wait=4, deliver_subject="monitor.orders",
        flow_control=True, idle_heartbeat=1.0))
    await js.create_key_value(bucket="order_state", history=5)
    await js.create_object_store(bucket="order_files")


async def publish(js: JetStreamContext) -> None:
    """Places its orders, a number of them at a time."""
    kv = await again("bucket", lambda: js.key_value("order_state"))
    ids = iter([f"python-{number}" for number in range(int(env("ORDERS_EACH")))])

    async def work() -> None:
        for order in ids:
            revision = await again("state", lambda: kv.put(order, b"placed"))
            print(f"state {order} {revision}", flush=True)
            ack = await again("publish", lambda: js.publish(
                "ORDERS.python", order.encode(), headers={"Nats-Msg-Id": order}))
            print(f"acked {order} {ack.seq}", flush=True)

    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])


async def audit(js: JetStreamContext) -> None:
    """Tells all there is."""
    info = await js.stream_info("ORDERS")
    print(f"stream {info.state.messages} {info.state.first_seq} {info.state.last_seq}")
    sub = await js.subscribe("ORDERS.*", stream="ORDERS", ordered_consumer=True)
    for _ in range(info.state.messages):
        message = await sub.next_msg(timeout=10)
        print(f"order {message.metadata.sequence.stream} {message.data.decode()}")
    dispatch = await js.consumer_info("ORDERS", "DISPATCH")
    print(f"dispatch {dispatch.num_pending} {dispatch.num_ack_pending} {dispatch.ack_floor.stream_seq}")
    watcher = await (await js.key_value("order_state")).watchall()
    while (entry := await watcher.updates(timeout=10)) is not None:
        print(f"entry {entry.key} {entry.revision} {entry.value.decode()}")
    await watcher.stop()
    print("end", flush=True)
