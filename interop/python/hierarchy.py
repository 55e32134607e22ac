"""The client's role in ../hierarchy.py: a user with a file of credentials."""

import asyncio
import os

from harness import CHECK_DEADLINE, connected, env, expect, received


async def _credentials() -> None:
    file = os.path.join(env("CALLOUT_DIR"), "dave.creds")
    async with connected("CALLOUT_URL", user_credentials=file) as nc:
        sub = await nc.subscribe("news.python")
        await nc.publish("news.python", b"hello")
        expect("messages", await received(sub), ["hello"])


async def run() -> int:
    """Runs the check and prints its line."""
    name = "hierarchy_credentials"
    try:
        await asyncio.wait_for(_credentials(), CHECK_DEADLINE)
    except Exception as error:
        why = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"FAIL python {name}: {why}", flush=True)
        return 1
    print(f"ok python {name}", flush=True)
    return 0
