"""Few connections for many clients: who waits holds none, and lost ones are replaced."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from tests.live import LiveHub, make_hub
from tests.postgres.conftest import Database
from tests.postgres.test_stories import submitted
from tests.postgres_server import create_database

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]
CONNECTIONS = 2
# More than the kernel takes off the hub's hands for a client that does not read.
LARGE = np.random.default_rng(9).bytes(24_000_000)
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def narrow(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub that may use two connections at once, with a large file at `alice/net`."""
    live = make_hub(
        tmp_path_factory.mktemp("narrow"),
        HUB_DATABASE_URL=create_database(server),
        HUB_DATABASE_CONNECTIONS=str(CONNECTIONS),
        HUB_WEB_PROCESSES="1",  # each process has a pool of its own
    )
    live.api().create_repo("net")
    live.api().upload_file(path_or_fileobj=LARGE, path_in_repo="w.bin", repo_id="alice/net")
    yield live
    live.stop()


def opened(hub: LiveHub, head: str, body: bytes = b"") -> socket.socket:
    """A connection on which this has been said, and nothing will be read."""
    made = socket.create_connection(("127.0.0.1", hub.port), timeout=30)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lines = [head, f"Host: 127.0.0.1:{hub.port}", f"Authorization: Bearer {hub.tokens['alice']}", "", ""]
    made.sendall("\r\n".join(lines).encode() + body)
    return made


def test_clients_that_stall_keep_nobody_from_the_database(narrow: LiveHub) -> None:
    download = "GET /alice/net/resolve/main/w.bin HTTP/1.1"
    half = 'POST /api/models/alice/net/commit/main HTTP/1.1\r\nContent-Length: 400000\r\nX-Half: "yes"'
    stalled = [opened(narrow, download) for _ in range(6)]
    stalled += [opened(narrow, half, b'{"key": "header", "value": {"summary": "x"}}\n') for _ in range(6)]
    try:
        for client in stalled[:6]:  # has begun to answer
            assert client.recv(12) == b"HTTP/1.1 200"
        time.sleep(1)
        began = time.monotonic()
        for _ in range(10):
            assert narrow.api().model_info("alice/net").id == "alice/net"
        assert time.monotonic() - began < 10
    finally:
        for client in stalled:
            client.close()
    sessions = Database(narrow.environment["HUB_DATABASE_URL"]).rows(SESSIONS)
    assert 1 <= len(sessions) <= CONNECTIONS


def test_what_the_server_ended_is_not_used_again(narrow: LiveHub) -> None:
    database = Database(narrow.environment["HUB_DATABASE_URL"])
    for _ in range(2):
        ended = database.rows(SESSIONS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
        assert len(ended) >= 1
        assert narrow.api().model_info("alice/net").id == "alice/net"


def test_a_log_that_is_read_slowly_holds_no_cursor(narrow: LiveHub, unique: str) -> None:
    run, database = submitted(narrow, unique), Database(narrow.environment["HUB_DATABASE_URL"])
    lines = (
        "INSERT INTO runs_runlog (run_id, attempt, seq, at, text)"
        " SELECT id, 1, seq, now(), repeat('x', 1900) FROM runs_run, generate_series(1, 12000) AS seq"
        " WHERE uuid = %s"
    )
    with database.held(lines, run) as connection:
        connection.commit()
    with urllib.request.urlopen(f"{narrow.url}/runs/{run}/log.txt", timeout=60) as answer:
        told = answer.read(12)
        time.sleep(1)
        database.rows(SESSIONS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
        told += answer.read()
    assert told.count(b"x" * 1900) == 12_000
