"""Lists of spaces and kernels, official benchmarks, tags by type, one's own repos: the fine print."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions.buckets import create_bucket
from models_app.actions.commits import commit
from models_app.models import Benchmark, Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import organization, repo_of, session


def ask(path: str, user: User | None = None, scopes: dict[str, Any] | None = None, **query: Any) -> Any:
    headers = {}
    if user is not None:
        role = "fineGrained" if scopes is not None else "read"
        headers["authorization"] = f"Bearer {mint_token(user, name='t', role=role, scopes=scopes)[1]}"
    return Client().get(path, query, headers=headers)


def ids(path: str, user: User | None = None, **query: Any) -> list[str]:
    answer = ask(path, user, **query)
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()]


def card(user: User, repo: Repo, text: str) -> None:
    file = AddFile("README.md", f"---\n{text}\n---\n# Card\n".encode())
    commit(session(user), repo=repo, branch="main", operations=[file], summary="Card")


@pytest.fixture
def spaces(alice: User) -> User:
    card(alice, repo_of(alice, "one", repo_type="space"), "sdk: gradio\nmodels: [alice/net]")
    card(alice, repo_of(alice, "two", repo_type="space"), "sdk: static\ndatasets: [alice/data]\ntags: [x]")
    card(alice, repo_of(alice, "three", repo_type="space"), "sdk: static")
    repo_of(alice, "hidden", repo_type="space", private=True)
    return alice


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"one", "two", "three"}),
        ({"models": "Alice/Net"}, {"one"}),
        ({"datasets": "alice/data"}, {"two"}),
        ({"models": "alice/net", "datasets": "alice/data"}, set()),
        ({"linked": "true"}, {"one", "two"}),
        ({"linked": "false"}, {"one", "two", "three"}),
        ({"filter": "static"}, {"two", "three"}),
        ({"filter": ["static", "x"]}, {"two"}),
        ({"search": "three"}, {"three"}),
        ({"author": "bob"}, set()),
    ],
)
def test_spaces_by_what_they_use(spaces: User, query: dict[str, Any], expected: set[str]) -> None:
    assert {repo_id.split("/")[1] for repo_id in ids("/api/spaces", **query)} == expected


def test_what_a_space_uses_is_no_tag_of_it(spaces: User) -> None:
    (item,) = ask("/api/spaces", models="alice/net", full="true").json()
    assert (item["tags"], item["models"], item["datasets"]) == (["gradio"], ["alice/net"], [])
    for words, status in ((["sdk", "runtime"], 200), (["downloads"], 400), (["sdk", "nonsense"], 400)):
        assert ask("/api/spaces", expand=words).status_code == status


def test_following_links_shows_every_space_once(spaces: User) -> None:
    answer = ask("/api/spaces", limit=2, sort="createdAt")
    first = [item["id"] for item in answer.json()]
    second = Client().get(answer["Link"].split("<")[1].split(">")[0].removeprefix("http://testserver"))
    assert "Link" not in second
    assert sorted(first + [item["id"] for item in second.json()]) == [
        "alice/one",
        "alice/three",
        "alice/two",
    ]


def test_the_number_of_queries_does_not_grow_with_spaces(spaces: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert ask("/api/spaces", full="true").status_code == 200
        return len(captured)

    before = queries()
    for number in range(3):
        card(spaces, repo_of(spaces, f"more-{number}", repo_type="space"), "sdk: docker\nmodels: [a/b]")
    assert queries() == before


def test_kernels_have_a_list(alice: User) -> None:
    repo_of(alice, "fast", repo_type="kernel")
    repo_of(alice, "hidden", repo_type="kernel", private=True)
    assert ids("/api/kernels") == ["alice/fast"]
    assert set(ids("/api/kernels", alice)) == {"alice/fast", "alice/hidden"}
    assert ids("/api/models") == []


def test_official_benchmarks_are_those_this_hub_lists(alice: User) -> None:
    data, other = (repo_of(alice, name, repo_type="dataset") for name in ("digits", "other"))
    Benchmark.objects.create(repo=data, name="Digits")
    Benchmark.objects.create(repo=other, name="Other", is_listed=False)
    assert ids("/api/datasets", filter="benchmark:official") == ["alice/digits"]


def test_semantic_search_sees_what_the_caller_may(spaces: User) -> None:
    assert set(ids("/api/spaces/semantic-search", q="alice")) == {"alice/one", "alice/two", "alice/three"}
    assert "alice/hidden" in ids("/api/spaces/semantic-search", spaces, q="alice")
    assert ids("/api/spaces/semantic-search", q="alice", sdk=["gradio", "docker"]) == ["alice/one"]
    assert ask("/api/spaces/semantic-search").status_code == 400
    assert ask("/api/spaces/semantic-search", q="'\" OR 1=1 --").status_code == 200


def test_tags_in_use_come_first(spaces: User) -> None:
    card(spaces, repo_of(spaces, "net"), "license: zlib\ntags: [alpha]")
    tags = ask("/api/models-tags-by-type").json()
    assert tags["license"][0] == {"id": "license:zlib", "label": "zlib", "type": "license"}
    assert [tag["id"] for tag in tags["license"]].count("license:zlib") == 1
    assert [tag["id"] for tag in tags["other"]] == ["alpha"]
    assert ask("/api/datasets-tags-by-type").json()["other"] == []


def test_ones_own_repos_go_by_the_token_in_hand(alice: User, bob: User) -> None:
    organization("team", admin=alice, read=bob)
    repo_of(alice, "open")
    repo_of(alice, "shut", private=True)
    repo_of(alice, "ours", namespace="team", private=True)
    path = "/api/settings/repositories"
    assert set(ids(path, alice)) == {"alice/open", "alice/shut"}
    narrow = ask(path, alice, scopes={"repos": {"model:alice/shut": "read"}}).json()
    assert {row["id"] for row in narrow} == {"alice/open", "alice/shut"}
    bare = ask(path, alice, scopes={}).json()
    assert [(row["id"], row["visibility"]) for row in bare] == [("alice/open", "public")]
    for name, private in (("box", True), ("tray", False)):
        create_bucket(session(alice), namespace="alice", name=name, private=private)
    for scopes, found in (({}, {"tray"}), ({"repos": {"bucket:alice/box": "read"}}, {"box", "tray"})):
        rows = ask(path, alice, scopes=scopes).json()
        assert {row["id"].split("/")[1] for row in rows if row["type"] == "bucket"} == found
    assert ids("/api/organizations/TEAM/settings/repositories", bob) == ["team/ours"]
    assert ask(path).status_code == 401
    assert ask("/api/organizations/team/settings/repositories").status_code == 401
    assert ask("/api/organizations/nobody/settings/repositories", bob).status_code == 404
