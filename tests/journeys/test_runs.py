"""From the button to the leaderboard with real processes, and what happens when they die on the way."""

from __future__ import annotations

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub.errors import HfHubHTTPError

from tests.journeys.conftest import WORKER_TOKEN, Yard
from training.hubclient import HubApi, NoLongerOurs

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(300)]
LONG = {"epochs": 400}


def claim(yard: Yard, run_id: str) -> dict:
    body = {"worker": "by hand", "flavors": ["cpu-basic"], "versions": {}}
    return HubApi(yard.hub.url, WORKER_TOKEN).post(f"/api/runs/{run_id}/claim", body)


def is_training(run: dict) -> bool:
    return run["stage"] == "RUNNING" and run["progress"]["step"] > 0


def test_from_submission_to_the_leaderboard(
    yard: Yard, worker: subprocess.Popen[bytes], target: str, tmp_path: Path
) -> None:
    run_id = yard.submit(target)
    run = yard.wait_for_stage(run_id, "COMPLETED")
    assert run["attempt"] == 1
    measured = run["summary"]["evaluation"]
    board = yard.hub.api().get_dataset_leaderboard("alice/shades", base_model_only=False)
    (row,) = [row for row in board if row.model_id == target]
    assert row.value == pytest.approx(measured["accuracy"])
    assert row.verified
    folder = Path(yard.hub.api().snapshot_download(target, local_dir=tmp_path))
    manifest = json.loads((folder / "run.json").read_text())
    assert (manifest["run"], manifest["evaluation"]) == (run_id, measured)
    assert yard.hub.api().model_info(target).card_data.base_model == "alice/tiny"
    assert yard.result_commits(run) == [run["resultOid"]]
    assert not (yard.hub.data_dir / "worker" / "runs" / run_id).exists()


def test_a_killed_worker_costs_time_only(yard: Yard, worker: subprocess.Popen[bytes], target: str) -> None:
    run_id = yard.submit(target, epochs=60)
    yard.wait_for(run_id, is_training)
    yard.end(worker, signal.SIGKILL)
    assert yard.run(run_id)["stage"] == "RUNNING"  # nobody has noticed yet
    yard.worker()
    run = yard.wait_for_stage(run_id, "COMPLETED", 120)
    assert (run["attempt"], yard.losses(run_id)) == (2, 1)
    assert yard.result_commits(run) == [run["resultOid"]]
    assert yard.finish_events(run_id) == 1


def test_a_worker_told_to_stop_hands_the_run_back_at_once(
    yard: Yard, worker: subprocess.Popen[bytes], target: str
) -> None:
    run_id = yard.submit(target, **LONG)
    yard.wait_for(run_id, is_training)
    before = yard.run(run_id)["progress"]["step"]
    yard.end(worker, seconds=30)
    assert worker.returncode == 0
    assert yard.run(run_id)["stage"] == "SCHEDULING"
    assert yard.losses(run_id) == 0  # handed back, not taken from a silent worker
    yard.worker()
    run = yard.wait_for(run_id, lambda run: run["attempt"] == 2 and is_training(run))
    assert run["progress"]["step"] >= before  # it went on from the checkpoint
    yard.api().post(f"/api/runs/{run_id}/cancel", {})
    yard.wait_for_stage(run_id, "CANCELED")


def test_canceled_in_the_middle(yard: Yard, worker: subprocess.Popen[bytes], target: str) -> None:
    run_id = yard.submit(target, **LONG)
    yard.wait_for(run_id, is_training)
    yard.api().post(f"/api/runs/{run_id}/cancel", {})
    run = yard.wait_for_stage(run_id, "CANCELED", 15)
    assert yard.result_commits(run) == []
    assert yard.finish_events(run_id) == 1


def test_a_lost_message_loses_no_run(yard: Yard, target: str) -> None:
    with yard.asleep():
        run_id = yard.submit(target)
        for path in yard.messages.glob("*.train.cpu-basic.msg"):
            path.unlink()
    yard.wait_for_stage(run_id, "COMPLETED")


def test_the_hub_may_restart_under_a_run(yard: Yard, worker: subprocess.Popen[bytes], target: str) -> None:
    run_id = yard.submit(target, epochs=60)
    yard.wait_for(run_id, is_training)
    yard.hub.stop()
    yard.hub.start()
    run = yard.wait_for_stage(run_id, "COMPLETED")
    assert yard.finish_events(run_id) == 1
    assert yard.result_commits(run) == [run["resultOid"]]


def test_a_worker_that_died_after_publishing_publishes_no_second_time(yard: Yard, target: str) -> None:
    with yard.asleep():
        run_id = yard.submit(target)
        first = claim(yard, run_id)
        manifest = {"run": run_id, "metrics": {"val/accuracy": 0.5}, "seconds": {"total": 1}}
        stock = yard.hub.api()
        stock.token = first["token"]
        published = stock.upload_file(
            path_or_fileobj=json.dumps(manifest).encode(),
            path_in_repo="run.json",
            repo_id=target,
            commit_message="Fine-tune",
            commit_description=f"Run {run_id}",
        )
    run = yard.wait_for_stage(run_id, "COMPLETED")  # though the first attempt said no more
    assert (run["attempt"], run["resultOid"]) == (2, published.oid)
    assert run["summary"]["metrics"] == {"val/accuracy": 0.5}
    assert len(yard.result_commits(run)) == 1


def test_a_cut_off_worker_can_neither_publish_nor_report(yard: Yard, target: str) -> None:
    with yard.asleep():
        run_id = yard.submit(target)
        first = claim(yard, run_id)
        yard.wait_for(run_id, lambda run: run["stage"] == "SCHEDULING", 30)
        assert claim(yard, run_id)["attempt"] == 2
        stock = yard.hub.api()
        stock.token = first["token"]
        with pytest.raises(HfHubHTTPError, match="401"):
            stock.upload_file(path_or_fileobj=b"late", path_in_repo="late.txt", repo_id=target)
        for what in ("report", "finish"):
            with pytest.raises(NoLongerOurs):
                HubApi(yard.hub.url, first["token"]).post(f"/api/runs/{run_id}/{what}", {"attempt": 1})
        assert "late.txt" not in yard.hub.api().list_repo_files(target)
        yard.api().post(f"/api/runs/{run_id}/cancel", {})


def test_of_many_workers_one_gets_it(yard: Yard, target: str) -> None:
    def attempt(_: int) -> bool:
        try:
            claim(yard, run_id)
        except NoLongerOurs:
            return False
        return True

    with yard.asleep():
        run_id = yard.submit(target)
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(16))) == 1
        yard.api().post(f"/api/runs/{run_id}/cancel", {})


def test_broken_data_is_the_users_fault_in_words(
    yard: Yard, worker: subprocess.Popen[bytes], target: str
) -> None:
    api = yard.hub.api()
    name = f"{target}-data"
    api.create_repo(name, repo_type="dataset")
    for label in ("dark", "light"):
        for index in range(3):
            path = f"train/{label}/{index}.png"
            api.upload_file(path_or_fileobj=b"no png", path_in_repo=path, repo_id=name, repo_type="dataset")
    recipe = {"base_model": {"repo": "alice/tiny"}, "dataset": {"repo": name, "image_size": 32}}
    run_id = yard.api().post("/api/runs", {"recipe": recipe, "target": target})["id"]
    run = yard.wait_for_stage(run_id, "ERROR")
    assert run["messageId"] == "data:broken-image"
    assert ".png" in run["message"]
    assert "Traceback" not in run["message"]
