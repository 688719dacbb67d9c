"""Two hundred clients that stall do not keep others from downloading."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.hub import slow_clients
from tests.hub.slow_clients import ServedHub, connect, download, measure, serve

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHub]:
    hub = serve(tmp_path_factory.mktemp("served"))
    yield hub
    hub.stop()


@pytest.mark.parametrize("way", slow_clients.WAYS)
def test_a_download_passes_two_hundred_that_stall(served: ServedHub, way: str) -> None:
    assert max(measure(served, way, 200, times=3)) < 10


def test_when_every_thread_is_taken_those_that_stall_are_cut_off(served: ServedHub) -> None:
    with slow_clients.stalling(served, "unread download", 400):
        assert download(served) < 30


def test_what_comes_in_pieces_is_one_request(served: ServedHub) -> None:
    head = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    with connect(served, head[:20]) as client:
        client.settimeout(10)
        for letter in head[20:]:
            client.sendall(letter.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_requests_that_come_together_are_answered_in_turn(served: ServedHub) -> None:
    one = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    with connect(served, one * 5) as client:
        client.settimeout(10)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 5:
            piece = client.recv(65536)
            assert piece
            answer += piece


def test_a_body_after_an_announcement_waits_for_the_go_ahead(served: ServedHub) -> None:
    head = (
        f"POST /api/validate-yaml HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        "Content-Length: 15\r\nExpect: 100-continue\r\n\r\n"
    )
    with connect(served, head) as client:
        client.settimeout(10)
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        client.sendall(b'{"content": ""}')
        assert b"HTTP/1.1 200" in client.recv(65536)


def test_who_ends_its_side_early_still_gets_its_answer(served: ServedHub) -> None:
    with connect(served, f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n") as client:
        client.settimeout(10)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
