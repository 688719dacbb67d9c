"""The LFS wire by hand, as its specification has it, and with the real git-lfs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live import LiveHub

pytestmark = pytest.mark.wire
DATA = np.random.default_rng(41).bytes(700_000)
OID = hashlib.sha256(DATA).hexdigest()


class Answer:
    """Status, body and headers, whatever the status."""

    def __init__(self, request: urllib.request.Request) -> None:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.status, self.body, self.headers = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            self.status, self.body, self.headers = error.code, error.read(), error.headers

    def json(self) -> Any:
        return json.loads(self.body)


def _send(method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
    return Answer(urllib.request.Request(url, data=body, headers=headers, method=method))


def _batch(
    hub: LiveHub, repo_id: str, operation: str, objects: list[Any], name: str | None = "alice", **extra: Any
) -> Answer:
    headers = {"Content-Type": "application/vnd.git-lfs+json"}
    if name:
        credentials = base64.b64encode(f"{name}:{hub.tokens[name]}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    body = json.dumps({"operation": operation, "transfers": ["basic"], "objects": objects} | extra).encode()
    return _send("POST", f"{hub.url}/{repo_id}.git/info/lfs/objects/batch", body, **headers)


def _object(data: bytes = DATA) -> dict[str, Any]:
    return {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}


def _actions(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/vnd.git-lfs+json"
    (only,) = answer.json()["objects"]
    return dict(only.get("actions", {}))


def test_an_object_goes_up_is_verified_and_comes_down_by_links_that_need_no_credentials(
    hub: LiveHub, repo_id: str
) -> None:
    actions = _actions(_batch(hub, repo_id, "upload", [_object()]))
    verification = json.dumps(_object()).encode()
    assert _send("POST", actions["verify"]["href"], verification).status == 404
    assert _send("PUT", actions["upload"]["href"], DATA).status == 200
    assert _send("POST", actions["verify"]["href"], verification).status == 200
    assert _actions(_batch(hub, repo_id, "upload", [_object()])) == {}
    link = _actions(_batch(hub, repo_id, "download", [_object()], None))["download"]["href"]
    assert _send("GET", link).body == DATA
    part = _send("GET", link, Range="bytes=600000-")
    assert (part.status, part.body) == (206, DATA[600_000:])
    assert part.headers["Content-Range"] == "bytes 600000-699999/700000"
    assert _send("GET", link, Range="bytes=700000-").status == 416


def test_datasets_have_the_same_route_under_their_prefix(hub: LiveHub, unique: str) -> None:
    hub.api().create_repo(f"alice/{unique}", repo_type="dataset")
    assert _actions(_batch(hub, f"datasets/alice/{unique}", "upload", [_object()]))["upload"]["href"]
    assert _batch(hub, f"alice/{unique}", "upload", [_object()]).status == 404


def test_a_link_is_good_for_one_object_one_size_and_one_purpose(hub: LiveHub, repo_id: str) -> None:
    actions = _actions(_batch(hub, repo_id, "upload", [_object()]))
    upload, verify = actions["upload"]["href"], actions["verify"]["href"]
    other = hashlib.sha256(b"other").hexdigest()
    assert _send("PUT", upload.replace(OID, other), DATA).status == 403
    assert _send("PUT", upload[:-3] + "abc", DATA).status == 403
    assert _send("PUT", upload.split("?")[0], DATA).status == 403
    assert _send("PUT", verify.replace("/verify", ""), DATA).status == 403
    assert _send("GET", upload).status == 403
    assert _send("PUT", upload, DATA[:-1]).status == 400
    wrong = _send("PUT", upload, DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert (wrong.status, b"SHA-256" in wrong.body) == (400, True)
    assert _batch(hub, repo_id, "download", [_object()]).json()["objects"][0]["error"]["code"] == 404


def test_who_may_not_write_gets_no_link_and_who_is_nobody_is_asked_who_they_are(
    hub: LiveHub, repo_id: str, unique: str
) -> None:
    main = {"name": "refs/heads/main"}
    assert _batch(hub, repo_id, "upload", [_object()], "carol", ref=main).status == 403
    anonymous = _batch(hub, repo_id, "upload", [_object()], None)
    assert anonymous.status == 401
    assert "Basic" in anonymous.headers["LFS-Authenticate"]
    assert anonymous.json()["message"]
    hub.api().create_repo(f"alice/{unique}-private", private=True)
    assert _batch(hub, f"alice/{unique}-private", "download", [_object()], "carol").status == 404


def test_a_link_dies_when_the_right_behind_it_does(hub: LiveHub, repo_id: str) -> None:
    link = _actions(_batch(hub, repo_id, "upload", [_object()]))["upload"]["href"]
    hub.api().delete_repo(repo_id)
    assert _send("PUT", link, DATA).status == 401


def test_clients_that_ask_for_xet_get_it(hub: LiveHub, repo_id: str) -> None:
    answer = _batch(
        hub, repo_id, "upload", [_object()], transfers=["basic", "xet"], hash_algo="sha_256"
    ).json()
    assert answer["transfer"] == "xet"
    upload = answer["objects"][0]["actions"]["upload"]
    assert upload["header"]["X-Xet-Cas-Url"].startswith(hub.url)
    token = _send("GET", upload["href"], Authorization=f"Bearer {hub.tokens['alice']}")
    assert token.json()["casUrl"] == upload["header"]["X-Xet-Cas-Url"]
    assert _batch(hub, repo_id, "upload", [_object()], transfers=["basic"]).json()["transfer"] == "basic"


@pytest.mark.parametrize(
    ("operation", "objects", "extra", "status"),
    [
        ("destroy", [], {}, 422),
        ("upload", "none", {}, 422),
        ("upload", [{"oid": "x"}], {}, 422),
        ("upload", [{"oid": OID, "size": True}], {}, 422),
        ("upload", [_object()] * 1001, {}, 422),
        ("upload", [_object()], {"hash_algo": "sha1"}, 409),
    ],
)
def test_a_malformed_batch_is_refused(
    hub: LiveHub, repo_id: str, operation: str, objects: Any, extra: dict[str, Any], status: int
) -> None:
    answer = _batch(hub, repo_id, operation, objects, **extra)
    assert answer.status == status
    assert answer.json()["message"]


def test_an_impossible_object_is_refused_alone(hub: LiveHub, repo_id: str) -> None:
    objects = [
        _object(),
        {"oid": "../../etc", "size": 3},
        {"oid": OID, "size": 10**15},
        {"oid": "\ud800", "size": 3},
        {"oid": OID, "size": 10**300},
    ]
    answers = _batch(hub, repo_id, "upload", objects).json()["objects"]
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, 422, 422, 422, 422]


def _git(folder: Path, *words: str) -> None:
    environment = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_what_went_up_by_xet_comes_down_by_git_lfs(
    hub: LiveHub, unique: str, tmp_path: Path, client_home: Path
) -> None:
    hub.api().create_repo(f"alice/{unique}", private=True)
    hub.api().upload_file(path_or_fileobj=DATA, path_in_repo="weights.bin", repo_id=f"alice/{unique}")
    url = f"http://alice:{hub.tokens['alice']}@127.0.0.1:{hub.port}/alice/{unique}"
    _git(tmp_path, "lfs", "install", "--skip-repo")
    _git(tmp_path, "clone", url, "here")
    assert (tmp_path / "here" / "weights.bin").read_bytes() == DATA
