"""`python -m tests.hub.slow_clients`: what a download takes while 200 other clients stall, in each way there
is.

`--plain` measures gunicorn's own threaded worker with 32 threads for comparison.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.live import ROOT, LiveHub, free_port, hub_environment, wait_until_up

BIG_BYTES, SMALL_BYTES = 24 * 1024**2, 300_000
WAYS = ("silent", "half a head", "stalled upload", "trickled upload", "unread download", "kept alive")


@dataclass
class ServedHub(LiveHub):
    """A hub whose web is started as `manage.py serve` starts it."""

    plain: bool = False
    listener: socket.socket | None = field(default=None, repr=False)

    def start(self) -> None:
        from django.conf import settings

        from hub import processes
        from hub.serving import open_listener

        Path(settings.HUB_TMP_DIR).mkdir(parents=True, exist_ok=True)
        self.listener = open_listener("127.0.0.1", self.port)
        command = processes.web(self.listener, self.url).command
        if self.plain:
            command[command.index("--worker-class") + 1] = "gthread"
            command[command.index("--threads") + 1] = "32"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(self.listener.fileno(),),
            )
        wait_until_up(self.url, self.process, self.log)

    def stop(self) -> None:
        """Stalled threads do not end by themselves."""
        if self.listener:
            self.listener.close()
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


def serve(data_dir: Path, plain: bool = False) -> ServedHub:
    """A hub with alice's repo `alice/files`: `big.bin` and `small.bin`, both large files."""
    hub = ServedHub(data_dir, free_port(), plain=plain)
    hub.environment = hub_environment(data_dir, hub.url)
    hub.provision()
    hub.start()
    api = hub.api()
    api.create_repo("alice/files")
    put(hub, "big.bin", BIG_BYTES)
    put(hub, "small.bin", SMALL_BYTES)
    return hub


def put(hub: ServedHub, path: str, size: int) -> None:
    """One file by LFS and commit."""
    from tests.property.kills import World, by_lfs

    world = World(hub, random.Random(path), "alice/files")
    by_lfs(world, {path: world.rng.randbytes(size)})


def connect(hub: LiveHub, text: str) -> socket.socket:
    """A connection that has sent this."""
    made = socket.create_connection(("127.0.0.1", hub.port), timeout=30)
    made.sendall(text.encode())
    return made


def request(hub: LiveHub, way: str) -> socket.socket:
    """One client that stalls."""
    host = f"Host: 127.0.0.1:{hub.port}\r\n"
    if way == "silent":
        return connect(hub, "")
    if way == "half a head":
        return connect(hub, f"GET /healthz HTTP/1.1\r\n{host}X-Nothing: ")
    if way == "kept alive":
        made = connect(hub, f"GET /healthz HTTP/1.1\r\n{host}\r\n")
        made.recv(100)
        return made
    if way == "unread download":
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", hub.port))
        made.sendall(f"GET /alice/files/resolve/main/big.bin HTTP/1.1\r\n{host}\r\n".encode())
        return made
    head = f"POST /cas/g1/v1/xorbs/default/{'0' * 64} HTTP/1.1\r\n{host}Content-Length: 60000000\r\n\r\n"
    return connect(hub, head + "x" * (20_000 if way == "stalled upload" else 17_000))


@contextmanager
def stalling(hub: LiveHub, way: str, count: int) -> Iterator[list[socket.socket]]:
    """So many clients that stall in this way, until the block ends."""
    with ExitStack() as stack:
        made = [stack.enter_context(closing(request(hub, way))) for _ in range(count)]
        time.sleep(0.5)
        yield made


def download(hub: LiveHub, seconds: float = 60) -> float:
    """Seconds a download of `small.bin` takes, on a connection of its own; OSError when it takes too long."""
    began = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", hub.port, timeout=seconds)) as connection:
        connection.request("GET", urlsplit(f"{hub.url}/alice/files/resolve/main/small.bin").path)
        answer = connection.getresponse()
        data = answer.read()
    assert (answer.status, len(data)) == (200, SMALL_BYTES), answer.status
    assert hashlib.sha256(data).hexdigest() in answer.headers["ETag"]
    return time.monotonic() - began


def trickle(clients: list[socket.socket]) -> None:
    """A few bytes from each, as who wants to look alive would send."""
    for client in clients:
        try:
            client.sendall(b"x" * 10)
        except OSError:
            continue


def measure(hub: LiveHub, way: str, count: int, times: int = 10) -> list[float]:
    """Seconds of downloads, one after another, while the clients stall; a minute for one that did not end."""
    taken = []
    with stalling(hub, way, count) as clients:
        if way == "unread download":
            # First the hub fills all their buffers, some megabytes each: that is work, and no stalling yet.
            download(hub)
        for _ in range(times):
            if way == "trickled upload":
                trickle(clients)
            try:
                taken.append(download(hub))
            except OSError:
                taken.append(60.0)
                break
    return taken


def main() -> None:
    """Print one line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with tempfile.TemporaryDirectory(prefix="tuneyard-slow-") as folder:
        hub = serve(Path(folder), options.plain)
        try:
            print(f"{'alone':<18} {download(hub) * 1000:>9,.0f} ms")
            for way in WAYS:
                taken = measure(hub, way, options.clients)
                worst, usual = max(taken) * 1000, sorted(taken)[len(taken) // 2] * 1000
                print(f"{way:<18} {usual:>9,.0f} ms in the middle, {worst:>9,.0f} ms at worst", flush=True)
        finally:
            hub.stop()


if __name__ == "__main__":
    sys.exit(main())
