"""Redis and RabbitMQ on loopback, each with a folder of its own; to be killed, emptied and started again.

Debian's packages `redis-server` and `rabbitmq-server` bring the programs; no service of theirs is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tests.live import free_port

START_SECONDS = 90
_PR_SET_PDEATHSIG = 1
RABBIT_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")


class NoBroker(Exception):
    """This machine has no such server."""


class Broker(ABC):
    """One server process. `url` is as HUB_BROKER_URL has it, the same after every start."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"tuneyard-{type(self).__name__.lower()}-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.due_at: float | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """How clients reach it."""

    @abstractmethod
    def command(self) -> tuple[list[str], dict[str, str]]:
        """What runs it in the foreground, and what its environment has beside ours. Raises NoBroker."""

    @abstractmethod
    def empty(self) -> None:
        """Lose every message that waits."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether clients can use it now."""

    def start(self) -> None:
        """Start it and wait until it answers. Raises NoBroker, RuntimeError."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} did not come up:\n{self.told()[-4000:]}")
            time.sleep(0.1)

    def launch(self) -> None:
        command, more = self.command()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | more, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=_dying_with_us,
            )  # fmt: skip
        self.due_at = None

    def kill(self, pause: float | None = None) -> None:
        """kill -9 of all it started; back after `pause` seconds, by `ensure`, or when started."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.due_at = None if pause is None else time.monotonic() + pause

    def ensure(self) -> None:
        if self.due_at is not None and time.monotonic() >= self.due_at:
            self.launch()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def told(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


class Redis(Broker):
    """Keeps what it is told on disk, so that a restart empties nothing."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> tuple[list[str], dict[str, str]]:
        program = shutil.which("redis-server")
        if program is None:
            raise NoBroker("No Redis here: apt-get install redis-server.")
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [program, *words, "--save", "", "--appendonly", "yes"], {}

    def answers(self) -> bool:
        return _said(self.port, b"PING\r\n").startswith(b"+PONG")

    def empty(self) -> None:
        _said(self.port, b"FLUSHALL\r\n")


class RabbitMQ(Broker):
    """A node with a name, an Erlang port mapper and folders of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mapper, self.distribution = free_port(), free_port()
        self.node = f"tuneyard-{secrets.token_hex(3)}@localhost"
        self.mapped: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def environment(self) -> dict[str, str]:
        at = str(self.folder)
        return {
            "HOME": at,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": f"{at}/mnesia",
            "RABBITMQ_LOG_BASE": f"{at}/logs",
            "RABBITMQ_CONF_ENV_FILE": f"{at}/none",
            "RABBITMQ_CONFIG_FILE": f"{at}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{at}/plugins",
            "RABBITMQ_PID_FILE": f"{at}/pid",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapper),
        }

    def command(self) -> tuple[list[str], dict[str, str]]:
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("loopback_users.guest = true\nlog.console = true\n")
        return [str(_rabbit("rabbitmq-server"))], self.environment()

    def answers(self) -> bool:
        """It greets with AMQP once it takes clients: the protocol header is answered by a method frame."""
        return _said(self.port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01")

    def launch(self) -> None:
        """Its port mapper first: RabbitMQ would start one that outlives everybody."""
        if self.mapped is None:
            program = shutil.which("epmd")
            if program is None:
                raise NoBroker("No Erlang here: apt-get install rabbitmq-server.")
            words = [program, "-port", str(self.mapper), "-address", "127.0.0.1"]
            self.mapped = subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=_dying_with_us)
        super().launch()

    def close(self) -> None:
        self.kill()
        if self.mapped is not None:
            self.mapped.kill()
            self.mapped.wait(5)
        super().close()

    def empty(self) -> None:
        """Purge every queue of the training workers; the hub's own queue too."""
        from amqp import Connection
        from amqp.exceptions import NotFound

        for name in ("train.cpu-basic", "hub"):
            with contextlib.suppress(OSError, NotFound), Connection(f"127.0.0.1:{self.port}") as connection:
                connection.channel().queue_purge(name)


def _rabbit(name: str) -> Path:
    for folder in RABBIT_PLACES:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    found = shutil.which(name)
    if found is None:
        raise NoBroker("No RabbitMQ here: apt-get install rabbitmq-server.")
    return Path(found)


def _said(port: int, words: bytes) -> bytes:
    """The first answer to these bytes; nothing where nobody answers."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.settimeout(2)
        connection.sendall(words)
        return connection.recv(4096)
    return b""


def _dying_with_us() -> None:
    """On Linux the server ends with this process, also when that is killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


BROKERS: dict[str, type[Broker]] = {"redis": Redis, "rabbitmq": RabbitMQ}
