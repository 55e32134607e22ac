"""Credentials, good and bad."""

from typing import Any

import nats.errors
from nats.aio.client import Client

from harness import CheckError, connected, env, expect, received
from permissions import user, violation, watched


async def accepted(url: str, **options: Any) -> None:
    """These options let a client in, and the server serves it."""
    async with connected(url, **options) as nc:
        await usable(nc, "guest.python.usable")


async def refused(url: str, **options: Any) -> None:
    """These options end in the server's authorization violation.

    While connecting, the client raises its base error with the server's text.
    """
    try:
        async with connected(url, **options):
            pass
    except nats.errors.Error as error:
        if "authorization violation" not in str(error).lower():
            raise CheckError(f"got {error!r}, want an authorization violation") from error
        return
    raise CheckError("the server let us in")


async def usable(nc: Client, subject: str) -> None:
    """Sends one message to ourselves."""
    sub = await nc.subscribe(subject)
    await nc.publish(subject, b"hello")
    expect("messages", await received(sub), ["hello"])


async def _no_auth_user() -> None:
    async with watched() as (nc, failures):
        await usable(nc, "guest.python")
        # Being the guest shows in what the guest may not do.
        await nc.publish("ok.python")
        await violation(failures, 'publish to "ok.python"')


CHECKS = {
    "auth_token": lambda: accepted("TOKEN_URL", token=env("TOKEN")),
    "auth_token_wrong": lambda: refused("TOKEN_URL", token="wrong"),
    "auth_missing": lambda: refused("TOKEN_URL"),
    "auth_user_password": lambda: accepted("USERS_URL", **user("alice")),
    "auth_password_wrong": lambda: refused("USERS_URL", user="alice", password="wrong"),
    "auth_bcrypt": lambda: accepted("USERS_URL", user="hashed", password=env("BCRYPT_PASSWORD")),
    "auth_no_auth_user": _no_auth_user,
    "auth_nkey": lambda: accepted("NKEY_URL", nkeys_seed_str=env("NKEY_SEED")),
    "auth_nkey_wrong": lambda: refused("NKEY_URL", nkeys_seed_str=env("WRONG_NKEY_SEED")),
}
