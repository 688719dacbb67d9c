"""A real hub in a process of its own, for stock clients and browsers."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.postgres_server import create_database

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A loopback port nobody listens on at the moment of asking."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def fresh_token() -> str:
    """A token text as `provision --token` takes it."""
    return "hf_" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ") for _ in range(34))


def hub_environment(data_dir: Path, url: str, **extra: str) -> dict[str, str]:
    """The environment of a hub process: this machine's own, less whatever would lead a client elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "HUGGING", "DJANGO_"))}
    return {
        **kept,
        "HUB_DATA_DIR": str(data_dir),
        "HUB_PUBLIC_URL": url,
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    """Return when /healthz answers; fail with the log's tail when the process dies or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the hub ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the hub did not answer within {seconds} s:\n{log.read_text()[-4000:]}")


@dataclass
class LiveHub:
    """A running hub and the people in it: alice owns, bob is her colleague in `team`, carol is a stranger."""

    data_dir: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir / "test-web.log"

    @property
    def access_log(self) -> Path:
        return self.data_dir / "test-access.log"

    def requests(self) -> list[list[str]]:
        """Method, path, status and announced body length (`-`: none) of every request answered so far."""
        return [line.split(" ") for line in self.access_log.read_text().splitlines()]

    def requests_since(self, before: int, method: str, part: str, times: int = 1) -> list[list[str]]:
        """`requests()` after the first `before`, once `times` have this method and part of a path and no
        more come for a moment; AssertionError when they have not within 15 seconds.

        gunicorn writes its line when an answer's last byte has gone, so a client may be done before it.
        """
        deadline, quiet_since = time.monotonic() + 15, time.monotonic()
        found: list[list[str]] = []
        while time.monotonic() < deadline:
            seen, found = len(found), self.requests()[before:]
            if len(found) != seen:
                quiet_since = time.monotonic()
            wanted = sum(line[0] == method and part in line[1] for line in found)
            if wanted >= times and time.monotonic() - quiet_since > 0.3:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no {times} of {method} …{part}… but {found}")

    def xorbs(self) -> set[Path]:
        """The files that hold the content of all large files."""
        return set((self.data_dir / "xorbs").glob("??/??/*"))

    def stored_bytes(self) -> int:
        """Bytes on disk of the content of all large files."""
        return sum(path.stat().st_size for path in self.xorbs())

    def manage(self, *arguments: str) -> str:
        """Run a management command on this hub's data directory and return what it printed."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def provision(self) -> None:
        """The named people of every story, with one write token each, and the organization `team`."""
        words: list[str] = []
        for name in ("alice", "bob", "carol"):
            self.tokens[name] = fresh_token()
            words += ["--user", name, "--password", f"{name}-secret-9", "--token", self.tokens[name]]
        words += ["--org", "team", "--member", "alice:admin", "--member", "bob:write"]
        self.manage("provision", "--data-dir", str(self.data_dir), *words)

    def start(self) -> None:
        """Start the web process and wait until it answers."""
        self.launch()
        assert self.process is not None
        wait_until_up(self.url, self.process, self.log)

    def launch(self) -> None:
        """Start the web process."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "hub.wsgi", "--bind", f"127.0.0.1:{self.port}",
                 "--workers", "1", "--worker-class", "hub.patient.PatientWorker", "--threads", "16",
                 "--timeout", "120", "--keep-alive", "15",
                 "--log-level", "warning",
                 "--access-logfile", str(self.access_log),
                 "--access-logformat", "%(m)s %(U)s %(s)s %({content-length}i)s",
                 "--limit-request-line", "8190", "--no-control-socket"],
                env=self.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """End the web process, by its own pid."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)

    def api(self, name: str | None = "alice") -> HfApi:
        """The stock client as this person (None: anonymous)."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=self.tokens[name] if name else False)


def make_hub(data_dir: Path, **settings: str) -> LiveHub:
    """A hub with its people, migrated and started; the caller stops it.

    Where HUB_DATABASE_URL names a server (`make postgres`) the hub has a database of its own there.
    """
    if server := os.environ.get("HUB_DATABASE_URL"):
        settings = {"HUB_DATABASE_URL": create_database(server), **settings}
    port = free_port()
    hub = LiveHub(data_dir, port)
    hub.environment = hub_environment(data_dir, hub.url, **settings)
    hub.provision()
    hub.start()
    return hub
