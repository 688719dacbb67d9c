"""Pushes that break off, lie, or outlive their token: sent by hand, they leave nothing behind."""

from __future__ import annotations

import base64
import gzip
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub, make_hub
from tests.wire.gitworld import clone, commit, git

pytestmark = pytest.mark.wire
ZERO = "0" * 40


@pytest.fixture
def push(hub: LiveHub, repo_id: str, tmp_path: Path) -> tuple[bytes, str]:
    """The body of a push of one commit with 3 MB to `refs/heads/new`, and the commit."""
    work = clone(hub, "alice", repo_id, tmp_path / "work")
    oid = commit(work, "x", x_bin=np.random.default_rng(8).bytes(3_000_000))
    return _update(f"{ZERO} {oid} refs/heads/new") + b"0000" + _pack(work, oid), oid


def _pack(work: Path, tip: str) -> bytes:
    command = ["git", "pack-objects", "--revs", "--stdout", "--thin", "--quiet"]
    done = subprocess.run(
        command, cwd=work, input=f"{tip}\n^origin/main\n".encode(), capture_output=True, check=True
    )
    return done.stdout


def _update(line: str, capabilities: str = "report-status side-band-64k atomic") -> bytes:
    text = f"{line}\0 {capabilities}".encode()
    return b"%04x%s" % (len(text) + 4, text)


def _head(hub: LiveHub, repo_id: str, *headers: str, name: str = "alice") -> bytes:
    credentials = base64.b64encode(f"{name}:{hub.tokens[name]}".encode()).decode()
    lines = [
        f"POST /{repo_id}.git/git-receive-pack HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Authorization: Basic {credentials}",
        "Content-Type: application/x-git-receive-pack-request",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _send(hub: LiveHub, head: bytes, *pieces: bytes) -> bytes:
    """Send head and pieces, end the sending side, and return the answer if one comes."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        for piece in (head, *pieces):
            connection.sendall(piece)
        # A hub that has answered and hung up already leaves nothing to shut.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return _rest(connection)


def _rest(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def _whole(hub: LiveHub, repo_id: str, body: bytes, *headers: str) -> bytes:
    return _send(hub, _head(hub, repo_id, f"Content-Length: {len(body)}", *headers), body)


def _branches(hub: LiveHub, repo_id: str) -> list[str]:
    return [ref.name for ref in hub.api().list_repo_refs(repo_id).branches]


def _leftovers(hub: LiveHub) -> list[str]:
    """Directories of pushes and git processes of the hub, after what is going on has had time to end."""
    for _ in range(300):
        found = [path.name for path in (hub.data_dir / "tmp").glob("push-*")] + _git_children(hub)
        if not found:
            break
        time.sleep(0.1)
    return found


def _git_children(hub: LiveHub) -> list[str]:
    assert hub.process is not None
    group = str(hub.process.pid)
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, _, fields = rest.rpartition(") ")
        if fields.split()[2] == group and name.startswith("git"):
            names.append(f"{name} {pid} {fields[0]}")
    return names


def test_the_push_by_hand_works_whole_in_chunks_and_compressed(
    hub: LiveHub, repo_id: str, push: tuple[bytes, str]
) -> None:
    body, oid = push
    assert b"ok refs/heads/new" in _whole(hub, repo_id, body)
    assert hub.api().model_info(repo_id, revision="new").sha == oid
    for number, (content, header) in enumerate(
        [(body, "X-Way: plain"), (gzip.compress(body), "Content-Encoding: gzip")]
    ):
        hub.api().delete_branch(repo_id, branch="new")
        chunks = b"".join(
            b"%x\r\n%s\r\n" % (len(content[start : start + 70_000]), content[start : start + 70_000])
            for start in range(0, len(content), 70_000)
        )
        head = _head(hub, repo_id, "Transfer-Encoding: chunked", header)
        answer = _send(hub, head, chunks, b"0\r\n\r\n")
        assert b"ok refs/heads/new" in answer, (number, answer[:2000])
    assert _leftovers(hub) == []


def test_a_push_that_breaks_off_moves_and_leaves_nothing(
    hub: LiveHub, repo_id: str, push: tuple[bytes, str]
) -> None:
    body, _ = push
    for stop in (2, 60, 200, len(body) // 2, len(body) - 1):
        head = _head(hub, repo_id, f"Content-Length: {len(body)}")
        assert b" 500 " not in _send(hub, head, body[:stop])[:20]
        chunked = _head(hub, repo_id, "Transfer-Encoding: chunked")
        assert b" 500 " not in _send(hub, chunked, b"%x\r\n%s\r\n" % (stop, body[:stop]))[:20]
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        connection.sendall(_head(hub, repo_id, f"Content-Length: {len(body)}") + body[: len(body) // 2])
    assert _branches(hub, repo_id) == ["main"]
    assert _leftovers(hub) == []
    assert b"ok refs/heads/new" in _whole(hub, repo_id, body)


def test_damaged_bodies_are_the_senders_fault(hub: LiveHub, repo_id: str, push: tuple[bytes, str]) -> None:
    body, oid = push
    broken = bytearray(body)
    broken[len(body) // 2] ^= 1
    assert b"ng refs/heads/new unpacker error" in _whole(hub, repo_id, bytes(broken))
    assert b" 400 " in _whole(hub, repo_id, b"nonsense")[:20]
    assert b" 400 " in _whole(hub, repo_id, b"zzzz" + body)[:20]
    assert b" 400 " in _whole(hub, repo_id, body, "Content-Encoding: gzip")[:20]
    assert b" 400 " in _send(hub, _head(hub, repo_id, "Transfer-Encoding: chunked"), b"zz\r\n" + body)[:20]
    nothing = _update(f"{ZERO} {oid} refs/heads/new") + b"0000"
    empty = nothing + _empty_pack()
    assert b"ng refs/heads/new" in _whole(hub, repo_id, empty)
    assert b" 400 " in _whole(hub, repo_id, nothing)[:20]
    assert b" 200 " in _whole(hub, repo_id, b"0000")[:20]
    assert _branches(hub, repo_id) == ["main"]
    assert _leftovers(hub) == []


def _empty_pack() -> bytes:
    import hashlib

    head = b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")
    return head + hashlib.sha1(head).digest()  # noqa: S324


def test_a_push_from_where_the_branch_no_longer_is_loses(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    work = clone(hub, "alice", repo_id, tmp_path / "stale")
    old = git("rev-parse", "HEAD", cwd=work).strip()
    new = commit(work, "mine", x_txt="mine")
    done = hub.api().upload_file(path_or_fileobj=b"theirs", path_in_repo="x.txt", repo_id=repo_id)
    body = _update(f"{old} {new} refs/heads/main") + b"0000" + _pack(work, new)
    assert b"ng refs/heads/main it is not where you believe it to be" in _whole(hub, repo_id, body)
    assert hub.api().model_info(repo_id).sha == done.oid


def test_a_token_that_ends_in_mid_push_moves_nothing(
    hub: LiveHub, repo_id: str, push: tuple[bytes, str], unique: str
) -> None:
    body, _ = push
    text = f"hf_{unique}"
    code = (
        "from accounts.models import User; from accounts.tokens import mint_token; "
        f"mint_token(User.objects.get(username='alice'), name='short', role='write', text='{text}')"
    )
    hub.manage("shell", "-c", code)
    hub.tokens["brief"] = text
    head = _head(hub, repo_id, f"Content-Length: {len(body)}", name="brief")
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        connection.sendall(head + body[:1_000_000])
        time.sleep(0.3)
        hub.manage(
            "shell", "-c",
            "from accounts.models import AccessToken; from accounts.tokens import revoke_token; "
            f"revoke_token(AccessToken.objects.get(prefix='{text[:7]}', name='short'))",
        )  # fmt: skip
        connection.sendall(body[1_000_000:])
        answer = _rest(connection)
    assert b"This token was revoked or has expired" in answer
    assert _branches(hub, repo_id) == ["main"]


def test_a_pack_over_the_limit_is_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    hub = make_hub(tmp_path_factory.mktemp("small-hub"), HUB_PUSH_MB="1")
    try:
        repo_id = hub.api().create_repo("alice/small").repo_id
        work = clone(hub, "alice", repo_id, tmp_path / "work")
        commit(work, "too much", x_bin=np.random.default_rng(9).bytes(3_000_000))
        assert "push in several parts" in git("push", cwd=work, ok=False)
        git("reset", "--hard", "origin/main", cwd=work)
        commit(work, "enough", x_bin=np.random.default_rng(9).bytes(500_000))
        git("push", cwd=work)
        assert _leftovers(hub) == []
    finally:
        hub.stop()
