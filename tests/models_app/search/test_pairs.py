"""Chinese text is found by two characters and more, by an index that knows three letters in a row."""

from __future__ import annotations

import pytest

from accounts.models import User
from models_app.actions.commits import commit
from models_app.models import Repo
from models_app.pairs import pairs_of, terms_of, with_pairs
from models_app.search import MOST_HITS, found_keys
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


def test_pairs_are_words_of_their_own() -> None:
    assert pairs_of("手写数") == ["q624b5199q", "q51996570q"]
    assert pairs_of("a 手 b plain") == []
    assert with_pairs("plain") == "plain"
    assert with_pairs("手写") == "手写\nq624b5199q"
    assert len(pairs_of("手写" * 50_000)) == 2


def test_what_the_index_is_asked_for() -> None:
    assert terms_of(["手写", "net", "re", "模"]) == (["q624b5199q", "net"], ["re", "模"])
    assert terms_of(["手写数"]) == (["q624b5199q", "q51996570q", "手写数"], [])


@pytest.fixture
def shelf(alice: User) -> User:
    cards = {"digits": "手写数字识别模型", "resnet": "A residual network.", "resnet-50": "Fifty layers deep."}
    for name, text in cards.items():
        repo = repo_of(alice, name)
        file = AddFile("README.md", text.encode())
        commit(session(alice), repo=repo, branch="main", operations=[file], summary="Card")
    return alice


def names(text: str, among: list[int] | None = None) -> list[str]:
    repos = {repo.pk: repo.name for repo in Repo.objects.all()}
    return [repos[key] for key in found_keys(text, among)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("手写", ["digits"]),
        ("写数字", ["digits"]),
        ("模型 手写", ["digits"]),
        ("识", ["digits"]),
        ("写手", []),
        ("resnet", ["resnet", "resnet-50"]),
        ("RESNET-50", ["resnet-50"]),
        ("alice/resnet", ["resnet", "resnet-50"]),
        ("re 50", ["resnet-50"]),
        ("50 deep", ["resnet-50"]),
        ("", []),
        ("absent", []),
    ],
)
def test_found_keys_are_the_best_first(shelf: User, text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_among_some_only(shelf: User) -> None:
    key = Repo.objects.get(name="resnet-50").pk
    assert names("resnet", [key]) == ["resnet-50"]
    assert names("resnet", []) == []


def test_of_very_many_the_names_still_come_first(shelf: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_HITS > 1000
    monkeypatch.setattr("models_app.search.MOST_HITS", 1)
    assert names("resnet")[0] == "resnet"


@pytest.mark.parametrize(
    "text", ['"', "'", "%", "_", "\\", "\0", "NOT a", "x" * 9000, "a " * 500, "🙂", "*", "''"]
)
def test_no_text_is_an_error(shelf: User, text: str) -> None:
    found_keys(text)
