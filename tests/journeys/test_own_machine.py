"""Somebody's own machine: pip installs the worker from the hub, one command starts it, it takes a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runs.wheel import wheel_name
from tests.journeys.conftest import Yard

pytestmark = pytest.mark.journeys
TOKEN = "tyw_ownmachineownmachineownmachine"
# Where Django and the hub's own rooms are not installed.
WALL = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "hub", "accounts", "models_app", "runs"):
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
"""


@pytest.fixture
def place(yard: Yard, tmp_path: Path) -> Path:
    """A folder with the worker that the hub hands out, as pip lays it out."""
    wanted = f"tuneyard[worker] @ {yard.hub.url}/api/workers/{wheel_name()}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir"]
    place = tmp_path / "there"
    subprocess.run([*command, "--target", str(place), wanted], check=True, timeout=120)
    (place / "sitecustomize.py").write_text(WALL)
    return place


def start(yard: Yard, place: Path, home: Path) -> subprocess.Popen[bytes]:
    """The command that the page shows, with the token in a file."""
    token = home / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "DJANGO_", "PYTHON"))}
    words = ["worker", "--hub", yard.hub.url, "--name", "box", "--flavors", "cpu-basic"]
    words += ["--token-file", str(token), "--home", str(home / "home")]
    with yard.log("own-machine").open("ab") as log:
        process = subprocess.Popen(
            [
                str(place / "bin" / "tuneyard"),
                *words,
                "--token-file",
                str(token),
                "--home",
                str(home / "home"),
            ],
            env={**kept, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yard.processes.append(process)
    return process


def test_a_run_lands_on_its_owners_machine(yard: Yard, place: Path, tmp_path: Path, target: str) -> None:
    yard.hub.manage(
        "provision", "--data-dir", str(yard.hub.data_dir),
        "--worker", "alice/box", "--owner", "alice", "--token", TOKEN,
    )  # fmt: skip
    with yard.asleep():
        process = start(yard, place, tmp_path)
        run_id = yard.submit(target)
        run = yard.wait_for_stage(run_id, "COMPLETED", seconds=120)
    assert len(yard.result_commits(run)) == 1
    held = "SELECT count(*) FROM runs_attempt WHERE worker_name = ? AND outcome = 'completed'"
    assert yard.count(held, "alice/box") == 1
    told = "SELECT count(*) FROM runs_worker WHERE name = 'alice/box' AND hardware LIKE '%memory_bytes%'"
    assert yard.count(told) == 1
    # measured, and not the hub's word
    assert "evaluation" in run["summary"]
    named = "SELECT count(*) FROM models_app_evalresult e JOIN models_app_repo r ON r.id = e.repo_id"
    named += " WHERE r.name = ?"
    name = target.partition("/")[2]
    assert (yard.count(named, name), yard.count(f"{named} AND e.verified", name)) == (1, 0)
    assert yard.end(process, signal.SIGTERM) == 0, yard.log("own-machine").read_text()[-3000:]
    assert yard.count("SELECT count(*) FROM runs_worker WHERE name = 'alice/box' AND doing = 'stopping'") == 1
    assert TOKEN not in yard.log("own-machine").read_text()
