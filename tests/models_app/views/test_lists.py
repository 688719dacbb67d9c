"""The lists and the start page: what is found, in which order, in how many queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Repo, RepoTag
from tests.models_app.views.conftest import Pages, card, publish


def names(response: Any) -> list[str]:
    """The repos of a list page, in order."""
    return [repo.name for repo in response.context["rows"]]


def test_anybody_sees_public_models(client: Client, pages: Pages) -> None:
    response = client.get("/models")
    assert response.status_code == 200
    assert names(response) == ["base"]
    assert "3.5M" in response.text


def test_a_private_model_is_listed_for_its_owner_only(client: Client, pages: Pages, carol: User) -> None:
    publish(pages.alice, "secret-net", private=True)
    assert "secret-net" not in client.get("/models").text
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert "secret-net" not in client.get("/models?search=secret").text
    client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    assert names(client.get("/models?search=secret")) == ["secret-net"]


def test_search_filter_and_sort_narrow_the_list(client: Client, pages: Pages) -> None:
    small = publish(pages.alice, "tiny-net")
    card(small, parameters=1000, license="apache-2.0")
    assert names(client.get("/models?search=tiny")) == ["tiny-net"]
    assert names(client.get("/models?license=apache-2.0")) == ["tiny-net"]
    assert names(client.get("/models?library=timm&license=mit")) == ["base"]
    assert names(client.get("/models?task=text-generation")) == []
    assert names(client.get("/models?sort=parameters")) == ["base", "tiny-net"]
    assert names(client.get("/models?sort=small")) == ["tiny-net", "base"]


def test_a_facet_counts_under_the_other_choices_and_can_be_taken_back(client: Client, pages: Pages) -> None:
    card(publish(pages.alice, "other"), license="apache-2.0", library_name="transformers")
    response = client.get("/models?license=mit&page=3")
    facets = {facet.name: facet for facet in response.context["facets"]}
    assert [(c.value, c.count, c.is_chosen) for c in facets["license"].choices] == [
        ("apache-2.0", 1, False),
        ("mit", 1, True),
    ]
    assert [(c.value, c.count) for c in facets["library"].choices] == [("timm", 1)]
    chosen = next(c for c in facets["license"].choices if c.is_chosen)
    assert chosen.address == "?"


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=99999999999999999999",
        "page=x",
        "sort=nope",
        "search=%00",
        "task=%00",
        "search=%22AND%20OR%20*",
        "license=" + "x" * 5000,
    ],
)
def test_odd_queries_are_answered(client: Client, pages: Pages, query: str) -> None:
    assert client.get(f"/models?{query}").status_code == 200


def test_pages_follow_each_other(client: Client, pages: Pages) -> None:
    namespace = pages.base.namespace
    Repo.objects.bulk_create(
        [Repo(repo_type="model", namespace=namespace, name=f"n{i:03}") for i in range(64)]
    )
    first, last = client.get("/models?sort=created"), client.get("/models?sort=created&page=3")
    assert len(names(first)) == 30
    assert len(names(last)) == 5
    assert 'href="?sort=created&amp;page=2"' in first.text
    assert not set(names(first)) & set(names(last))


def test_datasets_have_their_own_list(client: Client, pages: Pages) -> None:
    response = client.get("/datasets")
    assert names(response) == ["digits"]
    assert "5K" in response.text


def test_the_start_page_shows_what_there_is(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.95)
    text = client.get("/").text
    for words in ("base", "digits", "tuned", "95.00 %", "Digits"):
        assert words in text


def test_the_start_page_of_an_empty_hub_says_what_to_do(client: Client, db: None) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "No model has been published yet." in response.text


@pytest.mark.parametrize("path", ["/", "/models", "/datasets", "/leaderboards"])
def test_lists_are_read_only(client: Client, db: None, path: str) -> None:
    assert client.post(path).status_code == 405


def test_datasets_are_narrowed_by_the_task_they_are_for(client: Client, pages: Pages) -> None:
    other = publish(pages.alice, "prose", repo_type="dataset")
    for repo, task in ((pages.data, "image-classification"), (other, "text-classification")):
        RepoTag.objects.create(repo=repo, kind="task_categories", value=task)
        RepoTag.objects.create(repo=repo, kind="language", value="image-classification")
    response = client.get("/datasets?task=image-classification")
    assert names(response) == ["digits"]
    task = next(facet for facet in response.context["facets"] if facet.name == "task")
    assert {(c.value, c.count) for c in task.choices} == {
        ("image-classification", 1),
        ("text-classification", 1),
    }
