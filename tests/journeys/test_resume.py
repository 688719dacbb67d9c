"""A run that was stopped goes on where it was, with real processes."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Yard
from tests.journeys.test_recovery import LONG, OFTEN, alone, logged, points

__all__ = ["alone"]
pytestmark = [pytest.mark.journeys, pytest.mark.timeout(400)]


def test_a_stopped_run_is_resumed_and_its_curve_has_no_seam(alone: Yard, target: str) -> None:
    alone.start_worker("resuming", **OFTEN)
    run_id = alone.submit(target, **LONG)
    alone.wait_for(run_id, lambda run: (run.get("checkpoint") or {}).get("step", 0) > 20, 120)
    alone.api().post(f"/api/runs/{run_id}/cancel", {})
    stopped = alone.wait_for_stage(run_id, "CANCELED", 30)
    resumed = alone.api().post(f"/api/runs/{run_id}/resume", {})
    assert (resumed["id"], resumed["stage"], resumed["cancelRequested"]) == (run_id, "SCHEDULING", False)
    run = alone.wait_for_stage(run_id, "COMPLETED", 200)
    assert run["attempt"] == stopped["attempt"] + 1
    assert "Resuming after step" in logged(alone, run_id)
    drawn = points(alone, run_id)
    assert len(drawn) == len(set(drawn))
    assert len({step for step, name in drawn if name == "val/loss"}) == LONG["epochs"]
    assert alone.result_commits(run) == [run["resultOid"]]
    assert alone.finish_events(run_id) == 2  # one for each end
