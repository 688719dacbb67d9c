"""What was foretold is held against what became true, on the run's page and over all runs."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.template.loader import render_to_string

from runs.models import Run, Stage
from runs.truth import compared
from tests.runs.conftest import World
from tests.runs.foretelling import MB, forecast


def ended(world: World, name: str, *, told: dict[str, Any] | None = None, **summary: Any) -> Run:
    run = world.submit(f"alice/{name}")
    kept = {key: value for key, value in (told or forecast()).items() if key != "measured"}
    Run.objects.filter(pk=run.pk).update(
        forecast=kept, stage=Stage.COMPLETED, attempt=1, summary=summary, activity=""
    )
    run.refresh_from_db()
    return run


def test_memory_and_time_are_compared(world: World) -> None:
    seconds = {"fetch": 100.0, "train": 38.0, "evaluate": 2.0, "total": 150.0}
    run = ended(world, "one", resources={"peak_memory_bytes": 650 * MB}, seconds=seconds)
    found = compared(run)
    assert found is not None
    assert (found.memory, found.true_memory) == (520 * MB, 650 * MB)
    assert found.memory_error == pytest.approx(-0.2)
    assert found.true_seconds == 40.0
    assert found.time_error == pytest.approx(run.forecast["seconds"] / 40.0 - 1)
    text = render_to_string("runs/_forecast.html", {"run": run})
    assert "foretold 520 MB" in text
    assert "was 650 MB" in text
    assert "was 0:40" in text


def test_of_a_gpu_the_memory_of_the_gpu(world: World) -> None:
    resources = {"peak_memory_bytes": 9000 * MB, "gpu_peak_memory_bytes": 500 * MB}
    found = compared(ended(world, "one", told=forecast(gpu=True), resources=resources))
    assert found is not None
    assert (found.is_of_gpu, found.true_memory) == (True, 500 * MB)


def test_what_may_stop_earlier_is_only_wrong_when_it_took_longer(world: World) -> None:
    told = forecast() | {"at_most": True}
    sooner = compared(ended(world, "one", told=told, seconds={"train": 5.0}))
    later = compared(ended(world, "two", told=told, seconds={"train": 500.0}))
    assert sooner is not None
    assert later is not None
    assert sooner.time_error is None
    assert later.time_error is not None
    assert later.time_error < 0


def test_without_a_foretelling_nothing_is_said(world: World) -> None:
    run = world.submit()
    assert compared(run) is None
    assert render_to_string("runs/_forecast.html", {"run": run}).strip() == ""


def test_a_run_under_way_shows_what_was_foretold(world: World) -> None:
    run = ended(world, "one")
    Run.objects.update(stage=Stage.RUNNING)
    run.refresh_from_db()
    text = render_to_string("runs/_forecast.html", {"run": run})
    assert "foretold 520 MB" in text
    assert "was" not in text


def test_a_run_that_went_on_from_a_checkpoint_tells_no_time(world: World) -> None:
    run = ended(world, "one", seconds={"train": 5.0}, resources={"peak_memory_bytes": MB})
    Run.objects.update(attempt=2)
    run.refresh_from_db()
    found = compared(run)
    assert found is not None
    assert (found.true_seconds, found.true_memory) == (None, MB)


def test_the_report_has_medians_by_task_and_flavor(world: World) -> None:
    def report() -> str:
        out = StringIO()
        call_command("preflight_report", stdout=out)
        return out.getvalue()

    assert "No run" in report()
    for name, memory in (("one", 520), ("two", 500), ("three", 260)):
        ended(world, name, resources={"peak_memory_bytes": memory * MB}, seconds={"train": 36.8})
    line = report().splitlines()[1].split()
    assert line[:3] == ["image-classification", "cpu-basic", "3"]
    assert line[3:5] == ["4.0%", "66.7%"]
    assert line[6] == "100.0%"
