"""Key-value buckets and object stores on the server with JetStream."""

import base64
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.js.errors import (
    APIError, BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError,
    NoKeysError, NotFoundError, ObjectNotFoundError,
)
from nats.js.kv import KeyValue
from nats.js.object_store import ObjectStore

from harness import CheckError, WAIT, expect, with_jetstream, within

OBJECT_BYTES = 10 * 1024 * 1024


@asynccontextmanager
async def bucket(name: str, **config: Any) -> AsyncIterator[KeyValue]:
    """A fresh key-value bucket `PY_<name>`."""
    async with with_jetstream() as nc:
        js = nc.jetstream(timeout=WAIT)
        kv = await js.create_key_value(bucket=f"PY_{name}", **config)
        yield kv
        await js.delete_key_value(f"PY_{name}")


@asynccontextmanager
async def objects(name: str) -> AsyncIterator[ObjectStore]:
    """A fresh object store `PY_<name>`."""
    async with with_jetstream() as nc:
        js = nc.jetstream(timeout=WAIT)
        store = await js.create_object_store(bucket=f"PY_{name}")
        yield store
        await js.delete_object_store(f"PY_{name}")


async def kv_put_get() -> None:
    async with bucket("basic") as kv:
        expect("revision", await kv.put("a.b", b"one"), 1)
        expect("revision", await kv.put("a.b", b"two"), 2)
        entry = await kv.get("a.b")
        expect("entry", (entry.key, entry.value, entry.revision), ("a.b", b"two", 2))
        try:
            await kv.get("none")
        except KeyNotFoundError:
            pass
        else:
            raise CheckError("a key that was never put")
        status = await kv.status()
        expect("status", (status.values, status.history), (1, 1))
    async with with_jetstream() as nc:
        try:
            await nc.jetstream().key_value("PY_basic")
        except BucketNotFoundError:
            return
        raise CheckError("a bucket that was deleted")


async def kv_revisions() -> None:
    async with bucket("revisions", history=5) as kv:
        first = await kv.create("key", b"1")
        try:
            await kv.create("key", b"x")
        except KeyWrongLastSequenceError:
            pass
        else:
            raise CheckError("created twice")
        second = await kv.update("key", b"2", last=first)
        try:
            await kv.update("key", b"x", last=first)
        except KeyWrongLastSequenceError as error:
            expect("text", f"wrong last sequence: {second}" in str(error), True)
        else:
            raise CheckError("updated from an old revision")
        expect("an old revision", (await kv.get("key", revision=first)).value, b"1")


async def kv_delete_purge() -> None:
    async with bucket("delete", history=5) as kv:
        await kv.put("key", b"1")
        await kv.delete("key")
        try:
            await kv.get("key")
        except KeyNotFoundError:
            pass
        else:
            raise CheckError("a deleted key")
        expect("marker", (await kv.history("key"))[-1].operation, "DEL")
        expect("created again", await kv.create("key", b"3"), 3)
        await kv.purge("key")
        expect("history after a purge", [(e.operation, e.revision) for e in await kv.history("key")],
               [("PURGE", 4)])
        await kv.purge_deletes(olderthan=-1)
        expect("values after purging markers", (await kv.status()).values, 0)


async def kv_history() -> None:
    async with bucket("history", history=3) as kv:
        for number in range(5):
            await kv.put("key", str(number).encode())
        await kv.put("other", b"x")
        found = [(entry.value, entry.revision, entry.delta) for entry in await kv.history("key")]
        expect("history", found, [(b"2", 3, 2), (b"3", 4, 1), (b"4", 5, 0)])


async def kv_watch() -> None:
    async with bucket("watch") as kv:
        await kv.put("w.a", b"1")
        await kv.put("w.b", b"2")
        await kv.put("v.c", b"3")
        watcher = await kv.watch("w.*")
        seen: list[Any] = []
        for _ in range(3):
            seen.append(await watcher.updates(timeout=WAIT))
        expect("initial", [entry and entry.key for entry in seen], ["w.a", "w.b", None])
        await kv.put("v.c", b"4")
        await kv.put("w.a", b"5")
        await kv.delete("w.b")
        entry = await watcher.updates(timeout=WAIT)
        expect("put", (entry.key, entry.value, entry.revision), ("w.a", b"5", 5))
        entry = await watcher.updates(timeout=WAIT)
        expect("delete", (entry.key, entry.operation), ("w.b", "DEL"))
        await watcher.stop()


async def kv_keys() -> None:
    async with bucket("keys") as kv:
        try:
            await kv.keys()
        except NoKeysError:
            pass
        else:
            raise CheckError("keys of an empty bucket")
        for key in ("a", "b.c", "d"):
            await kv.put(key, b"x")
        await kv.delete("d")
        expect("keys", sorted(await kv.keys()), ["a", "b.c"])


async def kv_ttl() -> None:
    async with bucket("ttl", limit_marker_ttl=60) as kv:
        await kv.put("stays", b"x")
        watcher = await kv.watch("short", ignore_deletes=False)
        expect("nothing yet", await watcher.updates(timeout=WAIT), None)
        await kv.create("short", b"x", msg_ttl=1)
        expect("created", (await watcher.updates(timeout=WAIT)).value, b"x")
        marker = await watcher.updates(timeout=WAIT)
        expect("marker", (marker.key, marker.operation, marker.revision), ("short", "PURGE", 3))
        await watcher.stop()
        expect("keys", await kv.keys(), ["stays"])


async def object_put_get() -> None:
    contents = random.Random(7).randbytes(OBJECT_BYTES)
    async with objects("objects") as store:
        info = await store.put("big file.bin", contents)
        digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).decode()
        expect("info", (info.size, info.chunks, info.digest),
               (OBJECT_BYTES, OBJECT_BYTES // (128 * 1024), f"SHA-256={digest}"))
        found = await store.get("big file.bin")
        expect("the same bytes", found.data == contents, True)
        await store.put("empty", b"")
        expect("an empty object", (await store.get("empty")).info.size, 0)
        try:
            await store.get("none")
        except ObjectNotFoundError:
            return
        raise CheckError("an object that was never put")


async def object_list_delete() -> None:
    async with objects("list") as store:
        for name in ("one", "two", "three"):
            await store.put(name, name.encode() * 1000)
        await store.put("one", b"again")
        await store.delete("two")
        # The client's list has deleted objects in it.
        listed = {info.name: bool(info.deleted) for info in await store.list()}
        expect("list", listed, {"one": False, "two": True, "three": False})
        expect("replaced", (await store.get("one")).data, b"again")
        # What is left: one chunk and one meta each, and the deleted one's marker.
        state = (await store.status()).stream_info.state
        expect("messages", state.messages, 5)
        await store.seal()
        try:
            await store.put("late", b"x")
        except (APIError, NotFoundError):
            return
        raise CheckError("put into a sealed store")


async def object_watch() -> None:
    async with objects("watch") as store:
        await store.put("first", b"1")
        watcher = await store.watch()
        expect("initial", (await watcher.updates(timeout=WAIT)).name, "first")
        expect("end of the initial ones", await watcher.updates(timeout=WAIT), None)
        await store.put("second", b"22")
        update = await watcher.updates(timeout=WAIT)
        expect("put", (update.name, update.size), ("second", 2))
        await store.delete("first")
        update = await watcher.updates(timeout=WAIT)
        expect("delete", (update.name, update.deleted), ("first", True))
        await within(watcher.stop(), "end of the watch")


CHECKS = {
    check.__name__: check
    for check in (
        kv_put_get, kv_revisions, kv_delete_purge, kv_history, kv_watch, kv_keys, kv_ttl,
        object_put_get, object_list_delete, object_watch,
    )
}
