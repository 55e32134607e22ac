"""Writes the configurations of a run and owns the server processes.

Every server listens on 127.0.0.1 and a port of its own choosing, which is
read from its ports file. A server that is started again keeps its first port,
because its clients come back to the address they know.
"""

import json
import secrets
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from . import certs, nkeys

READY_SECONDS = 20
STOP_SECONDS = 20
_POLL_SECONDS = 0.01

# bcrypt of "interop-bcrypt", cost 4 (the cheapest): a public test value that guards nothing.
BCRYPT_PASSWORD = "interop-bcrypt"
BCRYPT_HASH = "$2a$04$YaJffJ4PqJyH0P6NxjwGwuOj8JO.NCP5JcqjVQ28n9feSA2xFe6fW"


class ServerError(Exception):
    """A server did not start, stop or answer as it must."""


class Server:
    """One server process under one configuration file."""

    def __init__(self, binary: Path, directory: Path, name: str, config: str) -> None:
        self.name = name
        self._binary = binary
        self._directory = directory / name
        self._directory.mkdir(parents=True)
        self._config = self._directory / "server.conf"
        self._config.write_text(f'server_name: "interop-{name}"\n{config}')
        self._log = self._directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = -1

    @property
    def url(self) -> str:
        """Where clients connect; the scheme is always nats, TLS is the client's matter."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Starts the process, on its first port if it had one, and waits until it accepts clients."""
        self.kill()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-c", self._config, "-a", "127.0.0.1", "-p", str(self._port),
                 "--ports_file_dir", self._directory],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self._port = self._await_port()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the running process."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"server {self.name} is not running")
        self._process.send_signal(number)

    def stop(self) -> None:
        """Asks the process to end and waits for it."""
        self.signal(signal.SIGTERM)
        assert self._process is not None
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(
                f"server {self.name} ignored SIGTERM for {STOP_SECONDS} s"
            ) from None

    def kill(self) -> None:
        """Ends the process, if there is one, without giving it a say."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def _await_port(self) -> int:
        assert self._process is not None
        # Named after the program, which an alias or a link may call differently.
        ports_file = f"*_{self._process.pid}.ports"
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(
                    f"server {self.name} exited with {self._process.returncode}:\n{self.log}"
                )
            for found in self._directory.glob(ports_file):
                port = _port_in(found)
                if port is not None:
                    return port
            time.sleep(_POLL_SECONDS)
        self.kill()
        raise ServerError(
            f"server {self.name} wrote no {ports_file} within {READY_SECONDS} s:\n{self.log}"
        )


def _port_in(ports_file: Path) -> int | None:
    """The client port, or None while the file is absent or half written."""
    try:
        urls = json.loads(ports_file.read_text())["nats"]
        return urlsplit(urls[0]).port
    except (FileNotFoundError, json.JSONDecodeError, KeyError, IndexError):
        return None


class Fleet:
    """The servers that all programs share, the ones that belong to one, and what programs must know."""

    def __init__(self, binary: Path, directory: Path, version: str) -> None:
        self._binary = binary
        self._directory = directory
        self._servers: list[Server] = []
        self._certs = directory / "certs"
        certs.make(self._certs)
        known, wrong = nkeys.user(), nkeys.user()
        self.environment = {
            "INTEROP_VERSION": version,
            "INTEROP_MAX_PAYLOAD": str(1024 * 1024),
            "INTEROP_TOKEN": secrets.token_hex(16),
            "INTEROP_PASSWORD": secrets.token_hex(16),
            "INTEROP_BCRYPT_PASSWORD": BCRYPT_PASSWORD,
            "INTEROP_NKEY_SEED": known.seed,
            "INTEROP_NKEY_PUBLIC": known.public,
            "INTEROP_WRONG_NKEY_SEED": wrong.seed,
            "INTEROP_WRONG_NKEY_PUBLIC": wrong.public,
            "INTEROP_CERTS": str(self._certs),
            "INTEROP_P12_PASSWORD": certs.P12_PASSWORD,
        }

    def start_shared(self) -> None:
        """Starts one server per configuration and publishes its address as INTEROP_<NAME>_URL."""
        for name, config in self._configs().items():
            self.environment[f"INTEROP_{name.upper()}_URL"] = self._start(name, config).url

    def start_own(self, language: str) -> Server:
        """Starts the server that only this language's program may stop."""
        name = f"restart-{language}"
        return self._start(name, 'lame_duck_duration: "30s"\n' + self._jetstream(name))

    def stop(self) -> None:
        """Ends every server of the run."""
        for server in self._servers:
            server.kill()

    def logs(self) -> dict[str, str]:
        """Each server's log, by its name."""
        return {server.name: server.log for server in self._servers}

    def _start(self, name: str, config: str) -> Server:
        server = Server(self._binary, self._directory, name, config)
        self._servers.append(server)
        server.start()
        return server

    def _configs(self) -> dict[str, str]:
        env = self.environment
        tls = (f'cert_file: "{self._certs}/server.pem", key_file: "{self._certs}/server.key", '
               f'ca_file: "{self._certs}/ca.pem", timeout: 5')
        mapped = f'authorization {{ users: [ {{ user: "{certs.MAPPED_EMAIL}" }} ] }}\n'
        return {
            "plain": 'mappings { "map.*.*.*": "mapped.{{wildcard(1)}}.{{wildcard(3)}}.{{wildcard(2)}}" }\n',
            "token": f'authorization {{ token: "{env["INTEROP_TOKEN"]}" }}\n',
            "users": _users(env["INTEROP_PASSWORD"]),
            "nkey": f'authorization {{ users: [ {{ nkey: {env["INTEROP_NKEY_PUBLIC"]} }} ] }}\n',
            "tls": f"tls {{ {tls} }}\n",
            "mtls": f"tls {{ {tls}, verify: true }}\n",
            "mapped": f"tls {{ {tls}, verify_and_map: true }}\n{mapped}",
            "tls_first": f"tls {{ {tls}, handshake_first: true }}\n",
            "jetstream": self._jetstream("jetstream"),
        }

    def _jetstream(self, name: str) -> str:
        store = self._directory / name / "store"
        return f'jetstream {{ store_dir: "{store}", max_memory_store: 256MB, max_file_store: 4GB }}\n'


def _users(password: str) -> str:
    """alice may do all; limited, responder and guest show each kind of permission."""
    return f"""\
no_auth_user: guest
authorization {{
  users: [
    {{ user: alice, password: "{password}" }}
    {{ user: hashed, password: "{BCRYPT_HASH}" }}
    {{ user: guest, password: "{password}", permissions: {{ publish: "guest.>", subscribe: "guest.>" }} }}
    {{ user: limited, password: "{password}", permissions: {{
        publish: {{ allow: "ok.>", deny: "ok.secret.>" }}
        subscribe: {{ allow: ["ok.>", "_INBOX.>", "q.> workers"], deny: "ok.secret.>" }}
    }} }}
    {{ user: responder, password: "{password}", permissions: {{
        subscribe: "svc.>"
        allow_responses: {{ max: 1, expires: "1m" }}
    }} }}
  ]
}}
"""
