"""Badges: each by verified work alone, and gone with its ground."""

from __future__ import annotations

import pytest

from accounts.models import User
from models_app.actions import likes
from models_app.actions.badges import measured, put_badges
from models_app.actions.notify import notify_due
from models_app.badges import KINDS, Earned, Known, Measured, RecipeUse, Repeated, earned_by, title_of
from models_app.models import Badge, EvalResult
from models_app.telling import notes_of
from models_app.telling_words import sentence
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages


def kinds(known: Known, owner: int = 1) -> set[str]:
    return {one.kind for one in earned_by(known) if one.owner == owner}


def one(repo: int = 1, *, board: int = 1, place: int = 2, of: int = 2, owner: int = 1) -> Measured:
    return Measured(owner, repo, board, "t", place, of)


def test_nothing_known_earns_nothing() -> None:
    assert earned_by(Known()) == []


@pytest.mark.parametrize(
    ("rows", "earned"),
    [
        ([one()], {"first-verified"}),
        ([one(place=1, of=2)], {"first-verified"}),
        ([one(place=1, of=3)], {"first-verified", "first-place"}),
        ([one(n) for n in range(9)], {"first-verified"}),
        ([one(n) for n in range(10)], {"first-verified", "ten-models"}),
        ([one(1, board=n) for n in range(10)], {"first-verified", "five-boards"}),
        ([one(1, board=n) for n in range(4)], {"first-verified"}),
    ],
)
def test_what_measured_models_earn(rows: list[Measured], earned: set[str]) -> None:
    assert kinds(Known(measured=rows)) == earned


@pytest.mark.parametrize(
    ("rows", "earned"),
    [
        ([Repeated(1, 1, 7, False)], {"repeated"}),
        ([Repeated(1, 1, 7, True)], {"repeated", "reproduced"}),
        ([Repeated(2, 1, 7, True)], set()),
    ],
)
def test_what_others_runs_earn(rows: list[Repeated], earned: set[str]) -> None:
    assert kinds(Known(repeated=rows)) == earned


@pytest.mark.parametrize(
    ("people", "recipes", "earned"),
    [(5, 1, {"used-recipe"}), (4, 1, set()), (6, 2, set())],
)
def test_a_recipe_is_used_by_five_others(people: int, recipes: int, earned: set[str]) -> None:
    uses = [RecipeUse(1, n % recipes, 100 + n) for n in range(people)] * 3
    assert kinds(Known(uses=uses)) == earned


def test_every_kind_has_words() -> None:
    for badge in KINDS:
        assert str(title_of(badge.kind)) == str(badge.title)
        assert str(badge.how).endswith(".")
    assert title_of("of-an-older-release") == "of-an-older-release"


def test_claims_private_models_and_likes_earn_nothing(pages: Pages, carol: User) -> None:
    repo = pages.measured("claimed", 0.99, verified=False)
    pages.measured("hidden", 0.98, private=True)
    likes.like(session(carol), repo=repo)
    assert measured() == []
    assert put_badges(earned_by(Known(measured()))) == (0, 0)


def test_places_are_among_verified_results(pages: Pages) -> None:
    pages.measured("claimed", 0.99, verified=False)
    for name, value in (("good", 0.9), ("better", 0.95)):
        pages.measured(name, value)
    places = {row.place: row.of for row in measured()}
    assert places == {1: 2, 2: 2}


def test_earned_kept_told_and_lost(pages: Pages) -> None:
    for name, value in (("a", 0.9), ("b", 0.8), ("c", 0.7)):
        pages.measured(name, value)
    assert put_badges(earned_by(Known(measured()))) == (2, 0)
    first = Badge.objects.get(kind="first-place")
    notify_due()
    said = [sentence(note) for note in notes_of(session(pages.alice))]
    assert "You earned the badge “First place”" in said
    assert put_badges(earned_by(Known(measured()))) == (0, 0)
    assert Badge.objects.get(kind="first-place").earned_at == first.earned_at
    EvalResult.objects.filter(repo__name="c").delete()
    assert put_badges(earned_by(Known(measured()))) == (0, 1)
    assert list(Badge.objects.values_list("kind", flat=True)) == ["first-verified"]


def test_who_is_suspended_earns_none(pages: Pages) -> None:
    User.objects.filter(pk=pages.alice.pk).update(is_suspended=True)
    assert put_badges([Earned(pages.alice.namespace.pk, "first-verified")]) == (0, 0)
    assert not Badge.objects.exists()
