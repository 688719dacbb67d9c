"""House prices on the hub: a table's run by a real worker stands on a board that ranks by another number."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.journeys.conftest import Yard
from training.finetune import finetune
from training.recipe import parse_recipe
from training.reporting import SilentReporter

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(300)]
HOUSES = Path(__file__).resolve().parents[1] / "training" / "slices" / "sacramento"
EVAL = "name: Prices\ntasks:\n- id: prices\n  split: test\n  metric: rmse\n"
DATA = {"repo": "alice/houses", "target_column": "price", "target_transform": "log"}


def published(yard: Yard, folder: Path) -> None:
    """alice/houses with its board, and a net that has seen them for an epoch as alice/prices."""
    shutil.copytree(HOUSES, folder / "data")
    (folder / "data" / "eval.yaml").write_text(EVAL)
    recipe = {"task": "tabular-regression", "init": "scratch", "dataset": DATA, "strategy": {"kind": "full"}}
    made = finetune(
        parse_recipe({**recipe, "optim": {"epochs": 1}}),
        base_dir=None,
        data_dir=folder / "data",
        work_dir=folder / "work",
        reporter=SilentReporter(),
    )
    api = yard.hub.api()
    for name, repo_type, path in (
        ("houses", "dataset", folder / "data"),
        ("prices", "model", made.model_dir),
    ):
        api.create_repo(f"alice/{name}", repo_type=repo_type)
        api.upload_folder(repo_id=f"alice/{name}", folder_path=path, repo_type=repo_type)


def test_the_board_ranks_by_its_own_metric(
    yard: Yard, worker: subprocess.Popen[bytes], target: str, tmp_path: Path
) -> None:
    published(yard, tmp_path)
    recipe = {
        "task": "tabular-regression",
        "base_model": {"repo": "alice/prices"},
        "dataset": DATA,
        "strategy": {"kind": "full"},
        "optim": {"epochs": 1},
        "benchmark": {"repo": "alice/houses", "task_id": "prices", "split": "test"},
    }
    run_id = str(yard.api().post("/api/runs", {"recipe": recipe, "target": target})["id"])
    measured = yard.wait_for_stage(run_id, "COMPLETED")["summary"]["evaluation"]
    board = yard.hub.api().get_dataset_leaderboard("alice/houses", base_model_only=False)
    (row,) = [row for row in board if row.model_id == target]
    assert (measured["metric"], row.verified) == ("r2", True)
    assert row.value == pytest.approx(measured["rmse"])
    low, high = measured["intervals"]["rmse"]
    assert low < measured["rmse"] < high
    card = Path(yard.hub.api().hf_hub_download(target, "README.md", local_dir=tmp_path / "got")).read_text()
    assert f"| RMSE | **{measured['rmse']:,.0f}** | {low:,.0f} – {high:,.0f} |" in card
