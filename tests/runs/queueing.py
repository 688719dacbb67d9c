"""Rows for tests of the queue: runs of several namespaces without the cost of a git repo each."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.models import User
from models_app.models import Repo
from runs.lifecycle import Claim, claim_next
from runs.models import Attempt, Run, Worker
from tests.runs.conftest import World

_NUMBERS = count()
FLAVORS = ["cpu-basic"]


def wait(world: World, owner: User, *, ago: float = 0, private: bool = False, **fields: Any) -> Run:
    """A run of this person's namespace that was submitted so many seconds ago."""
    name = f"queued-{next(_NUMBERS)}"
    target = Repo.objects.create(
        repo_type="model", namespace=owner.namespace, name=name, private=private, head_oid="0" * 40
    )
    values = {
        "namespace": owner.namespace,
        "created_by": owner,
        "recipe": world.recipe() | {"task": "image-classification"},
        "base_repo": world.base,
        "base_oid": world.base.head_oid,
        "dataset_repo": world.data,
        "dataset_oid": world.data.head_oid,
        "target_repo": target,
        "created_at": timezone.now() - timedelta(seconds=ago),
    }
    return Run.objects.create(**values | fields)


def take(worker: Worker) -> Claim | None:
    return claim_next(worker, flavors=FLAVORS, versions={"torch": "2"})


def computed(run: Run, seconds: float, *, ended: datetime | None = None, **fields: Any) -> Attempt:
    """An entry of the ledger: this run was completed after so many charged seconds."""
    ended = ended or timezone.now()
    values = {
        "number": 1,
        "namespace": run.namespace,
        "flavor": run.flavor,
        "started_at": ended - timedelta(seconds=seconds),
        "ended_at": ended,
        "outcome": "completed",
        "seconds": seconds,
        "charged_seconds": seconds,
    }
    return Attempt.objects.create(run=run, **values | fields)
