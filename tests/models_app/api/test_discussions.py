"""Discussions on the wire, the fine print: shapes, odd requests, people who are gone, queries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions import discussions as actions
from models_app.actions.commits import commit
from models_app.actions.pull_requests import open_with_commit
from models_app.models import Discussion, DiscussionEvent, Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import by_token, repo_of, session

URL = "/api/models/alice/net/discussions"


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


def post(client: Client, user: User, path: str, body: Any) -> Any:
    token = mint_token(user, name="t", role="write")[1]
    data = body if isinstance(body, str) else json.dumps(body)
    return client.post(
        URL + path, data, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )


def test_the_shapes_of_a_pull_request(client: Client, carol: User, repo: Repo) -> None:
    open_with_commit(
        by_token(carol), repo=repo, branch="main", operations=[AddFile("a", b"1\n")], summary="Add a"
    )
    listed = client.get(URL).json()
    assert {key: listed[key] for key in ("count", "start", "numClosedDiscussions")} == {
        "count": 1, "start": 0, "numClosedDiscussions": 0,
    }  # fmt: skip
    (row,) = listed["discussions"]
    assert row["repo"] == {"name": "alice/net", "type": "model"}
    assert (row["author"]["name"], row["author"]["type"], row["numComments"]) == ("carol", "user", 1)
    assert row["url"] == "http://testserver/alice/net/discussions/1"
    details = client.get(f"{URL}/1", {"diff": "1"}).json()
    assert {key: details[key] for key in row} == row
    assert details["changes"] == {"base": "refs/heads/main"}
    assert details["filesWithConflicts"] == []
    assert details["diff"].startswith("diff --git a/a b/a\nnew file mode 100644\n")
    assert "diff" not in client.get(f"{URL}/1").json()
    comment, added = details["events"]
    assert (comment["type"], comment["data"]["history"]) == ("comment", [])
    assert comment["data"]["latest"]["raw"] == ""
    assert (added["type"], set(added["data"])) == ("commit", {"subject", "oid"})
    assert added["createdAt"].endswith("Z")


def test_merging_with_null_for_a_body(client: Client, alice: User, carol: User, repo: Repo) -> None:
    operations = [AddFile("a", b"1")]
    for number, body in ((1, "null"), (2, ""), (3, {"comment": "Thanks"})):
        open_with_commit(
            by_token(carol),
            repo=repo,
            branch="main",
            operations=[AddFile(f"f{number}", b"")],
            summary="Add it",
        )
        answer = post(client, alice, f"/{number}/merge", body)
        assert answer.status_code == 200, answer.content
        merged = client.get(f"{URL}/{number}").json()
        assert merged["changes"]["mergeCommitId"] == answer.json()["mergeCommitId"]
    open_with_commit(by_token(carol), repo=repo, branch="main", operations=operations, summary="Add a")
    commit(by_token(alice), repo=repo, branch="main", operations=[AddFile("a", b"2")], summary="Mine")
    refused = post(client, alice, "/4/merge", "null")
    assert (refused.status_code, "both changed a" in refused["X-Error-Message"]) == (409, True)
    assert client.get(f"{URL}/4").json()["filesWithConflicts"] == ["a"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"title": 7}, 400),
        ("", {"title": "Fine", "pullRequest": "yes"}, 400),
        ("", {"title": "Fine", "description": ["x"]}, 400),
        ("", {"title": "nul \0"}, 400),
        ("", [], 400),
        ("", "{", 400),
        ("", {}, 400),
        ("/1/comment", {"comment": "nul \0"}, 400),
        ("/1/comment", {"comment": None}, 400),
        ("/1/comment", '{"comment": "\\ud800"}', 400),
        ("/1/comment/nonsense/edit", {"content": "x"}, 404),
        ("/1/comment/00000000000000000000000000000000/hide", {}, 404),
        ("/1/status", {"status": "merged"}, 400),
        ("/1/status", {"status": "draft"}, 400),
        ("/1/status", {}, 400),
        ("/1/title", {"title": "x" * 20_000}, 400),
        ("/0/comment", {"comment": "x"}, 404),
        ("/99999999999999999999/comment", {"comment": "x"}, 404),
        ("/1/merge", {"comment": 1}, 400),
    ],
)
def test_odd_requests_are_refused_in_words(
    client: Client, carol: User, repo: Repo, path: str, body: Any, status: int
) -> None:
    actions.open_discussion(session(carol), repo=repo, title="A thread")
    answer = post(client, carol, path, body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert (Discussion.objects.count(), DiscussionEvent.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [("p=999999999999", []), ("author=%00", []), ("author=" + "x" * 5000, []), ("limit=100000", [1])],
    ids=["far page", "null", "long", "many"],
)
def test_odd_lists_are_empty_or_bounded(
    client: Client, carol: User, repo: Repo, query: str, numbers: list[int]
) -> None:
    actions.open_discussion(session(carol), repo=repo, title="A thread")
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 200
    assert [thread["num"] for thread in answer.json()["discussions"]] == numbers


def test_somebody_who_is_gone_has_no_name(client: Client, carol: User, repo: Repo) -> None:
    made = actions.open_discussion(session(carol), repo=repo, title="Farewell")
    Discussion.objects.update(author=None)
    DiscussionEvent.objects.update(author=None)
    details = client.get(f"{URL}/{made.num}").json()
    assert "author" not in details
    assert "author" not in details["events"][0]
    assert "author" not in details["events"][0]["data"]["latest"]


def test_a_list_needs_few_queries(client: Client, carol: User, repo: Repo) -> None:
    for number in range(5):
        actions.open_discussion(session(carol), repo=repo, title=f"Number {number}")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(URL)
    for number in range(20):
        actions.open_discussion(session(carol), repo=repo, title=f"More {number}")
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(URL).json()["discussions"]) == 25
    assert len(many) == len(few) <= 6
