"""The parts of a run's page: curves by task, the timeline, the searched log, environment, lineage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from runs import reports
from runs.curves import curves_of, first_curves, system_curves_of
from runs.loglines import AROUND, MAX_FOUND, level_of, log_of
from runs.models import Attempt, Run, RunActivity, RunLog, RunMetric, Stage
from runs.progress import progress_of
from runs.reports import LogLine, Metric
from runs.timeline import timeline_of
from tests.runs.conftest import World

NOW = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
HTML = {"Accept": "text/html"}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def say(run: Run, *texts: str, attempt: int = 1, start: int = 0) -> None:
    lines = [LogLine(start + seq, at(seq), text) for seq, text in enumerate(texts)]
    RunLog.objects.bulk_create(
        RunLog(run=run, attempt=attempt, seq=line.seq, at=line.at, text=line.text) for line in lines
    )


# --- curves


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ({"task": "image-classification"}, ["loss", "accuracy"]),
        ({"task": "tabular-regression"}, ["loss", "r2"]),
        ({"task": "tabular-classification"}, ["loss", "accuracy"]),
        ({"task": "time-series-forecasting"}, ["loss", "mase"]),
        ({"task": "text-generation"}, ["loss"]),
        ({"task": "recommendation", "dataset": {"rating_column": "stars"}}, ["loss", "rmse"]),
        ({"task": "recommendation", "dataset": {"objective": "ranking"}}, ["loss", "mrr"]),
        ({}, ["loss"]),
    ],
)
def test_a_silent_run_waits_for_the_curves_of_its_own_task(recipe: dict[str, Any], names: list[str]) -> None:
    assert first_curves(Run(recipe=recipe)) == names


def test_a_failed_tabular_run_shows_no_accuracy(world: World, client: Client) -> None:
    run = world.submit()
    recipe = {**run.recipe, "task": "tabular-regression"}
    Run.objects.filter(pk=run.pk).update(stage=Stage.ERROR, recipe=recipe, message_id="data:broken-table")
    text = client.get(f"/runs/{run.uuid}").text
    assert "<h2>R²</h2>" in text
    assert "<h2>Accuracy</h2>" not in text


def test_speed_and_memory_stand_apart_from_what_was_learned(world: World) -> None:
    run = world.claim(world.submit()).run
    assert [curve.name for curve in system_curves_of(run)] == [
        "lr",
        "system/rows_per_second",
        "system/memory_bytes",
    ]
    names = ["train/loss", "val/loss", "val/accuracy", "lr", "system/memory_bytes", "system/gpu_memory_bytes"]
    told = [Metric(1, name, 0.5) for name in names]
    reports.report(run, attempt=1, step=1, metrics=told)
    assert [curve.name for curve in curves_of(run)] == ["loss", "accuracy"]
    assert system_curves_of(run)[-1].format == "bytes"
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED)
    run.refresh_from_db()
    kept = [curve.name for curve in system_curves_of(run)]
    assert kept == ["lr", "system/memory_bytes", "system/gpu_memory_bytes"]


def test_the_panels_can_be_had_anew_when_a_new_name_is_told(world: World, client: Client) -> None:
    run = world.claim(world.submit()).run
    reports.report(run, attempt=1, step=1, metrics=[Metric(1, "val/macro_f1", 0.5)])
    answer = client.get(f"/runs/{run.uuid}/curves")
    assert "Macro-F1" in answer.text
    assert "<html" not in answer.text


def test_a_curve_that_grows_too_long_loses_every_second_point(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.points.MAX_POINTS", 100)
    run = world.claim(world.submit()).run
    told = [Metric(step, "train/loss", 1.0) for step in range(1, 91)]
    told += [Metric(step, "val/loss", 1.0) for step in range(10, 91, 10)]
    reports.report(run, attempt=1, metrics=told)
    reports.report(run, attempt=1, metrics=[Metric(91, "train/loss", 2.0), Metric(91, "lr", 0.1)])
    steps = sorted(run.metrics.filter(name="train/loss").values_list("step", flat=True))
    assert len(steps) == 46
    assert steps[-2:] == [90, 91]
    assert run.metrics.filter(name="val/loss").count() == 9
    many = [Metric(1, f"train/a{number}", 1.0) for number in range(101)]
    reports.report(run, attempt=1, metrics=many)  # no curves at all: nothing of them is kept
    assert not run.metrics.filter(name="train/a0").exists()


# --- the timeline


def test_reports_write_the_timeline_once_for_each_change(world: World) -> None:
    run = world.claim(world.submit()).run
    for activity in ("fetching", "fetching", "training", None, "training", "publishing"):
        run.refresh_from_db()
        reports.report(run, attempt=1, activity=activity)
    assert [(row.attempt, row.name) for row in run.activities.all()] == [
        (1, "fetching"),
        (1, "training"),
        (1, "publishing"),
    ]


def test_a_babbling_worker_gets_no_endless_timeline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MAX_ACTIVITIES", 3)
    run = world.claim(world.submit()).run
    for number in range(9):
        run.refresh_from_db()
        reports.report(run, attempt=1, activity=f"doing {number}")
    assert run.activities.count() == 3


def held(world: World, **fields: Any) -> Run:
    """A run that waited ten seconds and was lost by one worker before another took it."""
    run = world.submit()
    values = {"created_at": at(0), "stage": Stage.RUNNING, "attempt": 2, "claimed_at": at(60)} | fields
    Run.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()
    Attempt.objects.create(
        run=run,
        number=1,
        worker_name="one",
        namespace=run.namespace,
        flavor=run.flavor,
        started_at=at(10),
        ended_at=at(40),
        outcome="lost",
    )
    Attempt.objects.create(
        run=run,
        number=2,
        worker_name="two",
        namespace=run.namespace,
        flavor=run.flavor,
        started_at=at(60),
        from_step=40,
    )
    for attempt, name, when in [
        (1, "fetching", 10),
        (1, "training", 20),
        (2, "fetching", 60),
        (2, "training", 65),
    ]:
        RunActivity.objects.create(run=run, attempt=attempt, name=name, at=at(when))
    return run


def test_a_lost_worker_shows_as_a_break(world: World, client: Client) -> None:
    run = held(world)
    found = timeline_of(run, at(100))
    assert (found.waited.seconds, found.waited.is_now) == (10, False)
    first, second = found.holds
    assert [(part.name, part.seconds) for part in first.parts] == [("fetching", 10), ("training", 20)]
    assert first.is_broken
    assert [(part.name, part.seconds, part.is_now) for part in second.parts] == [
        ("fetching", 5, False),
        ("training", 35, True),
    ]
    kinds = [(piece.kind, piece.x, piece.width) for piece in found.segments]
    assert kinds[0] == ("waiting", 0, 10)
    assert ("break", 40, 20) in kinds
    assert sum(width for _kind, _x, width in kinds) == pytest.approx(100)
    text = client.get(f"/runs/{run.uuid}").text
    for words in ("Attempt 1", "· one", "the worker fell silent", "Attempt 2", "from step 40"):
        assert words in text


def test_a_waiting_run_and_one_older_than_the_ledger_have_a_timeline(world: World) -> None:
    run = world.submit()
    found = timeline_of(run)
    assert (found.waited.is_now, found.holds) == (True, [])
    values = {"created_at": at(0), "claimed_at": at(5), "finished_at": at(25), "stage": Stage.COMPLETED}
    Run.objects.filter(pk=run.pk).update(attempt=1, **values)
    run.refresh_from_db()
    (hold,) = timeline_of(run).holds
    assert (hold.outcome, hold.is_broken) == ("completed", False)
    assert [part.seconds for part in hold.parts] == [20]


@pytest.mark.parametrize("outcome", ["timeout", "error", "canceled", "interrupted", "lost"])
def test_an_attempt_that_others_followed_is_a_break(world: World, outcome: str) -> None:
    """The platform's errors are tried again, and people resume what failed or was canceled."""
    run = held(world)
    Attempt.objects.filter(run=run, number=1).update(outcome=outcome)
    assert timeline_of(run, at(100)).holds[0].is_broken


@pytest.mark.parametrize(
    ("stage", "outcome", "broken"),
    [("ERROR", "error", False), ("CANCELED", "canceled", False), ("ERROR", "lost", True),
     ("SCHEDULING", "error", True)],
)  # fmt: skip
def test_the_attempt_with_which_a_run_ended_is_none(
    world: World, stage: str, outcome: str, broken: bool
) -> None:
    finished = None if stage == "SCHEDULING" else at(100)
    run = held(world, stage=stage, finished_at=finished)
    Attempt.objects.filter(run=run, number=2).update(outcome=outcome, ended_at=at(100))
    assert timeline_of(run, at(120)).holds[1].is_broken is broken


# --- time left


def test_time_left_is_the_pace_of_this_attempt_and_what_comes_after(world: World) -> None:
    run = world.submit()
    now = timezone.now()
    values = {"stage": Stage.RUNNING, "attempt": 2, "claimed_at": now - timedelta(seconds=20)}
    Run.objects.filter(pk=run.pk).update(progress_step=60, progress_total=100, **values)
    run.refresh_from_db()
    for step, ago in [(10, 5000), (40, 4000), (50, 10), (60, 0)]:
        RunMetric.objects.create(
            run=run, step=step, name="train/loss", value=1, at=now - timedelta(seconds=ago)
        )
    assert progress_of(run).seconds_left == pytest.approx(40, rel=0.01)
    run.forecast = {"seconds": 999, "parts": {"save": 3.0, "evaluate": 7.0, "steps": 80.0}}
    assert progress_of(run).seconds_left == pytest.approx(50, rel=0.01)


def test_before_the_first_step_the_forecast_tells_the_time_left(world: World) -> None:
    run = world.claim(world.submit()).run
    assert progress_of(run).seconds_left is None
    run.forecast = {"seconds": 120}
    assert progress_of(run).seconds_left == pytest.approx(120, abs=5)
    run.forecast = {"seconds": "soon", "parts": []}
    assert progress_of(run).seconds_left is None


# --- the log


def test_the_log_is_searched_with_the_lines_around(world: World, client: Client) -> None:
    run = world.submit()
    lines = [f"line {number}" for number in range(20)]
    lines[9] = "the <b>Needle</b> of 100% needles"
    say(run, *lines)
    log = log_of(run, "needle")
    assert log.count == 1
    assert len(log.lines) == 2 * AROUND + 1
    assert [text for line in log.lines for text, hit in line.pieces if hit] == ["Needle", "needle"]
    text = client.get(f"/runs/{run.uuid}?q=needle").text
    assert "&lt;b&gt;<mark>Needle</mark>&lt;/b&gt; of 100% <mark>needle</mark>s" in text
    assert "line 0<" not in text
    assert f'hx-get="/runs/{run.uuid}/progress?q=needle"' in text or run.has_ended
    assert "line 7" in client.get(f"/runs/{run.uuid}/progress?q=needle").text


def test_a_search_takes_signs_as_they_are(world: World, client: Client) -> None:
    run = world.submit()
    say(run, "100% of (rows)", "1000 rows", "a_b", "axb", "Käse")
    assert log_of(run, "100%").count == 1
    assert log_of(run, "(rows)").count == 1
    assert log_of(run, "a_b").count == 1
    assert log_of(run, "käse").lines[-1].is_hit
    for query in ("\0", "%00", "<script>", "x" * 3000, "☃"):
        assert client.get(f"/runs/{run.uuid}", {"q": query}).status_code == 200


def test_many_hits_are_cut_and_counted(world: World) -> None:
    run = world.submit()
    say(run, *["again"] * (MAX_FOUND + 50))
    log = log_of(run, "again")
    assert (log.count, log.is_cut) == (MAX_FOUND + 50, True)
    assert len(log.lines) <= MAX_FOUND + AROUND


def test_gaps_and_new_attempts_are_marked(world: World) -> None:
    run = world.submit()
    say(run, *["x"] * 10, "hit", *["x"] * 10, "hit")
    say(run, "hit", attempt=2)
    marks = [(line.after_gap, line.is_new_attempt) for line in log_of(run, "hit").lines]
    assert marks.count((True, False)) == 2
    assert marks[-1] == (False, True)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ValueError: no such column", "bad"),
        ("Traceback (most recent call last):", "bad"),
        ("fetching the dataset failed", "bad"),
        ("Out of memory with 32 rows at once: going on with 16", "warm"),
        ("Resuming after step 3 of 16.", "warm"),
        ("test: accuracy 0.9512 on 1000 rows", ""),
        ("terror and errorless terrace", ""),
    ],
)
def test_a_lines_colour_comes_from_its_words(text: str, level: str) -> None:
    assert level_of(text) == level


def test_the_log_can_be_downloaded(world: World, client: Client) -> None:
    run = world.submit()
    say(run, "hello")
    answer = client.get(f"/runs/{run.uuid}/log.txt?download=1")
    assert answer["Content-Disposition"] == f'attachment; filename="run-{str(run.uuid)[:8]}.log"'
    assert b"hello" in b"".join(answer.streaming_content)  # type: ignore[attr-defined]


# --- environment and lineage


def test_the_page_tells_machine_versions_commits_and_cost(world: World, client: Client) -> None:
    run = world.claim(world.submit()).run
    text = client.get(f"/runs/{run.uuid}").text
    assert "<dt>torch</dt><dd>2</dd>" in text
    assert f"/alice/base/tree/{run.base_oid}" in text
    summary = {
        "hardware": {"device": "A <fine> GPU", "cores": 16},
        "versions": {"torch": "2.14.1"},
        "resources": {"peak_memory_bytes": 2.5e9, "energy": {"watt_hours": 3.25}},
        "seconds": {"train": 125.0},
    }
    oid = "a" * 40
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, summary=summary, result_oid=oid)
    text = client.get(f"/runs/{run.uuid}").text
    for words in ("A &lt;fine&gt; GPU", "2.14.1", "2.5 GB", "2:05", f"/alice/result/blob/{oid}/run.json"):
        assert words in text


@pytest.mark.parametrize(
    "summary", [{"hardware": 3, "versions": ["x"], "resources": None, "seconds": "long"}]
)
def test_what_a_worker_tells_wrongly_breaks_no_page(
    world: World, client: Client, summary: dict[str, Any]
) -> None:
    run = world.submit()
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, summary=summary)
    assert client.get(f"/runs/{run.uuid}").status_code == 200


def test_lineage_goes_both_ways_and_through_the_gate(world: World, client: Client, carol: User) -> None:
    made = world.submit("alice/grown")
    Run.objects.filter(pk=made.pk).update(stage=Stage.COMPLETED)
    heir, again = world.submit("alice/heir"), world.submit("alice/again")
    Run.objects.filter(pk=heir.pk).update(base_repo=made.target_repo)
    Run.objects.filter(pk=again.pk).update(parent=made)
    text = client.get(f"/runs/{made.uuid}").text
    assert f'href="/runs/{heir.uuid}"' in text
    assert f'href="/runs/{again.uuid}"' in text
    assert f'href="/runs/{made.uuid}"' in client.get(f"/runs/{heir.uuid}").text
    assert f"/runs/compare?runs={made.uuid},{again.uuid}" in client.get(f"/runs/{again.uuid}").text
    assert heir.target_repo is not None
    heir.target_repo.private = True
    heir.target_repo.save()
    assert str(heir.uuid) not in client.get(f"/runs/{made.uuid}").text


def test_test_rows_have_their_thousands_set_apart(world: World, client: Client) -> None:
    run = world.submit()
    summary = {"evaluation": {"metric": "accuracy", "value": 0.9, "accuracy": 0.9, "n": 10000}}
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, summary=summary)
    assert "10,000 test rows" in client.get(f"/runs/{run.uuid}").text


def test_a_boards_metric_is_called_as_people_do(world: World, client: Client) -> None:
    board = world.data.benchmark
    board.tasks = [{**task, "metric": "macro_f1"} for task in board.tasks]
    board.save()
    assert "<span>macro-F1</span>" in client.get("/leaderboards").text


def test_a_page_with_much_in_it_asks_little(
    world: World, client: Client, django_assert_max_num_queries: Any
) -> None:
    run = held(world)
    say(run, *["line"] * 500)
    reports.report(run, attempt=2, metrics=[Metric(step, "train/loss", 1.0) for step in range(400)])
    with django_assert_max_num_queries(28):
        client.get(f"/runs/{run.uuid}")
    tag = client.get(f"/runs/{run.uuid}/progress")["ETag"]
    with django_assert_max_num_queries(6):
        idle = client.get(f"/runs/{run.uuid}/progress", headers={"if-none-match": tag})
    assert idle.status_code == 304


def test_a_new_activity_and_an_ended_attempt_change_the_tag(world: World, client: Client) -> None:
    run = held(world)
    first = client.get(f"/runs/{run.uuid}/progress")["ETag"]
    RunActivity.objects.create(run=run, attempt=2, name="evaluating")
    second = client.get(f"/runs/{run.uuid}/progress")["ETag"]
    Attempt.objects.filter(run=run, number=2).update(outcome="lost", ended_at=timezone.now())
    assert len({first, second, client.get(f"/runs/{run.uuid}/progress")["ETag"]}) == 3


def test_a_private_runs_parts_look_missing(world: World, client: Client, carol: User) -> None:
    run = world.submit()
    assert run.target_repo is not None
    run.target_repo.private = True
    run.target_repo.save()
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    for path in ("", "/curves", "/progress?q=a", "/log.txt?download=1"):
        assert client.get(f"/runs/{run.uuid}{path}").status_code == 404
    assert Actor(carol).user == carol
