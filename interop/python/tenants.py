"""The clients' role in ../tenants.py: users of four accounts, and what each of them gets."""

import asyncio
import json

from harness import CHECK_DEADLINE, connected, env, expect, received, within
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.js.api import StreamConfig
from nats.js.errors import APIError

# Error codes of the JetStream API.
_NOT_ENABLED_FOR_ACCOUNT = 10039
_STREAM_LIMIT = 10027
_RESOURCES_EXCEEDED = 10002


def _as(user: str):
    """A connection of the user that is called like its account."""
    return connected("TENANTS_URL", user=user, password=env("TENANTS_PASSWORD"))


async def _answer(nc: Client, subject: str, text: str) -> None:
    async def reply(message) -> None:
        await message.respond(f"{text} {message.subject}".encode())

    await nc.subscribe(subject, cb=reply)
    await nc.flush()


async def _services() -> None:
    async with _as("shop") as shop, _as("desk") as desk, _as("guest") as guest:
        await _answer(shop, "price.*", "shop")
        await _answer(shop, "secret", "shop")
        answer = await desk.request("shop.price.tea", b"?", timeout=5)
        expect("answer", answer.data, b"shop price.tea")
        for nc, subject in ((desk, "price.tea"), (desk, "secret"), (guest, "price.tea")):
            try:
                await nc.request(subject, b"?", timeout=5)
            except NoRespondersError:
                continue
            expect(f"answers to {subject}", "one", "none")


async def _streams() -> None:
    async with _as("shop") as shop, _as("desk") as desk, _as("guest") as guest:
        own = await shop.subscribe("news.*")
        imported = await desk.subscribe("shop.news.*")
        others = [await desk.subscribe("news.*"), await guest.subscribe(">")]
        await asyncio.gather(desk.flush(), guest.flush(), shop.flush())
        await shop.publish("news.today", b"open")
        expect("own", await received(own), ["open"])
        message = await within(imported.next_msg(), "imported message")
        expect("imported", (message.subject, message.data), ("shop.news.today", b"open"))
        await asyncio.gather(desk.flush(), guest.flush())
        expect("others", [sub.pending_msgs for sub in others], [0, 0])


async def _mappings() -> None:
    async with _as("shop") as shop, _as("guest") as guest:
        mapped = await shop.subscribe("orders.v2.*")
        unmapped = await guest.subscribe("orders.v1.*")
        await asyncio.gather(shop.flush(), guest.flush())
        await shop.publish("orders.v1.7", b"mapped")
        await guest.publish("orders.v1.7", b"as it is")
        expect("of the shop", await received(mapped), ["mapped"])
        expect("of the guest", await received(unmapped), ["as it is"])


async def _refusal(call) -> int | None:
    try:
        await call
    except APIError as error:
        return error.err_code
    return None


async def _jetstream() -> None:
    async with _as("shop") as shop, _as("desk") as desk, _as("guest") as guest:
        streams = shop.jetstream()
        await streams.add_stream(StreamConfig(name="ORDERS", subjects=["orders.v2.>"]))
        await streams.publish("orders.v1.1", b"through the mapping")
        info = await streams.stream_info("ORDERS")
        expect("messages", info.state.messages, 1)
        # The same name and subjects in another account are another stream.
        await desk.jetstream().add_stream(StreamConfig(name="ORDERS", subjects=["orders.v2.>"]))
        expect("of the desk", (await desk.jetstream().stream_info("ORDERS")).state.messages, 0)
        refusal = await _refusal(guest.jetstream().account_info())
        expect("guest", refusal, _NOT_ENABLED_FOR_ACCOUNT)
        refusal = await _refusal(streams.add_stream(StreamConfig(name="MORE", subjects=["more"])))
        expect("more streams", refusal, _STREAM_LIMIT)
        refusal = None
        for _ in range(32):
            refusal = await _refusal(streams.publish("orders.v2.big", bytes(64 * 1024)))
            if refusal is not None:
                break
        expect("more bytes", refusal, _RESOURCES_EXCEEDED)
        account = await streams.account_info()
        expect("limits", (account.limits.max_storage, account.limits.max_streams), (1_000_000, 1))
        expect("streams", account.streams, 1)


async def _system() -> None:
    async with _as("sys") as sys, _as("shop"):
        reply = await sys.request(
            "$SYS.REQ.SERVER.PING.ACCOUNTZ", json.dumps({"account": "SHOP"}).encode(), timeout=5
        )
        detail = json.loads(reply.data)["data"]["account_detail"]
        expect("account", (detail["account_name"], detail["jetstream_enabled"]), ("SHOP", True))
        events = await sys.subscribe("$SYS.ACCOUNT.DESK.CONNECT")
        await sys.flush()
        async with _as("desk"):
            event = json.loads((await within(events.next_msg(), "connect event")).data)
            expect("who came", event["client"]["user"], "desk")


CHECKS = {
    "services": _services,
    "streams": _streams,
    "mappings": _mappings,
    "jetstream": _jetstream,
    "system": _system,
}


async def run() -> int:
    """Runs the checks and prints a line for each."""
    failed = False
    for name, check in CHECKS.items():
        try:
            await asyncio.wait_for(check(), CHECK_DEADLINE)
            print(f"ok python tenants_{name}", flush=True)
        except Exception as error:
            failed = True
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"FAIL python tenants_{name}: {why}", flush=True)
    return int(failed)
