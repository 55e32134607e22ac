"""Streams, publishing and consumers on the server with JetStream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamSource
from nats.js.errors import (
    APIError, BadRequestError, FetchTimeoutError, NoStreamResponseError, NotFoundError,
)

from harness import CheckError, Skipped, WAIT, control, expect, with_jetstream, within
from lifecycle import reconnecting

WRONG_LAST_SEQUENCE = 10071


@asynccontextmanager
async def stream(name: str, **config: Any) -> AsyncIterator[tuple[Client, JetStreamContext, str]]:
    """A connection, its JetStream context and a fresh stream `PY_<name>` on `py.<name>.>`."""
    async with with_jetstream() as nc:
        js = nc.jetstream(timeout=WAIT)
        full = f"PY_{name}"
        await js.add_stream(name=full, subjects=[f"py.{name}.>"], **config)
        yield nc, js, full
        await js.delete_stream(full)


async def refused(what: str, call: Awaitable[Any], code: int, kind: type = APIError) -> APIError:
    """Awaits a call that must end in this JetStream error."""
    try:
        await call
    except kind as error:
        expect(f"{what}: err_code", error.err_code, code)
        return error
    raise CheckError(f"{what}: accepted")


async def fill(js: JetStreamContext, subject: str, count: int) -> None:
    """Publishes `0`, `1`, ... one after the other."""
    for number in range(count):
        await js.publish(subject, str(number).encode())


def payloads(messages: list[Msg]) -> list[str]:
    """The payloads as text."""
    return [message.data.decode() for message in messages]


async def js_account() -> None:
    async with stream("account") as (_, js, _name):
        info = await js.account_info()
        expect("streams at least", info.streams >= 1, True)
        expect("api requests counted", info.api.total >= 1, True)
        expect("unlimited streams", info.limits.max_streams, -1)


async def js_stream_edit() -> None:
    async with stream("edit", max_msgs=10) as (_, js, name):
        info = await js.update_stream(name=name, subjects=["py.edit.>", "py.more"], max_msgs=3,
                                      description="edited")
        expect("description", info.config.description, "edited")
        for _ in range(5):
            await js.publish("py.more", b"x")
        info = await js.stream_info(name)
        expect("limits", info.config.max_msgs, 3)
        expect("state", (info.state.messages, info.state.first_seq, info.state.last_seq), (3, 3, 5))
        await refused("storage change", js.update_stream(
            name=name, subjects=["py.edit.>"], storage=StorageType.MEMORY), 10052)


async def js_stream_purge() -> None:
    async with stream("purge") as (_, js, name):
        await fill(js, "py.purge.a", 5)
        await fill(js, "py.purge.b", 5)
        await js.purge_stream(name, subject="py.purge.a", keep=1)
        expect("after a filtered purge", (await js.stream_info(name)).state.messages, 6)
        await js.purge_stream(name, seq=8)
        expect("after a purge up to a sequence", (await js.stream_info(name)).state.messages, 3)
        await js.purge_stream(name)
        state = (await js.stream_info(name)).state
        expect("after a purge", (state.messages, state.first_seq, state.last_seq), (0, 11, 10))


async def js_stream_list() -> None:
    async with stream("list") as (_, js, name):
        await fill(js, "py.list.a", 2)
        await fill(js, "py.list.b", 1)
        expect("by subject", await js.find_stream_name_by_subject("py.list.a"), name)
        expect("listed", name in [info.config.name for info in await js.streams_info()], True)
        info = await js.stream_info(name, subjects_filter=">")
        expect("subjects", info.state.subjects, {"py.list.a": 2, "py.list.b": 1})


async def js_publish() -> None:
    async with stream("publish") as (_, js, name):
        ack = await js.publish("py.publish.one", b"one", headers={"X-Key": "value"})
        expect("ack", (ack.stream, ack.seq, ack.duplicate), (name, 1, None))
        many = await asyncio.gather(*[js.publish_async("py.publish.many", b"m") for _ in range(500)])
        sequences = [(await within(ack, "ack")).seq for ack in many]
        expect("sequences", sequences, list(range(2, 502)))
        try:
            await js.publish("py.nostream", b"x")
        except NoStreamResponseError:
            return
        raise CheckError("an ack for a subject of no stream")


async def js_publish_duplicate() -> None:
    async with stream("dupe", duplicate_window=60) as (_, js, name):
        first = await js.publish("py.dupe.x", b"1", headers={"Nats-Msg-Id": "id-1"})
        again = await js.publish("py.dupe.x", b"2", headers={"Nats-Msg-Id": "id-1"})
        expect("the first", (first.seq, first.duplicate), (1, None))
        expect("the duplicate", (again.seq, again.duplicate), (1, True))
        expect("messages", (await js.stream_info(name)).state.messages, 1)


async def js_publish_expected() -> None:
    async with stream("expect") as (_, js, name):
        await js.publish("py.expect.a", b"1", stream=name, headers={"Nats-Msg-Id": "first"})
        for header, value in (("Nats-Expected-Last-Sequence", "1"),
                              ("Nats-Expected-Last-Subject-Sequence", "2"),
                              ("Nats-Expected-Last-Subject-Sequence", "3")):
            await js.publish("py.expect.a", b"2", headers={header: value})
        error = await refused("wrong last sequence", js.publish(
            "py.expect.a", b"x", headers={"Nats-Expected-Last-Sequence": "1"}), WRONG_LAST_SEQUENCE)
        expect("its text", error.description, "wrong last sequence: 4")
        await refused("wrong last subject sequence", js.publish(
            "py.expect.b", b"x", headers={"Nats-Expected-Last-Subject-Sequence": "4"}), WRONG_LAST_SEQUENCE)
        await refused("wrong last id", js.publish(
            "py.expect.a", b"x", headers={"Nats-Expected-Last-Msg-Id": "other"}), 10070)
        await refused("wrong stream", js.publish("py.expect.a", b"x", stream="OTHER"), 10060)


async def js_messages() -> None:
    async with stream("msgs") as (_, js, name):
        await js.publish("py.msgs.a", b"1", headers={"X-Key": "value"})
        await fill(js, "py.msgs.b", 2)
        message = await js.get_msg(name, 1)
        expect("message", (message.subject, message.data, message.headers["X-Key"]),
               ("py.msgs.a", b"1", "value"))
        expect("last by subject", (await js.get_last_msg(name, "py.msgs.b")).seq, 3)
        await js.delete_msg(name, 2)
        await refused("a deleted message", js.get_msg(name, 2), 10037, NotFoundError)
        expect("messages", (await js.stream_info(name)).state.messages, 2)


async def js_direct_get() -> None:
    async with stream("direct", allow_direct=True) as (_, js, name):
        await fill(js, "py.direct.a", 3)
        await js.publish("py.direct.b", b"last", headers={"X-Key": "value"})
        message = await js.get_msg(name, 2, direct=True)
        expect("by sequence", (message.seq, message.subject, message.data), (2, "py.direct.a", b"1"))
        message = await js.get_msg(name, subject="py.direct.b", direct=True)
        expect("by subject", (message.seq, message.data, message.headers["X-Key"]), (4, b"last", "value"))
        message = await js.get_msg(name, seq=3, subject="py.direct.*", next=True, direct=True)
        expect("next by subject", message.seq, 3)
        try:
            await js.get_msg(name, 99, direct=True)
        except NotFoundError:
            return
        raise CheckError("a message that does not exist")


async def js_pull_fetch() -> None:
    async with stream("fetch") as (_, js, name):
        await fill(js, "py.fetch.x", 25)
        sub = await js.pull_subscribe("py.fetch.>", "fetcher", stream=name)
        got: list[str] = []
        while len(got) < 25:
            batch = await sub.fetch(10, timeout=WAIT)
            for message in batch:
                await message.ack_sync(WAIT)
            got += payloads(batch)
        expect("payloads", got, [str(n) for n in range(25)])
        info = await sub.consumer_info()
        expect("pending", (info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq), (0, 0, 25))
        try:
            await sub.fetch(1, timeout=0.3)
        except (FetchTimeoutError, nats.errors.TimeoutError):
            return
        raise CheckError("a message from an empty consumer")


async def js_pull_consume() -> None:
    raise Skipped("the client has no continuous pull")


async def js_push() -> None:
    async with stream("push") as (_, js, name):
        done, got = asyncio.Event(), []

        async def handle(message: Msg) -> None:
            got.append(message.data.decode())
            await message.ack()
            if len(got) == 200:
                done.set()

        sub = await js.subscribe("py.push.>", durable="pusher", stream=name, cb=handle, manual_ack=True,
                                 idle_heartbeat=1.0, flow_control=True)
        await asyncio.gather(*[js.publish("py.push.x", str(n).encode()) for n in range(200)])
        await within(done.wait(), "200 messages")
        expect("all of them", sorted(map(int, got)), list(range(200)))
        info = await sub.consumer_info()
        expect("push bound", info.push_bound, True)
        group = await js.subscribe("py.push.>", queue="workers", stream=name,
                                   config=ConsumerConfig(deliver_policy=DeliverPolicy.LAST))
        expect("last for a group", (await group.next_msg(timeout=WAIT)).metadata.sequence.stream, 200)


async def js_ordered() -> None:
    async with stream("ordered") as (_, js, name):
        for start in range(0, 2_000, 500):
            await asyncio.gather(*[js.publish("py.ordered.x", bytes(100)) for n in range(start, start + 500)])
        sub = await js.subscribe("py.ordered.>", stream=name, ordered_consumer=True)
        sequences = [(await sub.next_msg(timeout=WAIT)).metadata.sequence.stream for _ in range(2_000)]
        expect("in order", sequences, list(range(1, 2_001)))


async def js_ack_kinds() -> None:
    async with stream("acks") as (_, js, name):
        await fill(js, "py.acks.x", 4)
        sub = await js.pull_subscribe("py.acks.>", "acker", stream=name, config=ConsumerConfig(ack_wait=30))
        acked, naked, ended, slow = await sub.fetch(4, timeout=WAIT)
        await acked.ack_sync(WAIT)
        await naked.nak()
        await ended.term()
        await slow.in_progress()
        [again] = await sub.fetch(1, timeout=WAIT)
        expect("delivered again", (again.data, again.metadata.num_delivered), (b"1", 2))
        await again.nak(delay=0.3)
        [later] = await sub.fetch(1, timeout=WAIT)
        expect("delivered after the delay", (later.data, later.metadata.num_delivered), (b"1", 3))
        await later.ack_sync(WAIT)
        info = await sub.consumer_info()
        expect("left", (info.num_ack_pending, info.ack_floor.stream_seq), (1, 3))


async def js_redelivery() -> None:
    async with stream("redeliver") as (_, js, name):
        await fill(js, "py.redeliver.x", 1)
        config = ConsumerConfig(ack_wait=0.5, max_deliver=2)
        sub = await js.pull_subscribe("py.redeliver.>", "forgetful", stream=name, config=config)
        for attempt in (1, 2):
            [message] = await sub.fetch(1, timeout=WAIT)
            expect("delivered", message.metadata.num_delivered, attempt)
        try:
            await sub.fetch(1, timeout=1.2)
        except (FetchTimeoutError, nats.errors.TimeoutError):
            return
        raise CheckError("delivered more often than max_deliver")


async def js_consumer_manage() -> None:
    async with stream("manage") as (_, js, name):
        await fill(js, "py.manage.a", 3)
        await fill(js, "py.manage.b", 2)
        config = ConsumerConfig(durable_name="managed", filter_subjects=["py.manage.b"], description="first",
                                ack_policy=AckPolicy.EXPLICIT)
        info = await js.add_consumer(name, config)
        expect("pending", (info.name, info.num_pending), ("managed", 2))
        info = await js.add_consumer(name, config.evolve(description="second", filter_subjects=["py.manage.a"]))
        expect("edited", (info.config.description, info.num_pending), ("second", 3))
        expect("listed", [one.name for one in await js.consumers_info(name)], ["managed"])
        paused = await js.pause_consumer(name, "managed", "2999-01-01T00:00:00Z")
        expect("paused", paused.paused, True)
        resumed = await js.resume_consumer(name, "managed")
        expect("resumed", resumed.paused, False)
        expect("deleted", await js.delete_consumer(name, "managed"), True)
        await refused("a deleted consumer", js.consumer_info(name, "managed"), 10014, NotFoundError)


async def js_errors() -> None:
    async with stream("errors") as (_, js, name):
        error = await refused("no stream", js.stream_info("PY_NONE"), 10059, NotFoundError)
        expect("its text", (error.code, error.description), (404, "stream not found"))
        await refused("name in use", js.add_stream(name=name, subjects=["py.else"]), 10058, BadRequestError)
        await refused("overlap", js.add_stream(name="PY_OTHER", subjects=["py.errors.x"]), 10065, BadRequestError)
        await refused("no consumer", js.consumer_info(name, "none"), 10014, NotFoundError)
        await refused("no message", js.get_msg(name, 7), 10037, NotFoundError)
        config = ConsumerConfig(durable_name="c", ack_policy=AckPolicy.NONE, max_deliver=1, backoff=[1.0, 2.0])
        await refused("bad consumer", js.add_consumer(name, config), 10116)


async def js_message_ttl() -> None:
    async with stream("ttl", allow_msg_ttl=True) as (_, js, name):
        await js.publish("py.ttl.short", b"x", msg_ttl=1)
        await js.publish("py.ttl.long", b"x", msg_ttl=3600)
        await refused("a bad TTL", js.publish("py.ttl.bad", b"x", headers={"Nats-TTL": "soon"}), 10165)

        async def gone() -> None:
            while (await js.stream_info(name)).state.messages != 1:
                await asyncio.sleep(0.1)

        await within(gone(), "expiry")
        await js.get_last_msg(name, "py.ttl.long")


async def js_counter() -> None:
    async with stream("counter", allow_msg_counter=True, allow_direct=True) as (nc, js, name):
        for delta, total in (("+5", "5"), ("-7", "-2"), ("9223372036854775807", "9223372036854775805")):
            reply = await nc.request("py.counter.hits", headers={"Nats-Incr": delta}, timeout=WAIT)
            expect("total in the ack", f'"val":"{total}"' in reply.data.decode().replace(" ", ""), True)
        message = await js.get_msg(name, subject="py.counter.hits", direct=True)
        expect("stored", message.data, b'{"val":"9223372036854775805"}')
        await refused("no increment", js.publish("py.counter.hits", b"x"), 10169)


async def js_batch() -> None:
    # The client has no batch publisher: this is what one would send.
    async with stream("batch", allow_atomic=True) as (nc, js, name):
        def part(sequence: int, **more: str) -> dict[str, str]:
            return {"Nats-Batch-Id": "py-batch", "Nats-Batch-Sequence": str(sequence)} | more

        opened = await nc.request("py.batch.1", b"1", headers=part(1), timeout=WAIT)
        expect("answer to the first", opened.data, b"")
        await nc.publish("py.batch.2", b"2", headers=part(2))
        expect("nothing before the commit", (await js.stream_info(name)).state.messages, 0)
        ack = await js.publish("py.batch.3", b"3", headers=part(3, **{"Nats-Batch-Commit": "1"}))
        expect("ack", (ack.stream, ack.seq), (name, 3))
        expect("after the commit", (await js.stream_info(name)).state.messages, 3)


async def js_survives_kill() -> None:
    async with reconnecting() as nc:
        js = nc.jetstream(timeout=WAIT)
        await js.add_stream(name="PY_KILL", subjects=["py.kill.>"])
        kv = await js.create_key_value(bucket="PY_KILL_KV")
        sub = await js.pull_subscribe("py.kill.>", "survivor", stream="PY_KILL")
        for number in range(50):
            await js.publish("py.kill.x", str(number).encode(), headers={"Nats-Msg-Id": f"kill-{number}"})
        revision = await kv.put("state", b"before")
        await control("kill")
        await control("start")
        again = await published_again(js)
        expect("the duplicate after the kill", (again.seq, again.duplicate), (50, True))
        expect("the next", (await js.publish("py.kill.x", b"50")).seq, 51)
        got = payloads(await sub.fetch(51, timeout=WAIT))
        expect("payloads", got, [str(number) for number in range(51)])
        expect("revision", (await kv.get("state")).revision, revision)


async def published_again(js: JetStreamContext) -> Any:
    """Resends until the connection is back, as a publisher with message ids does."""
    async def resend() -> Any:
        while True:
            try:
                return await js.publish("py.kill.x", b"49", headers={"Nats-Msg-Id": "kill-49"}, timeout=1)
            except (nats.errors.Error, NoStreamResponseError, asyncio.TimeoutError):
                await asyncio.sleep(0.05)

    return await within(resend(), "ack after the restart")


async def js_mirror() -> None:
    async with reconnecting() as nc:
        js = nc.jetstream(timeout=WAIT)
        await js.add_stream(name="PY_ORIGIN", subjects=["py.origin.*"])
        await publish_to_origin(js, range(20))
        await js.add_stream(name="PY_MIRROR", mirror=StreamSource(name="PY_ORIGIN"))
        odd = StreamSource(name="PY_ORIGIN", filter_subject="py.origin.1")
        await js.add_stream(name="PY_SOURCED", sources=[odd])
        await copied(js, 20)
        await control("kill")
        await control("start")
        await copied(js, 20)
        await publish_to_origin(js, range(20, 30))
        await copied(js, 30)


async def publish_to_origin(js: JetStreamContext, numbers: range) -> None:
    """Publishes numbers, even and odd ones on subjects of their own."""
    for number in numbers:
        await js.publish(f"py.origin.{number % 2}", str(number).encode())


async def copied(js: JetStreamContext, count: int) -> None:
    """Waits until the copies have so many messages of the origin, and compares them."""
    async def arrived() -> None:
        while True:
            try:
                mirror = (await js.stream_info("PY_MIRROR")).state
                sourced = (await js.stream_info("PY_SOURCED")).state
                if (mirror.last_seq, sourced.messages) == (count, count // 2):
                    return
            except (nats.errors.Error, APIError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(0.05)

    await within(arrived(), f"copies of {count} messages")
    for number in range(count):
        message = await js.get_msg("PY_MIRROR", number + 1)
        expect("mirrored", (message.subject, message.data), (f"py.origin.{number % 2}", str(number).encode()))
    for place in range(count // 2):
        message = await js.get_msg("PY_SOURCED", place + 1)
        expect("sourced", (message.subject, message.data), ("py.origin.1", str(2 * place + 1).encode()))


CHECKS = {
    check.__name__: check
    for check in (
        js_account, js_stream_edit, js_stream_purge, js_stream_list, js_publish, js_publish_duplicate,
        js_publish_expected, js_messages, js_direct_get, js_pull_fetch, js_pull_consume, js_push, js_ordered,
        js_ack_kinds, js_redelivery, js_consumer_manage, js_errors, js_message_ttl, js_counter, js_batch,
        js_survives_kill,
        js_mirror,
    )
}
