"""Refusals as clients map them: status, code, message, JSON objects; never a 5xx for a caller's mistake."""

from __future__ import annotations

import base64
import errno
import json
import re
from typing import Any

import psycopg
import pytest
from django.db import DataError, OperationalError
from django.test import Client

from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions import commits
from models_app.actions.repos import disable_repo
from models_app.files import git_store
from models_app.models import Repo
from tests.models_app.people import repo_of, session

CONTENT = base64.b64encode(b"hello").decode()
HEADER = {"key": "header", "value": {"summary": "x"}}
FILE = {"key": "file", "value": {"path": "a.txt", "content": CONTENT, "encoding": "base64"}}


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


@pytest.fixture
def auth(alice: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(alice, name='t', role='write')[1]}"}


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def file_row(**value: Any) -> dict[str, Any]:
    return {"key": "file", "value": {**FILE["value"], **value}}


def lfs_row(oid: str, size: int) -> dict[str, Any]:
    return {"key": "lfsFile", "value": {"path": "a", "oid": oid, "size": size}}


def post_commit(client: Client, auth: dict[str, str], body: bytes, branch: str = "main") -> Any:
    url = f"/api/models/alice/net/commit/{branch}"
    return client.post(url, body, content_type="application/x-ndjson", headers=auth)


def test_a_commit_answers_what_the_client_parses(client: Client, repo: Repo, auth: dict[str, str]) -> None:
    answer = post_commit(client, auth, lines(HEADER, FILE)).json()
    oid = git_store(repo).resolve("main")
    assert answer["commitOid"] == oid
    assert answer["commitUrl"] == f"http://testserver/alice/net/commit/{oid}"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "must be its header"),
        (lines(FILE), 400, "must be its header"),
        (b"not json\n", 400, "not valid JSON"),
        (b"[1]\n", 400, "must be a JSON object"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (lines({"key": "header", "value": {}}), 400, "'summary' must be a string"),
        (lines({"key": "header", "value": {"summary": " "}}), 400, "needs a summary"),
        (lines({"key": "header", "value": {"summary": "x", "parentCommit": "zzzzz"}}), 400, "hexadecimal"),
        (lines(HEADER, {"key": "file"}), 400, "an object as 'value'"),
        (lines(HEADER, {"key": "file", "value": {"content": "", "path": 1}}), 400, "'path' must be a string"),
        (lines(HEADER, {"key": "nope", "value": {"path": "a"}}), 400, "does not know .* 'nope'"),
        (lines(HEADER, file_row(content="%%")), 400, "base64"),
        (lines(HEADER, file_row(encoding="x")), 400, "encoding"),
        (lines(HEADER, lfs_row("../../etc", 1)), 400, "sha256"),
        (lines(HEADER, lfs_row("a" * 64, -1)), 400, "size"),
        (lines(HEADER, lfs_row("a" * 64, 1)), 400, "never uploaded"),
        (lines(HEADER, FILE, {"key": "deletedFile", "value": {"path": "zz"}}), 404, "doesn't exist: zz"),
        (lines(HEADER, file_row(path="../x")), 422, r"'\.\./x' is not allowed"),
        (lines(HEADER, FILE, file_row(path="a.txt/b")), 422, "is a file"),
    ],
)  # fmt: skip
def test_a_bad_commit_is_one_clear_sentence_and_changes_nothing(
    client: Client, repo: Repo, auth: dict[str, str], body: bytes, status: int, message: str
) -> None:
    response = post_commit(client, auth, body)
    assert response.status_code == status
    assert re.search(message, response.json()["error"])
    assert re.search(message, response["X-Error-Message"])
    assert git_store(repo).count_commits(git_store(repo).resolve("main")) == 1


def test_bodies_are_bounded(client: Client, repo: Repo, auth: dict[str, str], settings: Any) -> None:
    settings.HUB_REGULAR_FILE_BYTES = 1000
    big = base64.b64encode(bytes(1500)).decode()
    row = {"key": "file", "value": {"path": "a.txt", "content": big, "encoding": "base64"}}
    response = post_commit(client, auth, lines(HEADER, row))
    assert (response.status_code, "'a.txt' is larger than 1000" in response.json()["error"]) == (413, True)
    line = {"key": "file", "value": {"path": "a.txt", "content": "x" * 100_000}}
    assert post_commit(client, auth, lines(HEADER, line)).status_code == 413
    settings.HUB_COMMIT_BYTES = 200
    assert post_commit(client, auth, lines(HEADER, *[FILE] * 9)).status_code == 413
    assert git_store(repo).count_commits(git_store(repo).resolve("main")) == 1


def test_a_full_disk_is_507_in_words(
    client: Client, repo: Repo, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(commits, "stage", full)
    response = post_commit(client, auth, lines(HEADER, FILE))
    assert response.status_code == 507
    assert "disk is full: nothing was stored" in response.json()["error"]


@pytest.mark.parametrize(
    ("said", "status"),
    [("database is locked", 503), ("database or disk is full", 507), ("no such table", 500)],
)
def test_what_the_database_says_is_translated(
    client: Client, repo: Repo, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch, said: str, status: int
) -> None:
    def refused(*arguments: object, **words: object) -> None:
        raise OperationalError(said)

    monkeypatch.setattr(commits, "lock_repo", refused)
    response = post_commit(client, auth, lines(HEADER, FILE))
    assert response.status_code == status
    assert ("Retry-After" in response) == (status == 503)


def test_what_passes_on_postgresql_may_be_tried_again(
    client: Client, repo: Repo, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **words: object) -> None:
        raise OperationalError("deadlock detected") from psycopg.errors.DeadlockDetected()

    monkeypatch.setattr(commits, "lock_repo", refused)
    response = post_commit(client, auth, lines(HEADER, FILE))
    assert (response.status_code, response["Retry-After"]) == (503, "2")


def test_a_value_that_the_database_refuses_is_the_callers(
    client: Client, repo: Repo, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **words: object) -> None:
        raise DataError("value too long for type character varying(64)")

    monkeypatch.setattr(commits, "lock_repo", refused)
    response = post_commit(client, auth, lines(HEADER, FILE))
    assert response.status_code == 400
    assert "longer or larger than the hub stores" in response.json()["error"]


def test_a_fault_of_ours_tells_nothing_of_the_inside(
    client: Client, repo: Repo, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **words: object) -> None:
        raise RuntimeError("secret path /var/x")

    monkeypatch.setattr(commits, "stage", broken)
    response = post_commit(client, auth, lines(HEADER, FILE))
    assert response.status_code == 500
    assert "secret" not in response.content.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""), ("get", "/revision/main"), ("get", "/refs"), ("get", "/commits/main"),
        ("get", "/tree/main"),
        ("post", "/paths-info/main"), ("post", "/preupload/main"), ("post", "/commit/main"),
        ("post", "/branch/x"), ("delete", "/branch/x"), ("post", "/tag/main"), ("delete", "/tag/x"),
        ("put", "/settings"), ("get", "/auth-check"), ("get", "/auth-check/write"),
        ("get", "/nothing/of/this"),
    ],
)  # fmt: skip
def test_a_missing_repo_is_the_same_everywhere(
    client: Client, repo: Repo, auth: dict[str, str], method: str, path: str
) -> None:
    for base in ("models/alice/zz", "datasets/alice/net", "spaces/alice/net", "kernels/alice/net"):
        for headers, status in ((auth, 404), ({}, 401)):
            response = getattr(client, method)(f"/api/{base}{path}", headers=headers)
            assert (response.status_code, response["X-Error-Code"]) == (status, "RepoNotFound"), base
            assert response.json()["error"]
    assert client.get("/api/models/gpt2", headers=auth)["X-Error-Code"] == "RepoNotFound"


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/preupload/main"), ("post", "/commit/main"), ("post", "/branch/x"), ("delete", "/branch/x"),
     ("post", "/tag/main"), ("delete", "/tag/x"), ("put", "/settings"), ("get", "/auth-check/write")],
)  # fmt: skip
def test_writing_needs_somebody_who_may(
    client: Client, repo: Repo, carol: User, method: str, path: str
) -> None:
    url = f"/api/models/alice/net{path}"
    assert getattr(client, method)(url).status_code == 401
    for user, role in ((carol, "write"), (repo.namespace.user, "read")):
        token = mint_token(user, name="t", role=role)[1]
        response = getattr(client, method)(url, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 403
        assert response["X-Error-Message"]


def test_an_invalid_token_is_refused_before_anything_else(client: Client, repo: Repo) -> None:
    for path in ("/api/whoami-v2", "/api/models/alice/net", "/alice/net/resolve/main/.gitattributes"):
        response = client.get(path, headers={"Authorization": "Bearer hf_nobody"})
        assert response.status_code == 401
        assert response["X-Error-Message"] == "Invalid credentials in Authorization header"
        assert "X-Error-Code" not in response


def test_a_browser_session_needs_its_csrf_token(repo: Repo, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    url = "/api/models/alice/net/branch/dev"
    assert client.post(url, "{}", content_type="application/json").status_code == 403
    assert git_store(repo).refs()[0][0].name == "main"
    assert len(git_store(repo).refs()[0]) == 1
    client.get("/api/whoami-v2")
    client.cookies["csrftoken"] = token = "a" * 32
    response = client.post(url, "{}", content_type="application/json", headers={"X-CSRFToken": token})
    assert response.status_code == 200


def test_a_disabled_repo_says_what_the_client_maps(
    client: Client, repo: Repo, auth: dict[str, str], mod: User
) -> None:

    disable_repo(session(mod), repo=repo, reason="x")
    response = client.get("/api/models/alice/net", headers=auth)
    assert (response.status_code, response["X-Error-Message"]) == (
        403,
        "Access to this resource is disabled.",
    )


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"{", b"\xff", b'{"files": 1}', b'{"files": [1]}'])
def test_malformed_json_is_400(client: Client, repo: Repo, auth: dict[str, str], body: bytes) -> None:
    response = client.post(
        "/api/models/alice/net/preupload/main", body, content_type="application/json", headers=auth
    )
    assert response.status_code == 400
    assert isinstance(response.json(), dict)


def test_a_wrong_method_is_405_with_json(client: Client, repo: Repo) -> None:
    response = client.put("/api/models/alice/net/refs")
    assert (response.status_code, "error" in response.json()) == (405, True)


def test_unknown_wire_paths_are_404_with_json(client: Client, db: None) -> None:
    for path in ("/api/nothing", "/api/repos/nothing", "/api/"):
        response = client.get(path)
        assert (response.status_code, "error" in response.json()) == (404, True)


def test_messages_in_headers_are_one_line_of_ascii(client: Client, repo: Repo) -> None:
    response = client.get("/api/models/alice/net/tree/gr%C3%BC%0D%0AX-Injected%3A%201")
    assert response.status_code == 404
    assert "X-Injected" not in response.headers
    assert response["X-Error-Message"].isascii()
    assert "grü" in response.json()["error"]
