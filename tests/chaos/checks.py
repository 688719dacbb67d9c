"""What must be true in the end, whatever happened on the way: asked of the database, git and the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.stage import Stage

# (step, name, value) of every point of the run, how it ended, and its attempts.
ASK = """
import json
from models_app.models import Event
from runs.models import Run
from accounts.models import AccessToken
told = []
for run in Run.objects.filter(uuid__in={ids!r}).prefetch_related("attempts"):
    told.append(dict(
        id=str(run.uuid), stage=run.stage, message=run.message, result=run.result_oid, attempt=run.attempt,
        target=run.target_repo.repo_id, checkpoint=run.checkpoint_sha256,
        points=[list(row) for row in run.metrics.values_list("step", "name", "value")],
        finishes=Event.objects.filter(tag="run:run:finish", data__run=str(run.uuid)).count(),
        tokens=AccessToken.objects.filter(name=f"run {{run.uuid}}", revoked_at=None).count(),
        attempts=[dict(number=row.number, outcome=row.outcome, seconds=row.seconds,
                       charged=row.charged_seconds, from_step=row.from_step) for row in run.attempts.all()],
    ))
print(json.dumps(told))
"""


def told_of(stage: Stage, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Everything the hub knows of these runs."""
    return {row["id"]: row for row in stage.asked(ASK.format(ids=ids))}


def misses(stage: Stage, ids: list[str], reference: dict[str, Any]) -> list[str]:
    """One sentence for each thing that is not as it must be."""
    rows = told_of(stage, ids)
    found = [f"run {run_id} is lost" for run_id in ids if run_id not in rows]
    for row in rows.values():
        found += [f"run {row['id']}: {text}" for text in _of_run(stage, row, reference)]
    found += _left_behind(stage)
    return found


def _of_run(stage: Stage, row: dict[str, Any], reference: dict[str, Any]) -> Iterator[str]:
    if row["stage"] != "COMPLETED":
        yield f"is {row['stage']} ({row['message']})"
        return
    if row["finishes"] != 1:
        yield f"has {row['finishes']} finish events"
    if row["tokens"]:
        yield "has a token that is still good"
    commits = stage.hub.api().list_repo_commits(row["target"])
    made = [commit.commit_id for commit in commits if f"Run {row['id']}" in commit.message]
    if made != [row["result"]]:
        yield f"has {len(made)} result commits"
    yield from _of_curve(row["points"], reference["points"])
    yield from _of_attempts(row)


def _of_curve(points: list[list[Any]], expected: list[list[Any]]) -> Iterator[str]:
    """Every validation of the undisturbed run, its very value, and a train point in each of its epochs."""
    have = {(step, name): value for step, name, value in points}
    if len(have) != len(points):
        yield "has a point twice"
    wanted = {(step, name): value for step, name, value in expected if name.startswith("val/")}
    lacking = sorted(key for key in wanted if key not in have)
    if lacking:
        yield f"lacks {len(lacking)} points of validation, first {lacking[0]}"
    more = sorted(key for key in have if key[1].startswith("val/") and key not in wanted)
    if more:
        yield f"has {len(more)} validations too many, first {more[0]}"
    for key in wanted.keys() & have.keys():
        if not math.isclose(wanted[key], have[key], rel_tol=1e-4, abs_tol=1e-6):
            yield f"{key} is {have[key]}, undisturbed {wanted[key]}"
            break
    epochs = sorted({step for step, name in wanted})
    told = sorted({step for step, name in have if name == "train/loss"})
    holes = [epoch for before, epoch in zip([0, *epochs], epochs, strict=False)
             if not any(before < step <= epoch for step in told)]  # fmt: skip
    if holes:
        yield f"has no train point in {len(holes)} epochs, first before step {holes[0]}"


def _of_attempts(row: dict[str, Any]) -> Iterator[str]:
    """The ledger: every attempt has ended, one completed, and lost time costs nothing."""
    attempts = row["attempts"]
    if [item["number"] for item in attempts] != list(range(1, row["attempt"] + 1)):
        yield f"has attempts {[item['number'] for item in attempts]}, claimed {row['attempt']} times"
    if [item["outcome"] for item in attempts].count("completed") != 1:
        yield f"has attempts that ended {[item['outcome'] for item in attempts]}"
    if any(item["charged"] for item in attempts if item["outcome"] == "lost"):
        yield "was charged for a lost worker's time"


def _left_behind(stage: Stage) -> Iterator[str]:
    """Nothing of finished runs lies on the hub's or on a worker's disk."""
    kept = [path for path in (stage.hub.data_dir / "checkpoints").rglob("*") if path.is_file()]
    if kept:
        yield f"{len(kept)} checkpoints are left on the hub"
    for home in sorted(stage.folder.glob("worker-*")):
        yield from (f"{_short(path, stage)} is left" for path in (home / "runs").glob("*"))


def _short(path: Path, stage: Stage) -> str:
    return str(path.relative_to(stage.folder))
