"""GET /api/models and /api/datasets: what is shown to whom, filters, order, pages, refusals."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions.commits import commit
from models_app.models import BaseModelEdge, Repo, RepoTag
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session

CARDS = {
    "cat": "license: mit\ntags: [vision]\npipeline_tag: image-classification\nlibrary_name: timm\n"
    "language: en",
    "dog": "license: apache-2.0\ntags: [vision]\nbase_model: alice/cat",
    "owl": "license: mit\nlanguage: [zh]\ntags: ['region:us']",
}


@pytest.fixture
def shelf(alice: User) -> User:
    """Three public models, the last one liked most."""
    for number, (name, metadata) in enumerate(CARDS.items()):
        made = repo_of(alice, name)
        file = AddFile("README.md", f"---\n{metadata}\n---\nA {name}.\n".encode())
        commit(session(alice), repo=made, branch="main", operations=[file], summary="Card")
        moment = timezone.now() - timedelta(days=number)
        Repo.objects.filter(pk=made.pk).update(likes_count=number, last_modified=moment)
    return alice


def ask(path: str, user: User | None = None, **query: Any) -> Any:
    headers = {"authorization": f"Bearer {mint_token(user, name='t', role='read')[1]}"} if user else {}
    return Client().get(path, query, headers=headers)


def names(user: User | None = None, path: str = "/api/models", **query: Any) -> list[str]:
    answer = ask(path, user, **query)
    assert answer.status_code == 200, answer.content
    return [item["id"].split("/")[1] for item in answer.json()]


def test_an_item_shows_what_clients_read(shelf: User) -> None:
    item = next(item for item in ask("/api/models").json() if item["id"] == "alice/cat")
    assert item["modelId"] == "alice/cat"
    assert item["private"] is False
    assert item["pipeline_tag"] == "image-classification"
    assert item["library_name"] == "timm"
    assert item["tags"] == ["timm", "vision", "image-classification", "license:mit", "en"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["createdAt"])
    assert "siblings" not in item
    assert "cardData" not in item


def test_flags_add_fields(shelf: User) -> None:
    item = ask("/api/models", search="cat", full="true", cardData="True").json()[0]
    assert item["siblings"] == [{"rfilename": ".gitattributes"}, {"rfilename": "README.md"}]
    assert item["cardData"]["license"] == "mit"
    assert (item["author"], item["gated"], item["disabled"]) == ("alice", False, False)
    assert len(item["sha"]) == 40


def test_expand_gives_exactly_what_was_asked(shelf: User) -> None:
    item = ask("/api/models", search="dog", expand=["likes", "baseModels", "evalResults", "gguf"]).json()[0]
    assert set(item) == {"_id", "id", "modelId", "likes", "baseModels", "evalResults"}
    assert item["baseModels"] == {"relation": "finetune", "models": [{"id": "alice/cat"}]}
    answer = ask("/api/models", expand="nonsense")
    assert answer.status_code == 400
    assert """'nonsense' cannot be expanded: expected one of "author"|"base""" in answer.json()["error"]
    assert ask("/api/models", search="dog", expand="xetEnabled").json()[0]["xetEnabled"] is True
    assert ask("/api/datasets", expand="safetensors").status_code == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"filter": "vision"}, {"cat", "dog"}),
        ({"filter": ["vision", "license:mit"]}, {"cat"}),
        ({"filter": "license:mit"}, {"cat", "owl"}),
        ({"filter": "language:zh"}, {"owl"}),
        ({"filter": "zh"}, {"owl"}),
        ({"filter": "region:us"}, {"owl"}),
        ({"filter": "base_model:alice/cat"}, {"dog"}),
        ({"filter": "base_model:finetune:alice/cat"}, {"dog"}),
        ({"filter": "timm"}, {"cat"}),
        ({"filter": "nothing"}, set()),
        ({"pipeline_tag": "image-classification"}, {"cat"}),
        ({"library": "timm"}, {"cat"}),
        ({"author": "ALICE"}, {"cat", "dog", "owl"}),
        ({"author": "bob"}, set()),
        ({"search": "owl"}, {"owl"}),
        ({"search": "a dog", "filter": "vision"}, {"dog"}),
        ({"gated": "true"}, set()),
        ({"gated": "false", "filter": "zh"}, {"owl"}),
        ({"inference": "warm"}, set()),
        ({"filter": "\0"}, {"cat", "dog", "owl"}),
    ],
)
def test_filters(shelf: User, query: dict[str, Any], expected: set[str]) -> None:
    assert set(names(**query)) == expected


def test_parameters_are_bounds(shelf: User) -> None:
    Repo.objects.get(name="cat").card.__class__.objects.filter(repo__name="cat").update(parameters=3_500_000)
    assert names(num_parameters="min:1M,max:1B") == ["cat"]
    assert names(num_parameters="max:3M") == []
    assert names(num_parameters="min:3.5M") == ["cat"]
    assert ask("/api/models", num_parameters="lots").status_code == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sort": "likes"}, ["owl", "dog", "cat"]),
        ({"sort": "likes", "direction": "-1"}, ["owl", "dog", "cat"]),
        ({"sort": "likes", "direction": "1"}, ["cat", "dog", "owl"]),
        ({"sort": "lastModified"}, ["cat", "dog", "owl"]),
        ({"sort": "createdAt"}, ["owl", "dog", "cat"]),
        ({"sort": "trendingScore"}, ["owl", "dog", "cat"]),
        ({}, ["owl", "dog", "cat"]),
        ({"sort": "downloads"}, ["owl", "dog", "cat"]),
    ],
)
def test_order(shelf: User, query: dict[str, Any], expected: list[str]) -> None:
    assert names(**query) == expected


@pytest.mark.parametrize(
    "query",
    [{"sort": "beauty"}, {"direction": "up"}, {"limit": "x"}, {"limit": "0"}, {"cursor": "!!"},
     {"cursor": "e30"},
     {"cursor": "WzFd"}, {"cursor": "WyJsaWtlc19jb3VudCIsMSwyXQ"}, {"search": "cat", "cursor": "Wy01XQ"},
     {"sort": "lastModified", "cursor": "WyJsYXN0X21vZGlmaWVkIiwgIjIwMjYtMDEtMDEiLCAxXQ"},
     {"filter": ["a"] * 30}],
)  # fmt: skip
def test_bad_parameters_are_refused_in_words(shelf: User, query: dict[str, Any]) -> None:
    answer = ask("/api/models", **query)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert answer["X-Error-Message"]


@pytest.mark.parametrize(
    ("sort", "parts"),
    [
        ("likes", ["likes_count", 10**320, 1]),
        ("likes", ["likes_count", float("nan"), 1]),
        ("likes", ["likes_count", True, 1]),
        ("lastModified", ["last_modified", "0001-01-01T00:00:00+14:00", 1]),
        ("lastModified", ["last_modified", "9999-12-31T23:59:59-14:00", 1]),
    ],
)
def test_a_cursor_past_every_number_and_time_is_no_cursor(shelf: User, sort: str, parts: list[Any]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    answer = ask("/api/models", sort=sort, cursor=cursor)
    assert answer.status_code == 400
    assert "cursor" in answer.json()["error"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sort": "likes"},
        {"sort": "lastModified"},
        {"search": "alice"},
        {"sort": "createdAt", "direction": "1"},
    ],
)
def test_following_the_links_shows_everything_once(shelf: User, query: dict[str, Any]) -> None:
    for number in range(4):
        repo_of(shelf, f"more-{number}")
    whole = names(**query)
    answer, seen = ask("/api/models", limit=2, **query), []
    while True:
        seen += [item["id"].split("/")[1] for item in answer.json()]
        if "Link" not in answer:
            break
        assert len(answer.json()) == 2
        url = re.fullmatch(r'<(http://testserver/api/models\?.*)>; rel="next"', answer["Link"])[1]
        parts = urlsplit(url)
        answer = Client().get(f"{parts.path}?{parts.query}")
    assert seen == whole
    assert len(set(seen)) == 7


def test_private_repos_are_shown_to_their_people_only(shelf: User, bob: User) -> None:
    repo_of(bob, "secret", private=True)
    for query in ({}, {"search": "secret"}, {"author": "bob"}):
        assert "secret" not in names(**query)
        assert "secret" not in names(shelf, **query)
        assert "secret" in names(bob, **query)


def test_datasets_have_their_own_list_and_spaces_none(shelf: User) -> None:
    made = repo_of(shelf, "pets", repo_type="dataset")
    file = AddFile("README.md", b"---\ntask_categories: [image-classification]\nlanguage: en\n---\nPets.\n")
    commit(session(shelf), repo=made, branch="main", operations=[file], summary="Card")
    assert names(path="/api/datasets", filter="task_categories:image-classification") == ["pets"]
    (item,) = ask("/api/datasets", full="true").json()
    assert item["description"] == "Pets."
    assert item["tags"] == ["task_categories:image-classification", "language:en"]
    assert "modelId" not in item
    assert ask("/api/spaces").json() == []


def test_the_number_of_queries_does_not_grow_with_the_list(shelf: User) -> None:
    def queries(**query: Any) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert ask("/api/models", **query).status_code == 200
        return len(seen)

    plain, expanded = queries(full="true"), queries(expand=["baseModels", "evalResults", "tags"])
    for number in range(5):
        repo_of(shelf, f"more-{number}")
    assert queries(full="true") == plain <= 3
    assert queries(expand=["baseModels", "evalResults", "tags"]) == expanded <= 5


def test_an_invalid_token_is_told_so(shelf: User) -> None:
    answer = Client().get("/api/models", headers={"authorization": "Bearer hf_" + "x" * 34})
    assert answer.status_code == 401
    assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_the_number_of_queries_does_not_grow_with_the_page(shelf: User) -> None:
    repo_of(shelf, "demo", repo_type="space")
    heavy = ["tags", "childrenModelCount", "spaces", "evalResults", "baseModels"]
    counts = []
    for limit in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            assert len(ask("/api/models", expand=heavy, limit=limit).json()) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_who_uses_a_model_is_told_as_far_as_the_caller_may_see(shelf: User, carol: User) -> None:
    for name in ("shown", "hidden"):
        space = repo_of(shelf, name, repo_type="space", private=name == "hidden")
        RepoTag.objects.create(repo=space, kind="model", value="Alice/CAT")
    child = repo_of(shelf, "kitten", private=True)
    BaseModelEdge.objects.create(child=child, parent_repo_id="alice/cat", parent=Repo.objects.get(name="cat"))

    def cat(user: User | None) -> Any:
        return ask("/api/models/alice/cat", user, expand=["spaces", "childrenModelCount"]).json()

    assert (cat(shelf)["spaces"], cat(shelf)["childrenModelCount"]) == (["alice/hidden", "alice/shown"], 2)
    assert (cat(carol)["spaces"], cat(carol)["childrenModelCount"]) == (["alice/shown"], 1)
    whole = {item["id"]: item["spaces"] for item in ask("/api/models", carol, expand="spaces").json()}
    assert whole == {"alice/cat": ["alice/shown"], "alice/dog": [], "alice/owl": []}
