"""Makes nkey users: an Ed25519 pair in NATS's base32 encoding.

The pair comes from openssl, so that no secret lives in the repository; the
encoding is prefix byte(s), 32 key bytes, CRC-16/XMODEM little-endian, base32
without padding.
"""

import base64
import subprocess
from typing import NamedTuple

_PREFIX_USER = 20 << 3  # base32 "U"
_PREFIX_SEED = 18 << 3  # base32 "S"
_KEY_BYTES = 32


class NKey(NamedTuple):
    """`seed` is the secret ("SU..."), `public` is what the server's configuration names ("U...")."""

    seed: str
    public: str


def user() -> NKey:
    """A fresh user key pair."""
    # The last 32 bytes of both DER forms (PKCS #8 v1 and SPKI) are the key itself.
    private_der = _openssl(["genpkey", "-algorithm", "ed25519", "-outform", "DER"], b"")
    public_der = _openssl(["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], private_der)
    # The seed spreads two 5-bit type prefixes over its first two bytes.
    seed_prefix = bytes([_PREFIX_SEED | (_PREFIX_USER >> 5), (_PREFIX_USER & 31) << 3])
    return NKey(
        seed=_encode(seed_prefix + private_der[-_KEY_BYTES:]),
        public=_encode(bytes([_PREFIX_USER]) + public_der[-_KEY_BYTES:]),
    )


def _encode(raw: bytes) -> str:
    checked = raw + _crc16(raw).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def _openssl(arguments: list[str], data: bytes) -> bytes:
    done = subprocess.run(
        ["openssl", *arguments], input=data, capture_output=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout
