"""`manage.py serve` as scripts use it: up from an empty directory, refusing in words, gone when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.test_supervisor import is_alive, wait_for
from tests.live import ROOT, free_port, hub_environment


class Served:
    """A `serve` process with its output in a file."""

    def __init__(self, data_dir: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_name(data_dir.name + ".log")
        environment = hub_environment(data_dir, self.url)
        del environment["HUB_PUBLIC_URL"], environment["HUB_DATA_DIR"]
        words = ["serve", "--port", str(self.port), "--data-dir", str(data_dir), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *words],
                env=environment,
                cwd=data_dir.parent,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text()

    def wait_until_up(self) -> None:
        wait_for(lambda: "Tuneyard is up at" in self.text() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.text()

    def refusal(self) -> str:
        """What it said when it would not start."""
        assert self.process.wait(60) == 1, self.text()
        return self.text()

    def get(self, path: str) -> int:
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return int(response.status)

    def family(self) -> list[int]:
        """The children's pids, theirs included."""
        found, queue = [], [self.process.pid]
        while queue:
            listed = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(queue.pop())], capture_output=True, text=True
            )
            pids = [int(word) for word in listed.stdout.split()]
            found += pids
            queue += pids
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)


def manage(*words: str) -> subprocess.CompletedProcess[str]:
    """A management command of its own process."""
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    environment = hub_environment(Path(), "")
    del environment["HUB_PUBLIC_URL"], environment["HUB_DATA_DIR"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The web alone, from an empty directory."""
    made = Served(tmp_path_factory.mktemp("served") / "data", "--no-workers")
    made.wait_until_up()
    yield made
    made.end()


def test_an_empty_directory_becomes_a_working_hub(served: Served) -> None:
    assert served.get("/healthz") == 200
    assert served.get("/login") == 200
    assert f"Tuneyard is up at {served.url}\n" in served.text()


def test_pages_bring_their_style_without_a_collecting_step(served: Served) -> None:
    assert served.get("/static/css/hub.css") == 200
    assert served.get("/static/admin/css/base.css") == 200


def test_a_second_serve_of_the_directory_is_refused(served: Served) -> None:
    again = manage("serve", "--port", str(free_port()), "--data-dir", str(served.log.with_name("data")))
    assert again.returncode == 1
    assert f"already served by process {served.process.pid}" in again.stderr


def test_a_crashed_web_comes_back_on_the_same_port(served: Served) -> None:
    gunicorn = served.family()[0]
    os.kill(gunicorn, signal.SIGKILL)
    wait_for(lambda: "web ended (killed by SIGKILL)" in served.text())
    # The listening socket stayed open: this request waits for the new web instead of being refused.
    assert served.get("/healthz") == 200


def test_what_an_earlier_hub_was_killed_in_the_middle_of_is_forgotten(tmp_path: Path) -> None:
    left = tmp_path / "data" / "tmp" / "xorb-half-written"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    hub = Served(tmp_path / "data", "--no-workers")
    hub.wait_until_up()
    hub.end()
    assert not left.exists()


def test_a_taken_port_is_refused_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = Served(tmp_path / "data", "--no-workers", port=port).refusal()
    assert said.strip().splitlines()[-1] == f"CommandError: Port {port} is taken: choose another --port."


def test_a_data_directory_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = manage("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"manage.py: HUB_DATA_DIR {tmp_path / 'file' / 'data'} cannot be made: Not a directory."
    ]


def test_everything_starts_and_stops_together(tmp_path: Path) -> None:
    hub = Served(tmp_path / "data")
    try:
        hub.wait_until_up()
        wait_for(
            lambda: len(hub.family()) >= 3
        )  # gunicorn, its worker, the hub worker; the trainer joins later
        family = hub.family()
        hub.process.send_signal(signal.SIGINT)
        assert hub.process.wait(30) == 0, hub.text()
    finally:
        hub.end()
    assert hub.text().rstrip().endswith("Stopped.")
    assert not [pid for pid in family if is_alive(pid)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's own")
def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    hub = Served(tmp_path / "data")
    hub.wait_until_up()
    wait_for(lambda: len(hub.family()) >= 3)
    family = hub.family()
    hub.process.kill()
    hub.process.wait()
    wait_for(lambda: not [pid for pid in family if is_alive(pid)], 30)
