"""Leaderboards: ranks, intervals, badges, baselines; only what the reader may see."""

from __future__ import annotations

from datetime import date

import pytest
from django.test import Client

from models_app.models import BaseModelEdge, Benchmark, EvalResult, Repo
from models_app.views import leaderboards
from tests.models_app.views.conftest import Pages, baseline, card


def test_models_are_ranked_and_equal_values_share_a_rank(client: Client, pages: Pages) -> None:
    for name, value in [("third", 0.8), ("first-a", 0.95), ("first-b", 0.95)]:
        pages.measured(name, value)
    rows = client.get("/leaderboards/alice/digits").context["rows"]
    assert [(row.rank, row.repo.name) for row in rows] == [(1, "first-a"), (1, "first-b"), (3, "third")]


def test_a_row_says_interval_base_and_whether_it_is_verified(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.95)
    response = client.get("/leaderboards/alice/digits")
    row = response.context["rows"][0]
    assert row.interval is not None
    low, high = row.interval
    assert 0.93 < low < 0.95 < high < 0.97
    assert row.base == "alice/base"
    assert "n = 1000" in response.text
    assert "verified" in response.text


def test_a_self_reported_result_gets_no_badge_and_no_run(client: Client, pages: Pages) -> None:
    pages.measured("claimed", 0.99, verified=False)
    EvalResult.objects.update(run_uuid="00000000-0000-4000-8000-000000000000")
    row = client.get("/leaderboards/alice/digits").context["rows"][0]
    assert row.run_address == ""
    assert not row.result.verified


def test_a_baseline_is_marked(client: Client, pages: Pages) -> None:
    baseline(pages.measured("scratch", 0.4))
    pages.measured("tuned", 0.9)
    rows = client.get("/leaderboards/alice/digits").context["rows"]
    assert [(row.repo.name, row.is_baseline) for row in rows] == [("tuned", False), ("scratch", True)]


def test_a_private_model_is_not_ranked_for_others(client: Client, pages: Pages) -> None:
    pages.measured("quiet", 0.99, private=True)
    pages.measured("loud", 0.5)
    public = client.get("/leaderboards/alice/digits").context["rows"]
    assert [(row.rank, row.repo.name) for row in public] == [(1, "loud")]
    client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    assert len(client.get("/leaderboards/alice/digits").context["rows"]) == 2


def test_a_board_of_a_private_dataset_looks_missing(client: Client, pages: Pages) -> None:
    Repo.objects.filter(pk=pages.data.pk).update(private=True)
    assert client.get("/leaderboards/alice/digits").status_code == 404
    assert "Digits" not in client.get("/leaderboards").text


def test_the_list_names_the_best_of_each_board(client: Client, pages: Pages) -> None:
    pages.measured("good", 0.9)
    pages.measured("better", 0.92)
    response = client.get("/leaderboards")
    board = response.context["boards"][0]
    assert (board.count, board.best.repo.name) == (2, "better")
    assert "92.00 %" in response.text


def test_an_empty_board_and_an_empty_list_say_what_to_do(client: Client, pages: Pages) -> None:
    assert "Nobody has been measured yet" in client.get("/leaderboards/alice/digits").text
    Benchmark.objects.all().delete()
    assert "No benchmark yet" in client.get("/leaderboards").text


def test_an_unknown_task_or_a_dataset_without_benchmark_is_missing(client: Client, pages: Pages) -> None:
    assert client.get("/leaderboards/alice/digits?task=nope").status_code == 404
    Benchmark.objects.all().delete()
    assert client.get("/leaderboards/alice/digits").status_code == 404


def test_an_unlisted_benchmark_has_a_page_but_is_not_in_the_list(client: Client, pages: Pages) -> None:
    Benchmark.objects.update(is_listed=False)
    assert client.get("/leaderboards/alice/digits").status_code == 200
    assert "Digits" not in client.get("/leaderboards").text


def test_addresses_written_by_others_lead_nowhere_unexpected(client: Client, pages: Pages) -> None:
    repo = pages.measured("claimed", 0.99, verified=False)
    EvalResult.objects.update(source={"url": "javascript:alert(1)", "name": "click me"})
    BaseModelEdge.objects.filter(child=repo).update(parent=None, parent_repo_id="/evil.example/x")
    text = client.get("/leaderboards/alice/digits").text
    assert "javascript:" not in text
    assert 'href="//' not in text
    assert "/evil.example/x" in text


def test_a_task_with_an_odd_name_has_a_working_link(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.9)
    Benchmark.objects.update(tasks=[{"id": "a&b #1", "split": "test", "metric": "accuracy"}])
    EvalResult.objects.update(task_id="a&b #1")
    assert 'href="/leaderboards/alice/digits?task=a%26b+%231"' in client.get("/alice/tuned").text
    assert len(client.get("/leaderboards/alice/digits?task=a%26b+%231").context["rows"]) == 1


def test_who_cannot_be_told_from_the_first_is_marked(client: Client, pages: Pages) -> None:
    for name, value in (("first", 0.95), ("close", 0.945), ("far", 0.8)):
        pages.measured(name, value)
    response = client.get("/leaderboards/alice/digits")
    assert [(row.repo.name, row.is_tied) for row in response.context["rows"]] == [
        ("first", False),
        ("close", True),
        ("far", False),
    ]
    assert "1 model cannot be told from the first." in response.text


def test_only_verified_results_can_be_asked_for(client: Client, pages: Pages) -> None:
    pages.measured("claimed", 0.99, verified=False)
    pages.measured("measured", 0.9)
    response = client.get("/leaderboards/alice/digits?verified=1")
    assert [row.repo.name for row in response.context["rows"]] == ["measured"]
    assert "2 models" in response.text
    EvalResult.objects.update(verified=False)
    assert "No verified result yet" in client.get("/leaderboards/alice/digits?verified=1").text


def test_parameters_and_licence_stand_beside_the_number(client: Client, pages: Pages) -> None:
    card(pages.measured("tuned", 0.9), parameters=7_000_000, license="gemma")
    row = client.get("/leaderboards/alice/digits").context["rows"][0]
    assert (row.parameters, row.license) == (7_000_000, "gemma")


def test_who_led_and_when(client: Client, pages: Pages) -> None:
    for name, value, day in (("a", 0.7, 1), ("b", 0.6, 5), ("c", 0.9, 9), ("d", 0.8, 12)):
        repo = pages.measured(name, value)
        EvalResult.objects.filter(repo=repo).update(date=date(2026, 3, day))
    history = client.get("/leaderboards/alice/digits").context["history"]
    assert [(lead.repo.name, lead.value) for lead in history.leads] == [("a", 0.7), ("c", 0.9)]
    assert history.first.y > history.last.y


def test_a_lead_from_the_future_and_one_lead_alone_draw_nothing(client: Client, pages: Pages) -> None:
    for name, value, year in (("a", 0.7, 2026), ("b", 0.9, 2999)):
        EvalResult.objects.filter(repo=pages.measured(name, value)).update(date=date(year, 1, 1))
    response = client.get("/leaderboards/alice/digits")
    assert response.context["history"] is None
    assert response.status_code == 200


def test_boards_are_looked_for_by_name(client: Client, pages: Pages) -> None:
    assert len(client.get("/leaderboards?q=alice+digits").context["boards"]) == 1
    missing = client.get("/leaderboards?q=nothing%00")
    assert missing.context["boards"] == []
    assert "Nothing matches" in missing.text


def test_a_long_board_comes_in_pages(client: Client, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaderboards, "BOARD_SIZE", 2)
    for number in range(3):
        pages.measured(f"m{number}", 0.5 + number / 10)
    second = client.get("/leaderboards/alice/digits?page=2")
    assert [(row.rank, row.repo.name) for row in second.context["rows"]] == [(3, "m0")]
