"""Core messaging on the plain server."""

import asyncio
from collections import Counter

import nats.errors
from nats.aio.msg import Msg

from harness import CheckError, WAIT, connected, env, expect, messages, plain, received, sent_exactly, within


async def server_info() -> None:
    async with plain() as nc:
        version = nc.connected_server_version
        expect("version", f"{version.major}.{version.minor}.{version.patch}", env("VERSION"))
        expect("max_payload", str(nc.max_payload), env("MAX_PAYLOAD"))
        expect("client ip", nc.client_ip, "127.0.0.1")
        expect("a client id", (nc.client_id or 0) > 0, True)
        # The client keeps the rest of INFO to itself.
        info = nc._server_info
        expect("server name", info["server_name"], "interop-plain")
        expect("headers", info["headers"], True)
        expect("auth_required", info.get("auth_required", False), False)
        expect("tls_required", info.get("tls_required", False), False)
        expect("protocol", info["proto"], 1)
        expect("server id length", len(info["server_id"]), 56)


async def flush_rtt() -> None:
    async with plain() as nc:
        rtt = await nc.rtt(timeout=WAIT)
        expect("a round trip in time", 0 < rtt < WAIT, True)
        await nc.flush(WAIT)


async def publish_subscribe() -> None:
    async with plain() as nc:
        sub = await nc.subscribe("python.pubsub")
        wanted = ["first", "", "third \0\r\n"]
        for payload in wanted:
            await nc.publish("python.pubsub", payload.encode())
        expect("payloads", await received(sub, len(wanted)), wanted)


async def order() -> None:
    count = 10_000
    async with plain() as nc:
        sub = await nc.subscribe("python.order.*")
        for number in range(count):
            await nc.publish(f"python.order.{number % 7}", str(number).encode())
        await nc.flush(WAIT)
        expect("payloads in order", await received(sub, count), [str(n) for n in range(count)])


async def wildcards() -> None:
    async with plain() as nc:
        one = await nc.subscribe("python.wild.*.end")
        rest = await nc.subscribe("python.wild.>")
        for end in ("wild", "wild.a.end", "wild.b.c.end", "wild.d", "wilder.a.end"):
            await nc.publish(f"python.{end}", end.encode())
        expect("by *", await received(one), ["wild.a.end"])
        expect("by >", await received(rest, 3), ["wild.a.end", "wild.b.c.end", "wild.d"])
        await sent_exactly(nc, 4)


async def queue_group() -> None:
    count, members = 300, 3
    per_member: Counter[int] = Counter()
    complete = asyncio.Event()

    def handler(member: int):
        async def handle(_: Msg) -> None:
            per_member[member] += 1
            if per_member.total() == count:
                complete.set()

        return handle

    async with plain() as nc:
        for member in range(members):
            await nc.subscribe("python.queue", queue="workers", cb=handler(member))
        observer = await nc.subscribe("python.queue")
        for _ in range(count):
            await nc.publish("python.queue")
        await within(complete.wait(), "complete set of messages for the group")
        await received(observer, count)
        expect("members with messages", len(per_member), members)
        await sent_exactly(nc, 2 * count)


async def unsubscribe() -> None:
    async with plain() as nc:
        sub = await nc.subscribe("python.unsub")
        await nc.publish("python.unsub", b"seen")
        await received(sub)
        await sub.unsubscribe()
        await nc.publish("python.unsub", b"unseen")
        await sent_exactly(nc, 1)


async def auto_unsubscribe() -> None:
    async with plain() as nc:
        sub = await nc.subscribe("python.auto")
        await sub.unsubscribe(limit=3)
        for _ in range(10):
            await nc.publish("python.auto")
        await received(sub, 3)
        # What the server sent is counted before the client's own limit cuts it.
        await sent_exactly(nc, 3)


async def no_echo() -> None:
    async with plain() as other, connected("PLAIN_URL", no_echo=True) as nc:
        sub = await nc.subscribe("python.echo")
        await nc.publish("python.echo", b"own")
        await nc.flush(WAIT)
        await other.publish("python.echo", b"other")
        expect("messages", await received(sub), ["other"])
        await sent_exactly(nc, 1)


async def headers() -> None:
    async with plain() as nc:
        sub = await nc.subscribe("python.headers")
        # The client has one value per name.
        sent = {"X-One": "one: with colon", "x-lower": "grüße"}
        for payload in (b"body", b""):
            await nc.publish("python.headers", payload, headers=sent)
            [message] = await messages(sub)
            expect("headers", message.headers, sent)
            expect("payload", message.data, payload)


async def request_reply() -> None:
    async def service(message: Msg) -> None:
        await message.respond(b"re: " + message.data)

    async with plain() as nc:
        await nc.subscribe("python.service", queue="service", cb=service)
        for number in range(20):
            reply = await nc.request("python.service", str(number).encode(), timeout=WAIT)
            expect("reply", reply.data.decode(), f"re: {number}")


async def request_many() -> None:
    def responder(name: bytes):
        async def respond(message: Msg) -> None:
            await message.respond(name)

        return respond

    async with plain() as nc:
        for name in (b"a", b"b", b"c"):
            await nc.subscribe("python.many", cb=responder(name))
        inbox = nc.new_inbox()
        sub = await nc.subscribe(inbox)
        await nc.publish("python.many", reply=inbox)
        expect("replies", sorted(await received(sub, 3)), ["a", "b", "c"])
        await sent_exactly(nc, 6)


async def request_timeout() -> None:
    async with plain() as nc:
        await nc.subscribe("python.silent")
        try:
            await nc.request("python.silent", timeout=0.2)
        except nats.errors.NoRespondersError:
            raise CheckError("no responders, though one subscribed") from None
        except nats.errors.TimeoutError:
            return
        raise CheckError("a reply from nobody")


async def no_responders() -> None:
    async with plain() as nc:
        try:
            await nc.request("python.nobody", b"anyone?", timeout=WAIT)
        except nats.errors.NoRespondersError:
            return
        raise CheckError("a reply from nobody")


async def max_payload() -> None:
    async with plain() as nc:
        limit = nc.max_payload
        sub = await nc.subscribe("python.large")
        for size in (limit - 1, limit):
            payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
            await nc.publish("python.large", payload)
            [message] = await messages(sub)
            expect("length", len(message.data), size)
            expect("the same bytes", message.data == payload, True)
        try:
            await nc.publish("python.large", bytes(limit + 1))
        except nats.errors.MaxPayloadError:
            return await nc.flush(WAIT)
        raise CheckError("one byte too many was sent")


async def subject_mapping() -> None:
    async with plain() as nc:
        sub = await nc.subscribe("mapped.python.>")
        await nc.publish("map.python.left.right", b"x")
        [message] = await messages(sub)
        expect("mapped subject", message.subject, "mapped.python.right.left")


CHECKS = {
    check.__name__: check
    for check in (
        server_info, flush_rtt, publish_subscribe, order, wildcards, queue_group, unsubscribe,
        auto_unsubscribe, no_echo, headers, request_reply, request_many, request_timeout,
        no_responders, max_payload, subject_mapping,
    )
}
