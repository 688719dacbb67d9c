"""The stock client and its Xet library against a live hub."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub, make_hub
from tests.models_app.storage.xet_samples import cut, make_shard, make_xorb

pytestmark = pytest.mark.wire


def _weights(seed: int, size: int = 3_000_000) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def _call(
    hub: LiveHub, url: str, *, token: str | None = None, body: bytes | None = None, method: str | None = None
) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(
        url if url.startswith("http") else hub.url + url, data=body, method=method
    )
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def _xet_token(hub: LiveHub, repo_id: str, name: str = "alice", access: str = "write") -> tuple[str, str]:
    """CAS URL and access token."""
    status, _, headers = _call(hub, f"/api/models/{repo_id}/xet-{access}-token/main", token=hub.tokens[name])
    assert status == 200
    return headers["X-Xet-Cas-Url"], headers["X-Xet-Access-Token"]


def test_bytes_and_paths_go_up_by_xet_and_come_down_as_they_were(
    hub: LiveHub, repo_id: str, client_home: Path, tmp_path: Path
) -> None:
    api, data = hub.api(), _weights(1)
    (tmp_path / "weights.safetensors").write_bytes(data)
    api.upload_file(
        path_or_fileobj=tmp_path / "weights.safetensors", path_in_repo="weights.safetensors", repo_id=repo_id
    )
    api.upload_file(path_or_fileobj=data[:1_000_000], path_in_repo="part.bin", repo_id=repo_id)
    for name, expected in (("weights.safetensors", data), ("part.bin", data[:1_000_000])):
        path = api.hf_hub_download(repo_id, name)
        assert Path(path).read_bytes() == expected
    assert (client_home / "xet").exists()


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_file_object_goes_up_by_lfs(hub: LiveHub, repo_id: str, client_home: Path) -> None:
    data = _weights(2)
    hub.api().upload_file(path_or_fileobj=io.BytesIO(data), path_in_repo="model.bin", repo_id=repo_id)
    assert Path(hub.api().hf_hub_download(repo_id, "model.bin")).read_bytes() == data


def test_a_client_with_xet_switched_off_uses_lfs(
    hub: LiveHub, repo_id: str, client_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(_weights(3))
    script = (
        "import sys; from huggingface_hub import HfApi; "
        "HfApi(sys.argv[1], sys.argv[2]).upload_file("
        "path_or_fileobj=sys.argv[3], path_in_repo='model.bin', repo_id=sys.argv[4])"
    )
    subprocess.run(
        [sys.executable, "-c", script, hub.url, hub.tokens["alice"], str(tmp_path / "model.bin"), repo_id],
        env={**hub.environment, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(client_home)},
        check=True,
        timeout=60,
    )
    assert Path(hub.api().hf_hub_download(repo_id, "model.bin")).read_bytes() == _weights(3)


def test_a_folder_with_many_files_goes_up_in_one_commit(
    hub: LiveHub, repo_id: str, client_home: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"image-{number}.png").write_bytes(b"\x89PNG" + _weights(100 + number, 20_000))
    hub.api().upload_folder(folder_path=tmp_path, repo_id=repo_id)
    got = Path(hub.api().snapshot_download(repo_id))
    for number in range(30):
        assert (got / f"image-{number}.png").read_bytes() == (tmp_path / f"image-{number}.png").read_bytes()


def test_the_same_weights_from_two_people_are_stored_once(
    hub: LiveHub, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _weights(4)
    hub.api("alice").create_repo(f"alice/{unique}", private=True)
    hub.api("carol").create_repo(f"carol/{unique}")
    before = hub.stored_bytes()
    for name in ("alice", "carol"):
        # Each from a machine of their own, which remembers nothing of the other's uploads.
        _upload_elsewhere(hub, name, f"{name}/{unique}", data, tmp_path / name)
    assert hub.stored_bytes() - before <= len(data) * 1.01
    assert Path(hub.api("carol").hf_hub_download(f"carol/{unique}", "w.bin")).read_bytes() == data


def _upload_elsewhere(hub: LiveHub, name: str, repo_id: str, data: bytes, home: Path) -> None:
    home.mkdir()
    (home / "w.bin").write_bytes(data)
    script = (
        "import sys; from huggingface_hub import HfApi; "
        "HfApi(sys.argv[1], sys.argv[2]).upload_file("
        "path_or_fileobj=sys.argv[3], path_in_repo='w.bin', repo_id=sys.argv[4])"
    )
    subprocess.run(
        [sys.executable, "-c", script, hub.url, hub.tokens[name], str(home / "w.bin"), repo_id],
        env={**hub.environment, "HF_HOME": str(home / "hf")},
        check=True,
        timeout=60,
    )


def test_the_token_route_answers_in_both_forms(hub: LiveHub, repo_id: str) -> None:
    url = f"/api/models/{repo_id}/xet-write-token/main"
    status, body, headers = _call(hub, url, token=hub.tokens["alice"])
    assert status == 200
    assert b'"casUrl"' in body
    assert b'"accessToken"' in body
    assert headers["X-Xet-Cas-Url"].startswith(f"{hub.url}/cas/g")
    assert int(headers["X-Xet-Token-Expiration"]) > 0
    assert _call(hub, url, token=hub.tokens["carol"])[0] == 403
    assert _call(hub, url)[0] == 401
    status, _, headers = _call(hub, url.replace("/main", "/nowhere"), token=hub.tokens["alice"])
    assert (status, headers["X-Error-Code"]) == (404, "RevisionNotFound")


def test_tokens_are_for_one_purpose_and_one_repo(hub: LiveHub, repo_id: str, unique: str) -> None:
    cas, reading = _xet_token(hub, repo_id, "carol", "read")
    name, body = make_xorb([b"some chunk" * 1000])
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=reading, body=body)[0] == 403
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token="forged:token:x", body=body)[0] == 401
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", body=body)[0] == 401
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=hub.tokens["alice"], body=body)[0] == 401


def test_a_refusal_reaches_a_client_that_is_still_sending(hub: LiveHub, repo_id: str) -> None:
    cas, token = _xet_token(hub, repo_id, "carol", "read")
    for bearer, status in (("forged:token:x", 401), (token, 403)):
        answer = _call(hub, f"{cas}/v1/xorbs/default/{'0' * 64}", token=bearer, body=bytes(30_000_000))
        assert answer[0] == status


def test_a_token_dies_with_its_repo(hub: LiveHub, repo_id: str) -> None:
    cas, token = _xet_token(hub, repo_id)
    hub.api().delete_repo(repo_id)
    name, body = make_xorb([b"some chunk" * 1000])
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=body)[0] == 401


def test_mistakes_are_4xx_with_one_sentence(hub: LiveHub, repo_id: str) -> None:
    cas, token = _xet_token(hub, repo_id)
    chunks = [b"never uploaded " * 1000]
    name, body = make_xorb(chunks)
    shard = make_shard(chunks, name, hashlib.sha256(chunks[0]).hexdigest())
    status, answer, headers = _call(hub, f"{cas}/v1/shards", token=token, body=shard)
    assert (status, b"not stored here" in answer) == (400, True)
    assert "not stored here" in headers["X-Error-Message"]
    assert _call(hub, f"{cas}/v1/xorbs/default/{'0' * 64}", token=token, body=body)[0] == 400
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=b"")[0] == 400
    assert _call(hub, f"{cas}/v1/shards", token=token, body=b"no shard" * 100)[0] == 400
    # The first chunk that a ticket asks for in vain is answered with what was uploaded last (docs/wire.md).
    _call(hub, f"{cas}/v1/chunks/default/{name}", token=token)
    for path in ("v1/chunks/default/" + name, "v1/reconstructions/" + name, "v2/reconstructions/" + name):
        assert _call(hub, f"{cas}/{path}", token=token)[0] == 404
    assert _call(hub, f"{cas}/v1/xorb-grants/default/{name}", token=token, body=b"{}")[0] == 404
    assert _call(hub, f"{cas}/v1/telemetry", token=token, body=b"{}")[0] == 200
    assert _call(hub, "/v1/telemetry", token=token, body=b"{}")[0] == 200


def test_four_clients_send_one_xorb_at_once(hub: LiveHub, repo_id: str) -> None:
    cas, token = _xet_token(hub, repo_id)
    name, body = make_xorb(cut(_weights(6)))
    start, answers = threading.Barrier(4), []

    def send() -> None:
        start.wait()
        answers.append(_call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=body))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _, _ in answers] == [200] * 4
    assert sum(b"true" in answer for _, answer, _ in answers) == 1


def test_a_client_that_hangs_up_leaves_nothing(hub: LiveHub, repo_id: str) -> None:
    import socket
    import time
    from urllib.parse import urlsplit

    cas, token = _xet_token(hub, repo_id)
    name, body = make_xorb(cut(_weights(7)))
    with socket.create_connection(("127.0.0.1", hub.port)) as sock:
        head = (
            f"POST {urlsplit(cas).path}/v1/xorbs/default/{name} HTTP/1.1\r\nHost: hub\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        sock.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.3)
    deadline = time.monotonic() + 30
    while list((hub.data_dir / "tmp").glob("xorb-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list((hub.data_dir / "tmp").glob("xorb-*")) == []
    assert not (hub.data_dir / "xorbs" / name[:2] / name[2:4] / name).exists()
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=body)[0] == 200


def test_the_sha256_of_one_large_file_is_made_while_it_arrives(hub: LiveHub, repo_id: str) -> None:
    """What the client says before it sends, the xorb and the shard are about the same upload."""
    data = _weights(20261123, 10_000_000)
    plan = {"files": [{"path": "w.bin", "size": len(data), "sample": base64.b64encode(data[:512]).decode()}]}
    preupload = f"/api/models/{repo_id}/preupload/main"
    told = _call(hub, preupload, token=hub.tokens["alice"], body=json.dumps(plan).encode())
    assert json.loads(told[1])["files"][0]["uploadMode"] == "lfs"
    cas, token = _xet_token(hub, repo_id)
    chunks = cut(data)
    name, body = make_xorb(chunks)
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=body)[0] == 200
    paths = [path for path in (hub.data_dir / "tmp" / "chains").iterdir() if not path.suffix]
    found = {path: json.loads(path.read_text()) for path in paths}
    ((path, chain),) = [(path, chain) for path, chain in found.items() if chain["xorbs"] == [name]]
    assert len(chain["states"]) == 1
    shard = make_shard(chunks, name, hashlib.sha256(data).hexdigest())
    assert _call(hub, f"{cas}/v1/shards", token=token, body=shard)[0] == 200
    assert not path.exists()


def _lines(answer: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in answer.splitlines()]


def test_the_second_shard_route_says_in_words_what_is_wrong(hub: LiveHub, repo_id: str) -> None:
    cas, token = _xet_token(hub, repo_id)
    chunks = [b"sent before its shard " * 1000]
    name, body = make_xorb(chunks)
    shard = make_shard(chunks, name, hashlib.sha256(chunks[0]).hexdigest())
    url = f"{cas}/v2/shards"
    status, answer, headers = _call(hub, url, token=token, body=shard)
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson")
    assert _lines(answer)[-1]["type"] == "error"
    assert _lines(answer)[-1]["retryable"] is False
    assert "not stored here" in str(_lines(answer)[-1]["message"])
    assert _lines(_call(hub, url, token=token, body=b"no shard" * 100)[1])[-1]["type"] == "error"
    assert _call(hub, f"{cas}/v1/xorbs/default/{name}", token=token, body=body)[0] == 200
    assert [line["type"] for line in _lines(_call(hub, url, token=token, body=shard)[1])] == [
        "validating",
        "result",
    ]
    assert _call(hub, url, token="forged:token:x", body=shard)[0] == 401
    _, reading = _xet_token(hub, repo_id, "carol", "read")
    assert _call(hub, url, token=reading, body=shard)[0] == 403


def test_an_upload_that_cannot_be_taken_tells_the_user_why(
    tmp_path_factory: pytest.TempPathFactory, client_home: Path
) -> None:
    """The client remembers what it sent; where that is gone from the hub, its next upload says so at once."""
    spoiled, data = make_hub(tmp_path_factory.mktemp("spoiled")), _weights(8)
    try:
        api = spoiled.api()
        api.create_repo("alice/net")
        api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id="alice/net")
        spoiled.manage(
            "shell", "-c", "from models_app.models import Xorb; Xorb.objects.update(chunk_table=b'')"
        )
        with pytest.raises(RuntimeError, match="not stored here"):
            api.upload_file(path_or_fileobj=data + b"x", path_in_repo="again.bin", repo_id="alice/net")
    finally:
        spoiled.stop()
