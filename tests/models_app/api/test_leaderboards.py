"""The leaderboard on the wire and behind the page: who is ranked, how, and who sees whom."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actor import ANONYMOUS
from accounts.models import User
from models_app.actions.commits import commit
from models_app.leaderboards import leaderboard, task_of
from models_app.models import Benchmark, Repo
from models_app.proofs import sign_result
from models_app.storage.operations import AddFile
from tests.models_app.people import organization, repo_of, session

EVAL_YAML = b"tasks:\n- {id: digits}\n- {id: error, metric: error}\n"


def push(user: User, repo: Repo, path: str, content: bytes) -> None:
    commit(session(user), repo=repo, branch="main", operations=[AddFile(path, content)], summary="Add")


@pytest.fixture
def board(alice: User) -> Benchmark:
    dataset = repo_of(alice, "digits", repo_type="dataset")
    push(alice, dataset, "eval.yaml", EVAL_YAML)
    return Benchmark.objects.get()


def measured(
    user: User, name: str, value: float, *, signed: bool = False, task_id: str = "digits", **fields: Any
) -> Repo:
    repo = repo_of(user, name, **fields)
    add_result(user, repo, value, signed=signed, task_id=task_id)
    return repo


def add_result(
    user: User, repo: Repo, value: float, *, signed: bool = False, task_id: str = "digits"
) -> None:
    dataset = {"id": "alice/digits", "task_id": task_id, "revision": "a" * 40}
    entry: dict[str, Any] = {"dataset": dataset, "value": value, "notes": "by hand"}
    if signed:
        run = SimpleNamespace(uuid=uuid4(), target_repo=repo)
        words = {
            "dataset": "alice/digits",
            "revision": "a" * 40,
            "task_id": task_id,
            "value": value,
            "count": 100,
        }
        entry["verifyToken"] = sign_result(run=run, **words)
    push(user, repo, f".eval_results/{uuid4().hex}.yaml", json.dumps([entry]).encode())


def names(board: Benchmark, actor: Any = ANONYMOUS, **words: Any) -> list[tuple[int, str]]:
    return [(row.rank, row.repo.name) for row in leaderboard(board, "digits", actor, **words)]


def test_equal_values_share_a_rank(board: Benchmark, alice: User) -> None:
    for name, value in (("low", 0.5), ("tie-1", 0.9), ("tie-2", 0.9), ("best", 0.95)):
        measured(alice, name, value)
    assert names(board) == [(1, "best"), (2, "tie-1"), (2, "tie-2"), (4, "low")]


def test_lower_is_better_where_the_task_says_so(board: Benchmark, alice: User) -> None:
    measured(alice, "bad", 0.5, task_id="error")
    measured(alice, "good", 0.1, task_id="error")
    assert [row.repo.name for row in leaderboard(board, "error", ANONYMOUS)] == ["good", "bad"]
    assert leaderboard(board, "unknown", ANONYMOUS) == []


def test_a_model_has_one_row_and_what_was_verified_goes_before_what_was_claimed(
    board: Benchmark, alice: User
) -> None:
    repo = measured(alice, "net", 0.8, signed=True)
    add_result(alice, repo, 0.999)
    add_result(alice, repo, 0.85, signed=True)
    (row,) = leaderboard(board, "digits", ANONYMOUS)
    assert (row.result.value, row.result.verified, row.result.count) == (0.85, True, 100)


def test_private_models_are_ranked_for_their_people_only(board: Benchmark, alice: User, bob: User) -> None:
    measured(bob, "secret", 0.99, private=True)
    measured(alice, "open", 0.5)
    assert names(board) == [(1, "open")]
    assert names(board, session(alice)) == [(1, "open")]
    assert names(board, session(bob)) == [(1, "secret"), (2, "open")]


def test_the_ranking_costs_the_same_however_long_it_is(board: Benchmark, alice: User) -> None:
    for number in range(3):
        measured(alice, f"net-{number}", number / 10)
    with CaptureQueriesContext(connection) as seen:
        assert len([row.repo.repo_id for row in leaderboard(board, "digits", ANONYMOUS)]) == 3
    assert len(seen) == 1


def test_a_benchmarks_first_task_is_its_own(board: Benchmark) -> None:
    assert task_of(board)["id"] == "digits"
    assert task_of(board, "error")["higher_is_better"] is False
    assert task_of(board, "none") is None


# --- the wire


def get(query: str = "", name: str = "digits") -> Any:
    return Client().get(f"/api/datasets/alice/{name}/leaderboard{query}")


def test_the_wire_shows_roots_by_default_and_all_on_request(board: Benchmark, alice: User, bob: User) -> None:
    team = organization("team", admin=bob)
    base = measured(alice, "base", 0.5, signed=True)
    child = measured(bob, "child", 0.9, namespace=team.name)
    push(bob, child, "README.md", b"---\nbase_model: alice/base\n---\n")
    assert [row["modelId"] for row in get().json()] == [base.repo_id]
    first, second = get("?base_model=false").json()
    assert (first["rank"], first["modelId"], first["value"], first["verified"]) == (
        1,
        "team/child",
        0.9,
        False,
    )
    assert first["author"]["type"] == "org"
    assert (second["rank"], second["verified"], second["author"]["type"]) == (2, True, "user")
    assert first["filename"].startswith(".eval_results/")
    assert first["notes"] == "by hand"


def test_the_stock_client_reads_it(board: Benchmark, alice: User) -> None:
    from huggingface_hub.hf_api import DatasetLeaderboardEntry

    measured(alice, "net", 0.5)
    (entry,) = [DatasetLeaderboardEntry(**row) for row in get().json()]
    assert (entry.rank, entry.model_id, entry.author.username) == (1, "alice/net", "alice")


def test_refusals_are_in_words(board: Benchmark, alice: User, bob: User) -> None:
    assert get("?task_id=juggling").json()["error"].endswith("its tasks are: digits, error.")
    repo_of(alice, "plain", repo_type="dataset")
    answer = get(name="plain")
    assert answer.status_code == 404
    assert answer.json()["error"] == "The dataset alice/plain has no leaderboard: it has no eval.yaml."
    assert get(name="missing")["X-Error-Code"] == "RepoNotFound"
    Repo.objects.filter(name="digits").update(private=True)
    assert get()["X-Error-Code"] == "RepoNotFound"
