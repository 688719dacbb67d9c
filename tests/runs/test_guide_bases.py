"""The first stage offers what proved a good start: bases of other models, then the liked, then the newest."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actor import Actor
from accounts.models import User
from models_app.models import Repo
from runs.guide_bases import bases_to_begin_with
from tests.runs.conftest import make_repo

WEIGHTS = {"config.json": b"{}", "model.safetensors": b"weights"}


def model(owner: User, name: str, base: str = "", *, private: bool = False, **counts: Any) -> Repo:
    head = "pipeline_tag: image-classification\n" + (f"base_model: {base}\n" if base else "")
    files = {**WEIGHTS, "README.md": f"---\n{head}---\n# {name}\n".encode()}
    repo = make_repo(owner, "model", name, files, private=private)
    Repo.objects.filter(pk=repo.pk).update(**counts)
    return repo


def names(user: User | None, asked: str = "", most: int = 12) -> list[str]:
    return [repo.name for repo, _children in bases_to_begin_with(Actor(user), asked, most)]


@pytest.fixture
def shelf(alice: User) -> None:
    """Made in this order, so that by time alone the backbone would stand last."""
    model(alice, "backbone")
    model(alice, "lesser-backbone")
    model(alice, "liked", likes_count=9)
    model(alice, "one-of-backbone", "alice/backbone")
    model(alice, "two-of-backbone", "alice/backbone")
    model(alice, "of-lesser", "alice/lesser-backbone")
    model(alice, "from-scratch")


def test_bases_come_first_then_the_liked_then_the_newest(alice: User, shelf: None) -> None:
    newest = ["from-scratch", "of-lesser", "two-of-backbone", "one-of-backbone"]
    assert names(alice) == ["backbone", "lesser-backbone", "liked", *newest]
    assert names(alice, most=1) == ["backbone"]
    assert names(alice, most=3) == ["backbone", "lesser-backbone", "liked"]
    assert names(alice, "backbone")[:2] == ["backbone", "lesser-backbone"]


def test_what_others_hide_does_not_count(alice: User, bob: User, shelf: None) -> None:
    for number in range(3):
        model(alice, f"hidden-{number}", "alice/lesser-backbone", private=True)
    assert names(alice)[0] == "lesser-backbone"
    assert names(bob)[0] == "backbone"
    assert names(None)[0] == "backbone"


def test_a_model_that_names_itself_is_no_base(alice: User, shelf: None) -> None:
    model(alice, "vain", "alice/vain")
    assert names(alice)[:3] == ["backbone", "lesser-backbone", "liked"]


def test_it_asks_as_much_of_many_as_of_few(alice: User, shelf: None) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            names(alice)
        return len(queries)

    few = asked()
    for number in range(5):
        model(alice, f"more-{number}", "alice/backbone")
    assert asked() == few


def test_the_page_tells_the_order(alice: User, client: Client, shelf: None) -> None:
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    text = client.get(client.post("/start")["Location"]).text
    assert "First those that most models here were made from" in text
    assert "2 models made from it" in text
    assert (
        text.index("alice/backbone") < text.index("alice/lesser-backbone") < text.index("alice/from-scratch")
    )
