"""Bodies that break off, arrive in chunks, or lie about their length, sent by hand over a socket."""

from __future__ import annotations

import base64
import json
import socket
import time

import pytest

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def ndjson(*names: str) -> bytes:
    content = base64.b64encode(b"x" * 3000).decode()
    rows = [{"key": "header", "value": {"summary": "x"}}]
    rows += [{"key": "file", "value": {"path": n, "content": content, "encoding": "base64"}} for n in names]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def send(hub: LiveHub, repo_id: str, length_header: str, body: bytes) -> bytes:
    """Send the head and the body, end the sending side, and return the answer if one comes."""
    head = (
        f"POST /api/models/{repo_id}/commit/main HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {hub.tokens['alice']}\r\nContent-Type: application/x-ndjson\r\n"
        f"{length_header}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_a_body_cut_between_two_lines_commits_nothing(hub: LiveHub, repo_id: str) -> None:
    """What arrived looks whole, and is not: only the announced length can tell."""
    whole, part = ndjson("a", "b", "c"), ndjson("a", "b")
    answer = send(hub, repo_id, f"Content-Length: {len(whole)}", part)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"ended after" in answer
    assert len(hub.api().list_repo_commits(repo_id)) == 1


def test_a_body_cut_inside_a_line_commits_nothing(hub: LiveHub, repo_id: str) -> None:
    whole = ndjson("a", "b", "c")
    send(hub, repo_id, f"Content-Length: {len(whole)}", whole[:-500])
    time.sleep(0.2)
    assert len(hub.api().list_repo_commits(repo_id)) == 1


def test_a_chunked_body_arrives(hub: LiveHub, repo_id: str) -> None:
    body = ndjson("a", "b")
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    answer = send(hub, repo_id, "Transfer-Encoding: chunked", chunked)
    assert answer.startswith(b"HTTP/1.1 200")
    assert hub.api().list_repo_files(repo_id) == [".gitattributes", "a", "b"]


def test_a_chunked_body_without_its_end_commits_nothing(hub: LiveHub, repo_id: str) -> None:
    body = ndjson("a", "b")
    answer = send(hub, repo_id, "Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(body), body))
    assert not answer.startswith(b"HTTP/1.1 200")
    assert not answer.startswith(b"HTTP/1.1 500")
    assert len(hub.api().list_repo_commits(repo_id)) == 1
