"""The page of search results and the box's suggestions: what is found, for whom, and what is no question."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Namespace, User
from models_app.actions import discussions
from models_app.models import Collection
from tests.models_app.people import organization, repo_of, session
from tests.models_app.views.conftest import Pages, publish


@pytest.fixture
def world(pages: Pages, bob: User) -> Pages:
    """Something called `zebra` of every kind, and as much that is private."""
    alice = pages.alice
    for private in (False, True):
        end = "-undercover" if private else ""
        for kind in ("model", "dataset", "recipe", "tutorial"):
            publish(alice, f"zebra-{kind}{end}", repo_type=kind, private=private)
        repo = repo_of(alice, f"talk{end}", private=private)
        actor = session(alice)
        discussions.open_discussion(
            actor, repo=repo, title=f"Zebra crossing{end}", description="斑马线怎么办"
        )
        space = Namespace.objects.get(name="alice")
        Collection.objects.create(namespace=space, title=f"Zebra things{end}", private=private)
    organization("zebra-lab", admin=bob)
    return pages


def kinds(client: Client, query: str) -> list[str]:
    return [section.kind for section in client.get(f"/search?{query}").context["sections"]]


def test_everything_is_found_in_its_section(client: Client, world: Pages) -> None:
    response = client.get("/search?q=zebra")
    found = {section.kind for section in response.context["sections"]}
    assert found >= {"model", "dataset", "recipe", "tutorial", "threads", "people", "collections"}
    assert "zebra-model" in response.text
    assert "Zebra crossing" in response.text
    assert "zebra-lab" in response.text


def test_what_is_private_is_found_by_its_people_only(client: Client, world: Pages, carol: User) -> None:
    for path in (
        "/search?q=zebra",
        "/search/suggest?q=zebra",
        "/search?q=undercover",
        "/search?q=zebra&kind=threads",
    ):
        assert "-undercover" not in client.get(path).text
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    for path in ("/search?q=zebra", "/search/suggest?q=zebra", "/search?q=zebra&kind=collections"):
        assert "-undercover" not in client.get(path).text
    client.force_login(world.alice, backend="accounts.backends.AccountBackend")
    mine = client.get("/search?q=zebra").text
    for name in ("zebra-model", "zebra-dataset", "crossing", "things"):
        assert f"{name}-undercover" in mine


def test_chinese_is_found_by_two_characters(client: Client, world: Pages) -> None:
    assert kinds(client, "q=斑马") == ["threads"]
    publish(world.alice, "hanzi", {"README.md": "---\nlicense: mit\n---\n手写数字".encode()})
    assert "hanzi" in client.get("/search/suggest?q=手写").text


def test_one_kind_alone_shows_more_of_it(client: Client, world: Pages) -> None:
    assert kinds(client, "q=zebra&kind=dataset") == ["dataset"]
    assert kinds(client, "q=zebra&kind=people") == ["people"]
    assert len(kinds(client, "q=zebra&kind=nonsense")) > 3


def test_suspended_people_are_not_found(client: Client, world: Pages, carol: User) -> None:
    assert kinds(client, "q=carol&kind=people") == ["people"]
    carol.is_suspended = True
    carol.save()
    assert kinds(client, "q=carol&kind=people") == []


@pytest.mark.parametrize(
    "query",
    ["", "q=", "q=%20%20", "q=%00", "q=%ED%A0%80", "q=" + "x" * 7000, "q=%22%27%25_%5C", "q=NEAR(",
     "q=*&kind=%00", "q=a&kind=model", "q=%F0%9F%99%82", "q=%E2%80%8B", "kind=people"],
)  # fmt: skip
def test_odd_questions_are_answered(client: Client, world: Pages, query: str) -> None:
    assert client.get(f"/search?{query}").status_code == 200
    assert client.get(f"/search/suggest?{query}").status_code == 200


def test_suggestions_are_options_that_lead_somewhere(client: Client, world: Pages) -> None:
    response = client.get("/search/suggest?q=zebra-mod")
    assert 'role="option"' in response.text
    assert 'href="/alice/zebra-model"' in response.text
    assert 'href="/search?q=zebra-mod"' in response.text
    assert "private" in response["Cache-Control"]
    assert client.get("/search/suggest?q=").text.strip() == ""


def test_what_was_asked_is_escaped(client: Client, world: Pages) -> None:
    text = client.get("/search?q=%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert(1)" not in text


@pytest.mark.parametrize("path", ["/search", "/search/suggest"])
def test_searching_changes_nothing(client: Client, db: None, path: str) -> None:
    assert client.post(path).status_code == 405
