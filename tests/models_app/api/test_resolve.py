"""Downloads: headers of HEAD and GET, ranges, validators; no user's file runs on the hub's origin."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.uploads import store_lfs_object
from models_app.files import git_store
from models_app.models import Repo, RepoFile
from models_app.storage.lfs import Pointer, format_pointer
from models_app.storage.operations import AddFile, AddPointer
from tests.models_app.people import by_token, repo_of

LARGE = os.urandom(300_000)
SHA = hashlib.sha256(LARGE).hexdigest()
TEXT = "grüße\n".encode() * 10


@pytest.fixture
def repo(alice: User) -> Repo:
    made = repo_of(alice)
    actor = by_token(alice)
    store_lfs_object(actor, repo=made, pointer=Pointer(SHA, len(LARGE)), body=io.BytesIO(LARGE))
    operations = [
        AddPointer("w/model.safetensors", SHA, len(LARGE)),
        AddFile("a.txt", TEXT),
        AddFile("empty", b""),
        AddFile("page.html", b"<script>alert(1)</script>"),
        AddFile("pic.svg", b"<svg onload='alert(1)'/>"),
        AddFile('od"d é;.txt', b"x"),
    ]
    commit(actor, repo=made, branch="main", operations=operations, summary="Files")
    return made


def resolve(client: Client, path: str, method: str = "get", revision: str = "main", **headers: str) -> Any:
    return getattr(client, method)(f"/alice/net/resolve/{revision}/{path}", headers=headers)


def body(response: HttpResponse) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.parametrize(
    ("path", "content"), [("a.txt", TEXT), ("w/model.safetensors", LARGE), ("empty", b"")]
)
def test_head_tells_what_get_gives(client: Client, repo: Repo, path: str, content: bytes) -> None:
    head, whole = resolve(client, path, "head"), resolve(client, path)
    assert (head.status_code, whole.status_code) == (200, 200)
    assert body(head) == b""
    assert body(whole) == content
    names = {
        "ETag",
        "X-Repo-Commit",
        "Content-Length",
        "Accept-Ranges",
        "Content-Type",
        "Content-Disposition",
    }
    assert {name: head[name] for name in names} == {name: whole[name] for name in names}
    assert head["Content-Length"] == str(len(content))
    assert head["X-Repo-Commit"] == git_store(repo).resolve("main")
    assert head["X-Request-Id"]


def test_etags_are_blob_id_and_sha256(client: Client, repo: Repo) -> None:
    entry = git_store(repo).entry(git_store(repo).resolve("main"), "a.txt")
    assert entry is not None
    small, large = resolve(client, "a.txt", "head"), resolve(client, "w/model.safetensors", "head")
    assert small["ETag"] == f'"{entry.oid}"'
    assert "X-Linked-Etag" not in small
    assert large["ETag"] == large["X-Linked-Etag"] == f'"{SHA}"'
    assert large["X-Linked-Size"] == str(len(LARGE))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=5-", 5, None), ("bytes=-7", -7, None), ("bytes=10-999999999", 10, None),
     ("bytes=3-9", 3, 10), ("bytes=-999999999", 0, None)],
)  # fmt: skip
@pytest.mark.parametrize(("path", "content"), [("a.txt", TEXT), ("w/model.safetensors", LARGE)])
def test_ranges(
    client: Client, repo: Repo, path: str, content: bytes, asked: str, start: int, stop: int | None
) -> None:
    response = resolve(client, path, Range=asked)
    wanted = content[start:stop]
    first = start if start >= 0 else len(content) + start
    assert response.status_code == 206
    assert body(response) == wanted
    assert response["Content-Length"] == str(len(wanted))
    assert response["Content-Range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(content)}"


@pytest.mark.parametrize("path", ["a.txt", "w/model.safetensors", "empty"])
def test_a_range_outside_is_416_with_the_size(client: Client, repo: Repo, path: str) -> None:
    size = int(resolve(client, path, "head")["Content-Length"])
    for asked in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
        response = resolve(client, path, Range=asked)
        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked", ["bytes=9-3", "bytes=0-1,4-5", "lines=1-2", "bytes=x-", "bytes=-", "bytes=" + "9" * 40 + "-", ""]
)
def test_a_range_that_makes_no_sense_is_ignored(client: Client, repo: Repo, asked: str) -> None:
    response = resolve(client, "a.txt", Range=asked)
    assert (response.status_code, body(response)) == (200, TEXT)


def test_a_range_of_other_content_gives_the_whole(client: Client, repo: Repo) -> None:
    etag = resolve(client, "a.txt", "head")["ETag"]
    same = resolve(client, "a.txt", **{"Range": "bytes=0-3", "If-Range": etag})
    other = resolve(client, "a.txt", **{"Range": "bytes=0-3", "If-Range": '"old"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_what_the_browser_has_is_not_sent_again(client: Client, repo: Repo) -> None:
    etag = resolve(client, "a.txt", "head")["ETag"]
    response = resolve(client, "a.txt", **{"If-None-Match": f'"x", W/{etag}'})
    assert (response.status_code, body(response), response["ETag"]) == (304, b"", etag)
    assert resolve(client, "a.txt", **{"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize("path", ["page.html", "pic.svg"])
def test_nothing_a_user_uploads_runs_on_this_origin(client: Client, repo: Repo, path: str) -> None:
    response = resolve(client, path)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "script-src" not in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_file_names_survive_the_disposition(client: Client, repo: Repo) -> None:
    response = resolve(client, "od%22d%20%C3%A9%3B.txt")
    assert response["Content-Disposition"] == (
        "inline; filename*=UTF-8''od%22d%20%C3%A9%3B.txt; filename=\"od_d _;.txt\";"
    )
    assert resolve(client, "w/model.safetensors", "head")["Content-Disposition"].startswith("attachment;")
    assert resolve(client, "a.txt?download=true", "head")["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("path", ["nope", "w", "a.txt/", "w/../a.txt", "a.txt/x", "%00"])
def test_an_absent_file_names_the_commit(client: Client, repo: Repo, path: str) -> None:
    response = resolve(client, path)
    assert response.status_code == 404
    assert response["X-Error-Code"] == "EntryNotFound"
    assert response["X-Repo-Commit"] == git_store(repo).resolve("main")
    assert response.json()["error"]


def test_an_absent_revision_and_an_absent_repo(client: Client, repo: Repo) -> None:
    response = resolve(client, "a.txt", revision="nope")
    assert (response.status_code, response["X-Error-Code"]) == (404, "RevisionNotFound")
    assert response["X-Error-Message"] == "Invalid rev id: nope"
    for url in ("/alice/nope/resolve/main/a", "/gpt2/resolve/main/config.json", "/spaces/a/b/resolve/main/a"):
        response = client.head(url)
        assert (response.status_code, response["X-Error-Code"]) == (401, "RepoNotFound")


def test_any_commit_of_the_past_can_be_read(client: Client, repo: Repo, alice: User) -> None:
    old = git_store(repo).resolve("main")
    commit(by_token(alice), repo=repo, branch="main", operations=[AddFile("a.txt", b"new")], summary="Change")
    assert body(resolve(client, "a.txt", revision=old)) == TEXT
    assert body(resolve(client, "a.txt", revision=old[:9])) == TEXT
    assert body(resolve(client, "a.txt")) == b"new"


def test_raw_shows_the_pointer(client: Client, repo: Repo) -> None:
    response = client.get("/alice/net/raw/main/w/model.safetensors")
    assert response.content == format_pointer(Pointer(SHA, len(LARGE)))
    assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_content_this_repo_lost_the_right_to_is_not_served(client: Client, repo: Repo) -> None:
    RepoFile.objects.filter(repo=repo).delete()
    response = resolve(client, "w/model.safetensors")
    assert (response.status_code, response["X-Error-Code"]) == (404, "EntryNotFound")
