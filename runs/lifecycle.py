"""What workers and time do to a run. Every step is one UPDATE naming the stage and attempt it expects.

A run is claimed by whoever's UPDATE hits the row first; `attempt` rises with each claim, and whatever an
older attempt says later is refused (`NotYourRun`). That, and the revoked token, is the fence.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AccessToken, TokenRole
from accounts.tokens import mint_token
from models_app.access import Refusal
from models_app.actions.events import record_event
from models_app.models import EventTag
from runs import dispatch
from runs.models import Run, Stage, Worker
from runs.published import find_published

# A worker that uploads as its time runs out should still be told so by the hub, not by its token.
TOKEN_MARGIN = timedelta(minutes=10)
MAX_RESEND_SECONDS = 3600
SILENT = "The worker stopped answering {losses} times in a row, so the run was given up. Submit it again; "
SILENT += "if it happens again, the worker's own log says why (often: out of memory)."
TIMEOUT = "The run took longer than its time limit of {hours:g} h and was stopped."


class NotClaimable(Refusal):
    """Somebody else has the run, it has ended, or this worker cannot serve it."""


class NotYourRun(Refusal):
    """The attempt that is speaking is not the run's current one; it must stop."""


@dataclass(frozen=True)
class Claim:
    """What a worker gets: the run, its token's text, and the commit an earlier attempt made, if any."""

    run: Run
    token: str
    published_oid: str | None


def claim(worker: Worker, uuid: uuids.UUID, *, flavors: Sequence[str], versions: dict[str, str]) -> Claim:
    """Take the run for this worker, or raise NotClaimable."""
    run = Run.objects.for_pages().filter(uuid=uuid, stage=Stage.SCHEDULING).first()
    missing = run and [what for what in ("base", "dataset", "target") if getattr(run, f"{what}_repo") is None]
    if run and missing:
        text = f"The {missing[0]} repo of this run was deleted before a worker took it."
        finish_run(run, stage=Stage.ERROR, message_id="run:repo-deleted", message=text)
        raise NotClaimable(text)
    return _take(worker, uuid, flavors, versions)


@transaction.atomic
def _take(worker: Worker, uuid: uuids.UUID, flavors: Sequence[str], versions: dict[str, str]) -> Claim:
    now = timezone.now()
    Worker.objects.filter(pk=worker.pk).update(last_seen_at=now, versions=versions)
    served = [flavor for flavor in flavors if flavor in worker.flavors]
    taken = Run.objects.filter(
        uuid=uuid, stage=Stage.SCHEDULING, cancel_requested_at=None, flavor__in=served
    ).update(
        stage=Stage.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker,
        claimed_at=now,
        heartbeat_at=now,
        activity="starting",
        message="",
        message_id="",
    )
    if not taken:
        raise NotClaimable("This run is not waiting for a worker like you.")
    run = Run.objects.for_pages().get(uuid=uuid)
    _revoke_tokens(run)
    return Claim(run, _mint_run_token(run, now), find_published(run))


def finish_run(
    run: Run,
    *,
    stage: Stage,
    message_id: str = "",
    message: str = "",
    result_oid: str = "",
    summary: dict[str, Any] | None = None,
) -> None:
    """End the run for good; its token dies with it. Raises NotYourRun when it has moved on."""
    with transaction.atomic():
        ended = Run.objects.filter(pk=run.pk, stage=run.stage, attempt=run.attempt).update(
            stage=stage,
            message_id=message_id[:64],
            message=message[:2000],
            result_oid=result_oid,
            summary={**run.summary, **(summary or {})},
            finished_at=timezone.now(),
            activity="",
        )
        if not ended:
            raise NotYourRun("This run has moved on without you.")
        _revoke_tokens(run)
        record_event(
            Actor(run.created_by),
            EventTag.RUN_FINISH,
            repo=run.target_repo,
            run=str(run.uuid),
            stage=str(stage),
            attempt=run.attempt,
        )


def put_back(run: Run, *, lost: bool) -> None:
    """Let another attempt take the run; `lost` counts against it, an orderly interruption does not."""
    with transaction.atomic():
        moved = Run.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempt=run.attempt).update(
            stage=Stage.SCHEDULING,
            activity="waiting for a worker",
            worker=None,
            heartbeat_at=None,
            claimed_at=None,
            sends=0,
            losses=F("losses") + int(lost),
        )
        if not moved:
            raise NotYourRun("This run has moved on without you.")
        _revoke_tokens(run)
        transaction.on_commit(lambda: dispatch.wake(run))


def requeue_stale(now: datetime) -> int:
    """Give the runs of silent workers to others, or up; the number of runs touched."""
    return sum(
        _settle(_requeue_one, run)
        for run in Run.objects.stale(now).select_related("created_by", "target_repo")
    )


def _requeue_one(run: Run) -> None:
    if run.cancel_requested_at is not None:
        finish_run(run, stage=Stage.CANCELED)
    elif run.losses + 1 >= settings.HUB_RUN_ATTEMPTS:
        text = SILENT.format(losses=run.losses + 1)
        finish_run(run, stage=Stage.ERROR, message_id="run:worker-lost", message=text)
    else:
        put_back(run, lost=True)


def end_overdue(now: datetime) -> int:
    """End the runs whose current attempt has used up its time; the number of runs ended."""
    running = Run.objects.filter(stage=Stage.RUNNING).select_related("created_by", "target_repo")
    overdue = [run for run in running if run.claimed_at and run.claimed_at + run.time_limit < now]
    return sum(_settle(_end_one, run) for run in overdue)


def _end_one(run: Run) -> None:
    text = TIMEOUT.format(hours=run.timeout_seconds / 3600)
    finish_run(run, stage=Stage.ERROR, message_id="run:timeout", message=text)


def _settle(step: Any, run: Run) -> int:
    """Take one step unless the worker was heard of in the meantime, which is good news."""
    try:
        step(run)
    except NotYourRun:
        return 0
    return 1


def resend_unclaimed(now: datetime) -> int:
    """Send wake-ups again for runs nobody took, after 1, 2, 4 … reaper periods and at most an hour."""
    waiting = Run.objects.filter(stage=Stage.SCHEDULING)
    due = [run for run in waiting if run.sent_at is None or run.sent_at + _patience(run.sends) < now]
    return sum(dispatch.wake(run) for run in due)


def _patience(sends: int) -> timedelta:
    doubled = settings.HUB_REAPER_SECONDS * 2 ** min(max(sends - 1, 0), 20)
    return timedelta(seconds=min(doubled, MAX_RESEND_SECONDS))


def _mint_run_token(run: Run, now: datetime) -> str:
    """A token that reads the base and the data, writes the target, reports this attempt, and ends with it."""
    read = [repo for repo in (run.base_repo, run.dataset_repo, run.benchmark_repo) if repo is not None]
    repos = {f"{repo.repo_type}:{repo.repo_id}": "read" for repo in read}
    if run.target_repo is not None:
        repos[f"model:{run.target_repo.repo_id}"] = "write"
    _, text = mint_token(
        run.created_by,
        name=f"run {run.uuid}",
        role=TokenRole.FINE_GRAINED,
        scopes={"repos": repos, "run": str(run.uuid), "attempt": run.attempt},
        expires_at=now + run.time_limit + TOKEN_MARGIN,
    )
    return text


def _revoke_tokens(run: Run) -> None:
    tokens = AccessToken.objects.filter(user=run.created_by, name=f"run {run.uuid}", revoked_at=None)
    tokens.filter(scopes__run=str(run.uuid)).update(revoked_at=timezone.now())
