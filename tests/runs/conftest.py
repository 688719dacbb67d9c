"""What a run needs: a base, a dataset that is a benchmark, a worker, a broker that only remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.models import Repo
from models_app.storage.operations import AddFile
from runs import actions
from runs.lifecycle import Claim, claim
from runs.models import Run, Worker
from runs.workers import enroll_worker
from training.recipe import parse_recipe

EVAL = b"name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"


def make_repo(owner: User, repo_type: str, name: str, files: dict[str, bytes], private: bool = False) -> Repo:
    actor = Actor(owner)
    repo = create_repo(actor, repo_type=repo_type, namespace=None, name=name, private=private)
    operations = [AddFile(path, content) for path, content in files.items()]
    commit(actor, repo=repo, branch="main", operations=operations, summary="Add files")
    repo.refresh_from_db()
    return repo


class Sent(list[str]):
    """The run ids of all wake-ups sent, in order; `broken` makes sending fail."""

    broken = False

    def send_task(self, name: str, args: list[str], queue: str, **options: Any) -> None:
        assert name == "training.execute_run"
        assert queue == "train.cpu-basic"
        if self.broken:
            raise ConnectionError("no broker")
        self.extend(args)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    sent = Sent()
    monkeypatch.setattr("runs.dispatch.current_app", sent)
    return sent


@dataclass
class World:
    """alice's base and benchmark, and how to start a run on them."""

    alice: User
    base: Repo
    data: Repo
    worker: Worker
    worker_token: str
    capture: Any

    def recipe(self, **changes: Any) -> dict[str, Any]:
        return {
            "base_model": {"repo": self.base.repo_id},
            "dataset": {"repo": self.data.repo_id},
            "benchmark": {"repo": self.data.repo_id, "task_id": "digits", "split": "test"},
            **changes,
        }

    def submit(self, target: str = "alice/result", *, actor: Actor | None = None, **options: Any) -> Run:
        recipe = parse_recipe(self.recipe(**options.pop("recipe", {})))
        with self.capture(execute=True):
            return actions.submit(actor or Actor(self.alice), recipe=recipe, target=target, **options)

    def claim(self, run: Run) -> Claim:
        return claim(self.worker, run.uuid, flavors=["cpu-basic"], versions={"torch": "2"})

    def publish(self, run: Run, *, actor: Actor | None = None) -> str:
        """The commit a worker would make."""
        assert run.target_repo is not None
        return commit(
            actor or Actor(self.alice),
            repo=run.target_repo,
            branch="main",
            operations=[AddFile("run.json", b"{}")],
            summary="Fine-tune",
            description=f"Run {run.uuid}",
        ).oid


@pytest.fixture
def world(alice: User, sent: Sent, django_capture_on_commit_callbacks: Any) -> World:
    base = make_repo(alice, "model", "base", {"config.json": b"{}", "model.safetensors": b"weights"})
    data = make_repo(alice, "dataset", "digits", {"eval.yaml": EVAL, "README.md": b"# Digits\n"})
    worker, token = enroll_worker("local", flavors=["cpu-basic"])
    return World(alice, base, data, worker, token, django_capture_on_commit_callbacks)
