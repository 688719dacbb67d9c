"""Any metric of any task reaches the proof, the curves and the pages; impossible numbers do not."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from models_app.models import Benchmark
from models_app.proofs import read_proof
from runs import reports
from runs.curves import curves_of
from runs.evaluations import other_scores, score_of
from runs.models import Run, Stage
from runs.reports import BadReport, Metric
from tests.runs.conftest import World

pytestmark = pytest.mark.django_db
FORECAST = {
    "metric": "mae",
    "value": 4.25,
    "lo": 4.0,
    "hi": 4.5,
    "n": 700,
    "mae": 4.25,
    "mase": 0.8,
    "rows": [1],
}


def test_a_score_is_the_evaluations_own_number_or_the_one_asked_for() -> None:
    own = score_of(FORECAST)
    assert own is not None
    assert (own.metric, own.value, own.count, own.lo, own.hi) == ("mae", 4.25, 700, 4.0, 4.5)
    other = score_of(FORECAST, "mase")
    assert other is not None
    assert (other.metric, other.value, other.lo) == ("mase", 0.8, None)
    assert [score.metric for score in other_scores(FORECAST)] == ["mase"]
    bounded = score_of({**FORECAST, "intervals": {"mase": [0.7, 0.9]}}, "mase")
    assert bounded is not None
    assert bounded.interval == (0.7, 0.9)
    assert score_of({**FORECAST, "intervals": {"mase": [0.7]}}, "mase").interval is None  # type: ignore[union-attr]
    assert [score.metric for score in other_scores(FORECAST, "mase")] == ["mae"]
    older = score_of({"accuracy": 0.5, "n": 4})
    assert older is not None
    assert (older.metric, older.value) == ("accuracy", 0.5)


@pytest.mark.parametrize(
    "evaluation",
    [{}, {"metric": "mae"}, {"metric": "mae", "value": float("nan")}, {"metric": "mae", "value": True},
     {"metric": "mae", "value": "4"}, {"metric": "accuracy", "value": 1.5, "n": 3}],
)  # fmt: skip
def test_what_is_no_number_is_no_score(evaluation: dict[str, Any]) -> None:
    assert score_of(evaluation) is None


def test_the_proof_is_of_the_leaderboards_metric(world: World) -> None:
    run = world.claim(world.submit()).run
    board = Benchmark.objects.get(repo=run.benchmark_repo)
    board.tasks = [{**task, "metric": "mase", "higher_is_better": False} for task in board.tasks]
    board.save()
    answer = reports.record_result(run, attempt=1, evaluation=FORECAST)
    assert (answer["metric"], answer["value"]) == ("mase", 0.8)
    run.refresh_from_db()
    assert run.score is not None
    assert (run.score.metric, run.score.value) == ("mase", 0.8)  # a run's page says what its board says
    claims = read_proof(answer["proof"])
    assert claims is not None
    assert claims["value"] == 0.8
    board.tasks = [{**task, "metric": "accuracy"} for task in board.tasks]
    board.save()
    with pytest.raises(BadReport, match="the leaderboard's accuracy"):
        reports.record_result(run, attempt=1, evaluation=FORECAST)


def test_pages_show_whatever_was_measured(world: World, client: Client) -> None:
    run = world.claim(world.submit()).run
    told = [("train/loss", 2.0), ("lr", 0.1), ("val/loss", 1.5), ("val/mae", 4.3), ("val/mase", 0.9)]
    reports.report(run, attempt=1, step=1, metrics=[Metric(1, name, value) for name, value in told])
    assert [curve.name for curve in curves_of(run)] == ["loss", "mae", "mase"]
    assert curves_of(run)[1].rows == [{"step": 1, "val": 4.3}]
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, summary={"evaluation": FORECAST})
    page = client.get(run.get_absolute_url()).content.decode()
    for words in ("4.25", "MAE", "700", "95 % interval 4 to 4.5", "MASE 0.8", 'series="train/mae val/mae"'):
        assert words in page
    assert "4.25" in client.get("/runs").content.decode()


def test_a_finished_runs_page_draws_what_was_measured(client: Client, world: World) -> None:
    run = world.claim(world.submit()).run
    evaluation = {"accuracy": 0.5, "n": 4, "labels": ["<i>a", "b"], "confusion": [[1, 1], [1, 1]]}
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, summary={"evaluation": evaluation})
    text = client.get(f"/runs/{run.uuid}").text
    assert text.count('class="plot"') == 1
    assert "<i>a" not in text
    assert "&lt;i&gt;a" in text
    Run.objects.filter(pk=run.pk).update(summary={"evaluation": {**evaluation, "confusion": "no"}})
    assert 'class="plot"' not in client.get(f"/runs/{run.uuid}").text
