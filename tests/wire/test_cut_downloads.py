"""Downloads over a line that breaks: the client goes on where it was, by Xet and by plain HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub, make_hub

pytestmark = pytest.mark.wire

WEIGHTS = np.random.default_rng(81).bytes(8_000_000)


class BadLine:
    """A port that leads to another one; the first `cuts` answers longer than `after` bytes end there."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.cuts = 0
        self.target = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()
            threading.Thread(target=self._carry_back, args=(server, client), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _carry_back(self, source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        try:
            while piece := source.recv(65536):
                carried += len(piece)
                if carried > self.after and self._may_cut():
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            # Closing alone tells the other side nothing while another thread still reads.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _may_cut(self) -> bool:
        with self._lock:
            self.cuts -= 1
            return self.cuts >= 0


@pytest.fixture(scope="module")
def line() -> Iterator[BadLine]:
    made = BadLine(after=3_000_000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def far_hub(line: BadLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub that knows itself by the bad line's address, so that all its links lead over it."""
    hub = make_hub(tmp_path_factory.mktemp("far"), HUB_PUBLIC_URL=f"http://127.0.0.1:{line.port}")
    line.target = hub.port
    api = hub.api()
    api.create_repo("alice/net")
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.bin", repo_id="alice/net")
    yield hub
    hub.stop()


@pytest.mark.parametrize("plain", [False, True], ids=["xet", "http"])
def test_a_cut_line_costs_a_moment(far_hub: LiveHub, line: BadLine, plain: bool, tmp_path: Path) -> None:
    code = "from huggingface_hub import hf_hub_download; print(hf_hub_download('alice/net', 'w.bin'))"
    address = f"http://127.0.0.1:{line.port}"
    environment = {**far_hub.environment, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path)}
    if plain:
        environment["HF_HUB_DISABLE_XET"] = "1"
    line.cuts = 1
    before = len(far_hub.requests())
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert Path(done.stdout.strip()).read_bytes() == WEIGHTS
    assert line.cuts < 1
    part = "/resolve/" if plain else "/xorbs/"
    seen = far_hub.requests_since(before, "GET", part, times=2)
    assert sum(one[0] == "GET" and part in one[1] for one in seen) == 2
    assert os.path.getsize(done.stdout.strip()) == len(WEIGHTS)
