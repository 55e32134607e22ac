"""TLS: server certificates, client certificates, users from certificates."""

import ssl

from auth import accepted, refused
from harness import WAIT, CheckError, cert, connected


def trusting(authority: str) -> ssl.SSLContext:
    """Trusts this authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert(f"{authority}.pem"))
    return context


def presenting(name: str) -> ssl.SSLContext:
    """Trusts the right authority and shows a client certificate."""
    context = trusting("ca")
    context.load_cert_chain(cert(f"{name}.pem"), cert(f"{name}.key"))
    return context


async def _untrusted_server() -> None:
    try:
        async with connected("TLS_URL", tls=trusting("other")):
            pass
    except ssl.SSLCertVerificationError:
        return
    raise CheckError("connected to a server we do not trust")


async def _mutual_no_cert() -> None:
    # In TLS 1.3 the client's handshake is over before the server refuses, so the
    # refusal may come with the first reply instead of from the handshake.
    try:
        async with connected("MTLS_URL", tls=trusting("ca")) as nc:
            await nc.flush(WAIT)
    except (CheckError, TimeoutError):
        # A refusal and not a time-out: the server must close or alert, not leave us hanging.
        raise
    except Exception:
        return
    raise CheckError("the server let us in without a certificate")


CHECKS = {
    "tls_server_cert": lambda: accepted("TLS_URL", tls=trusting("ca")),
    "tls_untrusted_server": _untrusted_server,
    "tls_mutual": lambda: accepted("MTLS_URL", tls=presenting("client")),
    "tls_mutual_no_cert": _mutual_no_cert,
    "tls_mapped_user": lambda: accepted("MAPPED_URL", tls=presenting("client")),
    "tls_unmapped_user": lambda: refused("MAPPED_URL", tls=presenting("stranger")),
    "tls_first": lambda: accepted("TLS_FIRST_URL", tls=trusting("ca"), tls_handshake_first=True),
}
