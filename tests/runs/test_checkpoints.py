"""Checkpoints on the hub: the newest of each run, whole or not at all, for its current attempt alone."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from runs import checkpoints, lifecycle, reports, tasks
from runs.lifecycle import Claim
from runs.models import Run, Stage
from runs.reports import Metric
from tests.runs.conftest import World

pytestmark = pytest.mark.django_db
BODY = b"weights and moments" * 100


@pytest.fixture
def claim(world: World) -> Claim:
    return world.claim(world.submit())


def put(
    client: Client,
    claim: Claim,
    body: bytes = BODY,
    *,
    step: Any = 7,
    attempt: Any = 1,
    sha256: str | None = None,
    token: str | None = None,
) -> HttpResponse:
    return client.put(
        f"/api/runs/{claim.run.uuid}/checkpoint?attempt={attempt}&step={step}",
        body,
        content_type="application/octet-stream",
        headers={
            "Authorization": f"Bearer {token or claim.token}",
            "X-Checksum-Sha256": hashlib.sha256(body).hexdigest() if sha256 is None else sha256,
        },
    )


def get(client: Client, claim: Claim, attempt: int = 1) -> Any:
    path = f"/api/runs/{claim.run.uuid}/checkpoint?attempt={attempt}"
    return client.get(path, headers={"Authorization": f"Bearer {claim.token}"})


def files(run: Run) -> list[str]:
    folder = Path(settings.HUB_CHECKPOINTS_DIR) / str(run.uuid)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_newest_is_kept_and_handed_out(client: Client, claim: Claim, world: World) -> None:
    assert put(client, claim, b"old", step=3).status_code == 200
    answer = put(client, claim)
    sha256 = hashlib.sha256(BODY).hexdigest()
    assert answer.json() == {"step": 7, "bytes": len(BODY), "sha256": sha256}
    assert files(claim.run) == [sha256]
    claim.run.refresh_from_db()
    assert (claim.run.checkpoint_step, claim.run.checkpoint_bytes) == (7, len(BODY))
    found = get(client, claim)
    assert (b"".join(found.streaming_content), found["X-Checksum-Sha256"]) == (BODY, sha256)
    # a worker that goes on is told of it
    lifecycle.put_back(claim.run, lost=True)
    again = world.claim(claim.run)
    assert again.run.checkpoint_sha256 == sha256
    assert b"".join(get(client, again, 2).streaming_content) == BODY


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sha256": "0" * 64}, 400),
        ({"sha256": ""}, 400),
        ({"sha256": "../../etc/passwd"}, 400),
        ({"step": ""}, 400),
        ({"step": "-1"}, 400),
        ({"step": 2**31}, 400),
        ({"step": "٣"}, 400),
        ({"attempt": 2}, 409),
        ({"attempt": "x"}, 400),
        ({"token": "hf_" + "x" * 37}, 401),
        ({"body": b""}, 411),
    ],
)
def test_what_is_refused_leaves_what_was_there(
    client: Client, claim: Claim, changes: dict[str, Any], status: int
) -> None:
    put(client, claim, b"old", step=3)
    before = files(claim.run)
    answer = put(client, claim, **changes)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert files(claim.run) == before
    claim.run.refresh_from_db()
    assert claim.run.checkpoint_step == 3


def test_one_that_is_too_large_is_told_the_bound(client: Client, claim: Claim, settings: Any) -> None:
    settings.HUB_MAX_CHECKPOINT_BYTES = 10
    answer = put(client, claim)
    assert (answer.status_code, "10" in answer.json()["error"]) == (413, True)
    assert files(claim.run) == []


def test_a_full_disk_is_told_and_nothing_is_left(
    client: Client, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("runs.checkpoints.os.fsync", full)
    assert put(client, claim).status_code == 507
    assert files(claim.run) == []


def test_half_a_body_is_nothing(claim: Claim) -> None:
    from io import BytesIO

    from models_app.storage.streams import BodyCutShort

    with pytest.raises(BodyCutShort):
        checkpoints.keep(claim.run, attempt=1, step=1, size=100, sha256="0" * 64, body=BytesIO(b"half"))
    assert files(claim.run) == []


def test_who_lost_the_run_while_sending_changes_nothing(
    client: Client, claim: Claim, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, replace = claim.run, os.replace

    def lose(source: str, target: str) -> None:
        replace(source, target)
        lifecycle.put_back(run, lost=True)
        world.claim(run)

    monkeypatch.setattr("runs.checkpoints.os.replace", lose)
    assert put(client, claim).status_code == 409
    run.refresh_from_db()
    assert (run.attempt, run.checkpoint_step) == (2, None)


def test_a_run_that_begins_before_its_checkpoint_has_none(
    client: Client, claim: Claim, django_capture_on_commit_callbacks: Any
) -> None:
    reports.report(claim.run, attempt=1, step=8, metrics=[Metric(8, "train/loss", 1.0)])
    put(client, claim)
    claim.run.refresh_from_db()
    reports.report(claim.run, attempt=1, step=7)
    claim.run.refresh_from_db()
    assert claim.run.checkpoint_step == 7
    with django_capture_on_commit_callbacks(execute=True):
        reports.report(claim.run, attempt=1, step=0)
    claim.run.refresh_from_db()
    assert (claim.run.checkpoint_step, claim.run.metrics.count(), files(claim.run)) == (None, 0, [])


@pytest.mark.parametrize(
    ("stage", "days", "stays"),
    [
        (Stage.RUNNING, 30, True),
        (Stage.ERROR, 6, True),
        (Stage.ERROR, 8, False),
        (Stage.CANCELED, 8, False),
        (Stage.COMPLETED, 0, False),
    ],
)
def test_who_needs_it_no_more_keeps_none(
    client: Client,
    claim: Claim,
    stage: Stage,
    days: int,
    stays: bool,
    django_capture_on_commit_callbacks: Any,
) -> None:
    put(client, claim)
    now = timezone.now()
    Run.objects.update(stage=stage, finished_at=now - timedelta(days=days), heartbeat_at=now)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.reap()
    claim.run.refresh_from_db()
    assert (claim.run.checkpoint_step == 7, bool(files(claim.run))) == (stays, stays)


def test_files_that_no_row_names_are_swept(client: Client, claim: Claim) -> None:
    put(client, claim)
    root = Path(settings.HUB_CHECKPOINTS_DIR)
    stray = root / "3e9d7f86-0000-4000-8000-000000000000" / "x"
    young, old = root / str(claim.run.uuid) / "incoming-young", root / str(claim.run.uuid) / "incoming-old"
    for path in (stray, young, old):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    for path in (stray, old):
        os.utime(path, (time.time() - 2 * checkpoints.LEFT_ALONE_SECONDS,) * 2)
    checkpoints.collect(timezone.now())
    assert not stray.parent.exists()
    assert (young.exists(), old.exists(), len(files(claim.run))) == (True, False, 2)
