"""Large LFS objects in parts: the stock client, its transfer agent for git-lfs, and what can go wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.live import LiveHub, make_hub
from tests.wire.gitworld import clone, commit, git, use_lfs
from tests.wire.test_lfs import Answer, _batch, _send

pytestmark = pytest.mark.wire
DATA = np.random.default_rng(51).bytes(11_500_000)
OID = hashlib.sha256(DATA).hexdigest()
PART = 1024**2


@pytest.fixture(scope="module")
def parts_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub that thinks a megabyte is much."""
    live = make_hub(tmp_path_factory.mktemp("parts-hub"), HUB_MULTIPART_MB="1", HUB_MULTIPART_PART_MB="1")
    yield live
    live.stop()


@pytest.fixture
def repo_id(parts_hub: LiveHub, unique: str) -> str:
    return str(parts_hub.api().create_repo(f"alice/{unique}").repo_id)


def _ask(hub: LiveHub, repo_id: str, data: bytes = DATA) -> dict[str, Any]:
    """The upload and verify actions of one object in parts."""
    objects = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    answer = _batch(hub, repo_id, "upload", objects, transfers=["basic", "multipart"]).json()
    assert answer["transfer"] == "multipart"
    return dict(answer["objects"][0].get("actions", {}))


def _put_parts(header: dict[str, str], data: bytes = DATA) -> list[dict[str, Any]]:
    urls = [header[name] for name in sorted(header) if name.isdigit()]
    told = []
    for number, url in enumerate(urls):
        answer = _send("PUT", url, data[number * PART : (number + 1) * PART])
        assert answer.status == 200
        told.append({"partNumber": number + 1, "etag": answer.headers["ETag"]})
    return told


def _complete(action: dict[str, Any], parts: list[Any], oid: str = OID) -> Answer:
    return _send("POST", action["href"], json.dumps({"oid": oid, "parts": parts}).encode())


def _waiting(hub: LiveHub) -> list[str]:
    folder = hub.data_dir / "parts"
    return sorted(path.name for path in folder.glob("*/*")) if folder.exists() else []


@pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")
def test_the_clients_file_objects_go_in_parts(parts_hub: LiveHub, repo_id: str, client_home: Path) -> None:
    api = parts_hub.api()
    api.upload_file(path_or_fileobj=io.BytesIO(DATA), path_in_repo="large.bin", repo_id=repo_id)
    assert Path(api.hf_hub_download(repo_id, "large.bin")).read_bytes() == DATA
    assert _waiting(parts_hub) == []


def test_git_lfs_sends_parts_by_the_clients_agent(
    parts_hub: LiveHub, repo_id: str, tmp_path: Path, client_home: Path
) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    agent = {"PATH": programs, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_ENDPOINT": parts_hub.url}
    agent |= {"HF_HOME": str(client_home), "HOME": str(tmp_path)}
    work = clone(parts_hub, "alice", repo_id, tmp_path / "work")
    use_lfs(work, "*.bin")
    done = subprocess.run(
        ["hf", "lfs-enable-largefiles", str(work)],
        env={**os.environ, **agent},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    commit(work, "large and small", large_bin=DATA, small_bin=b"small")
    git("push", cwd=work, **agent)
    assert "PUT /lfs/objects/" in (log := parts_hub.log.read_text())
    assert "/complete: 200" in log
    for name, content in (("large.bin", DATA), ("small.bin", b"small")):
        assert Path(parts_hub.api().hf_hub_download(repo_id, name)).read_bytes() == content


def test_a_client_that_does_not_know_parts_sends_the_whole(parts_hub: LiveHub, repo_id: str) -> None:
    answer = _batch(parts_hub, repo_id, "upload", [{"oid": OID, "size": len(DATA)}]).json()
    assert answer["transfer"] == "basic"
    upload = answer["objects"][0]["actions"]["upload"]
    assert upload["header"] == {}
    assert _send("PUT", upload["href"], DATA).status == 200


def test_the_parts_are_as_announced_and_may_be_sent_again(parts_hub: LiveHub, repo_id: str) -> None:
    actions = _ask(parts_hub, repo_id)
    header = actions["upload"]["header"]
    assert header["chunk_size"] == str(PART)
    assert sorted(name for name in header if name.isdigit()) == [f"{n:05d}" for n in range(1, 12)]
    parts = _put_parts(header)
    again = _send("PUT", header["00003"], DATA[2 * PART : 3 * PART])
    assert again.headers["ETag"] == parts[2]["etag"]
    verification = json.dumps({"oid": OID, "size": len(DATA)}).encode()
    assert _send("POST", actions["verify"]["href"], verification).status == 404
    assert _complete(actions["upload"], parts).status == 200
    assert _send("POST", actions["verify"]["href"], verification).status == 200
    assert _complete(actions["upload"], parts).status == 200  # said twice, done once
    assert _ask(parts_hub, repo_id, b"x" * (2 * PART))  # another object still needs its upload
    assert _waiting(parts_hub) == []


def test_what_is_missing_or_wrong_is_refused(parts_hub: LiveHub, repo_id: str) -> None:
    action = _ask(parts_hub, repo_id)["upload"]
    header = action["header"]
    assert _send("PUT", header["00001"], b"short").status == 400
    assert _send("PUT", header["00001"].replace("/parts/1", "/parts/2"), DATA[:PART]).status == 403
    assert _send("PUT", action["href"].replace("/complete", "/parts/1"), DATA[:PART]).status == 403
    assert _complete(action, []).status == 400
    parts = _put_parts(header)
    assert _complete(action, parts[:-1]).status == 400
    assert _complete(action, [*parts[:-1], parts[-2]]).status == 400
    assert _complete(action, [*parts[:-1], {"partNumber": 11, "etag": '"../../x"'}]).status == 400
    assert _complete(action, [*parts[:-1], {"partNumber": 11, "etag": "0" * 64}]).status == 400
    assert _complete(action, [{"partNumber": "1", "etag": "x"}]).status == 422
    assert _complete(action, parts, "0" * 64).status == 422
    swapped = _send("PUT", header["00001"], DATA[1 : PART + 1]).headers["ETag"]
    wrong = _complete(action, [{"partNumber": 1, "etag": swapped}, *parts[1:]])
    assert (wrong.status, b"SHA-256" in wrong.body) == (400, True)
    assert _waiting(parts_hub) == []
    assert _complete(action, parts).status == 400
    assert _batch(parts_hub, repo_id, "download", [{"oid": OID, "size": len(DATA)}]).json()["objects"][0][
        "error"
    ]


def test_a_part_that_breaks_off_is_not_kept(parts_hub: LiveHub, repo_id: str) -> None:
    url = urlsplit(_ask(parts_hub, repo_id)["upload"]["header"]["00001"])
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {PART}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", parts_hub.port), timeout=20) as connection:
        connection.sendall(head.encode() + DATA[: PART // 2])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(20).startswith(b"HTTP/1.1 400")
    assert _waiting(parts_hub) == []
