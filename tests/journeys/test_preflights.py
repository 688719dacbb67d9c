"""A preflight by a real worker: measured once, told again for more epochs, true to the run that follows."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from tests.journeys.conftest import Yard

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(300)]


def recipe(epochs: int) -> dict[str, Any]:
    return {
        "base_model": {"repo": "alice/tiny"},
        "dataset": {"repo": "alice/shades", "image_size": 32, "validation_fraction": 0.2},
        "strategy": {"kind": "full"},
        "optim": {"epochs": epochs, "batch_size": 8, "lr": 3e-3},
        "benchmark": {"repo": "alice/shades", "task_id": "shades", "split": "test"},
    }


def ended(yard: Yard, preflight: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
    """The preflight when it is no longer under way."""
    deadline = time.monotonic() + seconds
    while preflight["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, yard.log("worker").read_text()[-3000:]
        time.sleep(0.2)
        preflight = yard.api().get(f"/api/preflights/{preflight['id']}", patience=10)
    return preflight


def test_what_is_foretold_comes_true(yard: Yard, worker: subprocess.Popen[bytes], target: str) -> None:
    found = ended(yard, yard.api().post("/api/preflights", {"recipe": recipe(1)}))
    assert found["state"] == "done", found
    told = found["forecast"]
    assert told["peak_memory_bytes"] > 50e6
    assert told["gpu_peak_memory_bytes"] is None
    assert told["steps"] > 0
    longer = yard.api().post("/api/preflights", {"recipe": recipe(3)})
    assert longer["state"] == "done"
    # Told in hundredths of a second: three times a rounded figure, against a rounded one.
    expected = pytest.approx(3 * told["parts"]["steps"], rel=0.1, abs=4 * 0.005)
    assert longer["forecast"]["parts"]["steps"] == expected
    run_id = str(yard.api().post("/api/runs", {"recipe": recipe(3), "target": target})["id"])
    run = yard.wait_for_stage(run_id, "COMPLETED")
    true = run["summary"]["resources"]["peak_memory_bytes"]
    # Time depends on who else uses this machine, memory does not.
    assert longer["forecast"]["peak_memory_bytes"] == pytest.approx(true, rel=0.25)
    assert yard.count("SELECT count(*) FROM runs_measurement") == 1


def test_a_recipe_that_cannot_be_trained_fails_in_words(yard: Yard, worker: subprocess.Popen[bytes]) -> None:
    wrong = recipe(1) | {"dataset": {"repo": "alice/shades", "train_split": "nothing"}}
    found = ended(yard, yard.api().post("/api/preflights", {"recipe": wrong}))
    assert found["state"] == "failed"
    assert "nothing" in found["message"]
