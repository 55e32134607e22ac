"""Makes the certificates of a run with the openssl command, in a directory of the run.

Two authorities: `ca` signs everything that is right, `other` signs nothing a
client or a server trusts. Keys are P-256 in PKCS #8, which every client reads;
`.p12` bundles are for Java.
"""

import subprocess
from pathlib import Path

MAPPED_EMAIL = "interop@example.test"
P12_PASSWORD = "interop"

_CONFIG = """\
[req]
distinguished_name = dn
prompt = no
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = email:{email}
authorityKeyIdentifier = keyid
[stranger]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = email:stranger@example.test
authorityKeyIdentifier = keyid
"""


def make(directory: Path) -> None:
    """Writes `<name>.pem` and `<name>.key` for ca, other, server, client and stranger.

    `client` carries the e-mail address that `verify_and_map` finds a user
    for; `stranger` is just as valid and maps to nobody. Both get a `.p12`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "openssl.cnf"
    config.write_text(_CONFIG.format(email=MAPPED_EMAIL))
    for authority in ("ca", "other"):
        _key(directory, authority)
        _openssl(directory, "req", "-x509", "-config", config, "-extensions", "ca",
                 "-key", f"{authority}.key", "-subj", f"/O=interop/CN=interop {authority}",
                 "-days", "2", "-out", f"{authority}.pem")
    for serial, leaf in enumerate(("server", "client", "stranger"), start=1):
        _key(directory, leaf)
        _openssl(directory, "req", "-new", "-config", config, "-key", f"{leaf}.key",
                 "-subj", f"/O=interop/CN={leaf}", "-out", f"{leaf}.csr")
        _openssl(directory, "x509", "-req", "-in", f"{leaf}.csr", "-CA", "ca.pem",
                 "-CAkey", "ca.key", "-set_serial", str(serial), "-days", "2",
                 "-extfile", config, "-extensions", leaf, "-out", f"{leaf}.pem")
    for leaf in ("client", "stranger"):
        _openssl(directory, "pkcs12", "-export", "-in", f"{leaf}.pem", "-inkey", f"{leaf}.key",
                 "-name", leaf, "-passout", f"pass:{P12_PASSWORD}", "-out", f"{leaf}.p12")


def _key(directory: Path, name: str) -> None:
    _openssl(directory, "genpkey", "-algorithm", "EC",
             "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")


def _openssl(directory: Path, *arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True,
                          timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
