"""A model's results move it on the boards: who came, who rose, who fell, and who is told of none of it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.models import BoardMove, Event, EventTag, Repo
from models_app.storage.operations import AddFile, DeleteFile
from tests.models_app.people import repo_of, session

EVAL = (
    b"name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n- {id: speed, metric: latency}\n"
)


@pytest.fixture
def board(alice: User) -> Repo:
    data = repo_of(alice, "digits", repo_type="dataset")
    commit(session(alice), repo=data, branch="main", operations=[AddFile("eval.yaml", EVAL)], summary="Board")
    return data


def measure(user: User, name: str, value: float, task: str = "digits", *, private: bool = False) -> Repo:
    """A model of this name says that it reached this value."""
    repo = Repo.objects.filter(name=name).first()
    if repo is None:
        repo = create_repo(session(user), repo_type="model", namespace=None, name=name, private=private)
    text = f"- dataset: {{id: alice/digits, task_id: {task}}}\n  value: {value}\n"
    file = AddFile(".eval_results/digits.yaml", text.encode())
    commit(session(user), repo=repo, branch="main", operations=[file], summary="Measure")
    return repo


def moves() -> list[tuple[str, int | None, int]]:
    rows = BoardMove.objects.order_by("pk").select_related("repo")
    return [(row.repo.name, row.before, row.after) for row in rows]


def test_who_comes_rises_and_falls_is_written_down(board: Repo, alice: User) -> None:
    measure(alice, "first", 0.8)
    assert moves() == [("first", None, 1)]
    measure(alice, "second", 0.9)
    assert moves()[1:] == [("second", None, 1), ("first", 1, 2)]
    measure(alice, "first", 0.95)
    assert moves()[3:] == [("first", 2, 1), ("second", 1, 2)]
    events = Event.objects.filter(tag=EventTag.BOARD_MOVE).order_by("pk")
    told = [
        (event.repo.name if event.repo else "", event.data["before"], event.data["after"]) for event in events
    ]
    assert told == [("first", None, 1), ("second", None, 1), ("first", 2, 1)]
    assert events[0].data["board"] == "alice/digits"


def test_nothing_moves_where_no_place_changes(board: Repo, alice: User) -> None:
    repo = measure(alice, "first", 0.8)
    measure(alice, "second", 0.5)
    count = BoardMove.objects.count()
    measure(alice, "first", 0.85)
    commit(session(alice), repo=repo, branch="main", operations=[AddFile("a.txt", b"a")], summary="Other")
    assert BoardMove.objects.count() == count


def test_lower_is_better_where_the_board_says_so(board: Repo, alice: User) -> None:
    measure(alice, "slow", 20, "speed")
    measure(alice, "quick", 5, "speed")
    assert moves()[1:] == [("quick", None, 1), ("slow", 1, 2)]


def test_a_private_model_moves_nobody(board: Repo, alice: User) -> None:
    measure(alice, "first", 0.8)
    measure(alice, "secret", 0.99, private=True)
    assert moves() == [("first", None, 1)]


def test_a_board_that_is_private_moves_nobody(board: Repo, alice: User) -> None:
    Repo.objects.filter(pk=board.pk).update(private=True)
    measure(alice, "first", 0.8)
    assert moves() == []


def test_results_that_are_taken_back_lift_the_others(board: Repo, alice: User) -> None:
    measure(alice, "first", 0.8)
    best = measure(alice, "best", 0.9)
    gone = [DeleteFile(".eval_results/digits.yaml")]
    commit(session(alice), repo=best, branch="main", operations=gone, summary="Withdraw")
    assert moves()[3:] == [("first", 2, 1)]


def test_only_the_top_is_written_down(board: Repo, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_app.actions.board_moves.TOP", 2)
    for number in range(4):
        measure(alice, f"net-{number}", 0.9 - number / 10)
    assert moves() == [("net-0", None, 1), ("net-1", None, 2)]


def test_a_board_of_many_costs_no_more_queries(board: Repo, alice: User) -> None:
    counts = []
    for rounds in (1, 6):
        for number in range(rounds):
            measure(alice, f"net-{rounds}-{number}", 0.5 - number / 100)
        with CaptureQueriesContext(connection) as context:
            measure(alice, f"top-{rounds}", 0.6 + rounds / 10)
        counts.append(len(context))
    assert counts[0] == counts[1]
