"""Locks of git-lfs by hand, as its specification has them."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.live import LiveHub

pytestmark = pytest.mark.wire


@pytest.fixture
def repo_id(hub: LiveHub, unique: str) -> str:
    return str(hub.api().create_repo(f"team/{unique}").repo_id)


def ask(
    hub: LiveHub, repo_id: str, tail: str, body: Any = None, name: str | None = "alice"
) -> tuple[int, Any, Any]:
    """Status, JSON body and headers; POST where there is a body."""
    headers = {"Content-Type": "application/vnd.git-lfs+json", "Accept": "application/vnd.git-lfs+json"}
    if name:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{name}:{hub.tokens[name]}".encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{hub.url}/{repo_id}.git/info/lfs/locks{tail}", data=data, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def test_a_path_is_taken_listed_verified_and_given_back(hub: LiveHub, repo_id: str) -> None:
    status, said, headers = ask(hub, repo_id, "", {"path": "a/b.bin", "ref": {"name": "refs/heads/main"}})
    lock = said["lock"]
    assert (status, lock["path"], lock["owner"]) == (201, "a/b.bin", {"name": "alice"})
    assert headers["Content-Type"] == "application/vnd.git-lfs+json"
    assert lock["locked_at"].endswith("Z")
    status, said, _ = ask(hub, repo_id, "", {"path": "a/b.bin"}, "bob")
    assert (status, said["lock"], said["message"]) == (409, lock, "already created lock")
    assert ask(hub, repo_id, "/verify", {})[1] == {"ours": [lock], "theirs": []}
    assert ask(hub, repo_id, "/verify", {}, "bob")[1] == {"ours": [], "theirs": [lock]}
    assert ask(hub, repo_id, "", name=None)[1] == {"locks": [lock]}
    assert ask(hub, repo_id, f"/{lock['id']}/unlock", {}, "bob")[0] == 403
    assert ask(hub, repo_id, f"/{lock['id']}/unlock", {"force": True}, "bob")[1] == {"lock": lock}
    assert ask(hub, repo_id, f"/{lock['id']}/unlock", {})[0] == 404
    assert ask(hub, repo_id, "")[1] == {"locks": []}


def test_locks_come_in_pages_and_by_name(hub: LiveHub, repo_id: str) -> None:
    ids = {}
    for number in range(5):
        path = f"{number}.bin"
        ids[path] = ask(hub, repo_id, "", {"path": path})[1]["lock"]["id"]
    first = ask(hub, repo_id, "?limit=3")[1]
    rest = ask(hub, repo_id, f"?limit=3&cursor={first['next_cursor']}")[1]
    assert [lock["path"] for lock in first["locks"] + rest["locks"]] == list(ids)
    assert "next_cursor" not in rest
    assert [lock["path"] for lock in ask(hub, repo_id, "?path=3.bin")[1]["locks"]] == ["3.bin"]
    assert [lock["path"] for lock in ask(hub, repo_id, f"?id={ids['2.bin']}")[1]["locks"]] == ["2.bin"]
    assert ask(hub, repo_id, "?id=nonsense")[1]["locks"] == []
    page = ask(hub, repo_id, "/verify", {"limit": 2, "cursor": ""})[1]
    assert ([lock["path"] for lock in page["ours"]], bool(page["next_cursor"])) == (["0.bin", "1.bin"], True)


def test_who_may_not_write_may_not_lock(hub: LiveHub, repo_id: str) -> None:
    assert ask(hub, repo_id, "", {"path": "x"}, "carol")[0] == 403
    status, said, headers = ask(hub, repo_id, "", {"path": "x"}, None)
    assert (status, bool(said["message"]), "Basic" in headers["LFS-Authenticate"]) == (401, True, True)
    hub.api().update_repo_settings(repo_id, private=True)
    assert ask(hub, repo_id, "", name="carol")[0] == 404


@pytest.mark.parametrize(
    ("tail", "body", "status"),
    [
        ("", {}, 400),
        ("", {"path": 3}, 400),
        ("", {"path": "../x"}, 422),
        ("", {"path": "a" * 2000}, 422),
        ("", {"path": "x", "ref": {"name": "a\0"}}, 400),
        ("/verify", {"limit": "many"}, 400),
        ("?cursor=x", None, 400),
    ],
)
def test_malformed_requests_are_refused(
    hub: LiveHub, repo_id: str, tail: str, body: Any, status: int
) -> None:
    answered, said, _ = ask(hub, repo_id, tail, body)
    assert (answered, bool(said["message"])) == (status, True)
