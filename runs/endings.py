"""How an attempt ends: its run is over, or waits for another attempt. The token dies, the ledger is closed.

As everything in `runs/lifecycle.py`, which is how others call it, each end is one UPDATE that names the
stage and the attempt it expects.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.events import record_event
from models_app.models import EventTag
from runs import dispatch, ledger, notices
from runs.doctor import is_platform_fault
from runs.models import Kind, Run, RunLog, Stage
from runs.runtokens import revoke_run_tokens

# Seconds before each further attempt after a fault of the platform; the last holds for all that follow.
PAUSES = (30, 120, 480)
# Beyond every number that a worker may give its own lines: at the end of the attempt.
HUB_SEQ = 2**30
AGAIN = "Attempt {number} failed, and not by your fault: {why} The run is tried again in {pause}."


class NotYourRun(Refusal):
    """The attempt that is speaking is not the run's current one; it must stop."""


def finish_run(
    run: Run,
    *,
    stage: Stage,
    message_id: str = "",
    message: str = "",
    result_oid: str = "",
    summary: dict[str, Any] | None = None,
) -> None:
    """End the run for good; its token dies with it. Raises NotYourRun when it has moved on.

    An error that is the platform's does not end it while there are attempts left: it is put back.
    """
    if stage == Stage.ERROR and run.stage == Stage.RUNNING and is_platform_fault(message_id):
        if run.cancel_requested_at is not None:
            stage = Stage.CANCELED
        elif run.losses + 1 < settings.HUB_RUN_ATTEMPTS:
            _try_again(run, message_id, message)
            return
    with transaction.atomic():
        now = timezone.now()
        ended = Run.objects.filter(pk=run.pk, stage=run.stage, attempt=run.attempt).update(
            stage=stage,
            message_id=message_id[:64],
            message=message[:2000],
            result_oid=result_oid,
            summary={**run.summary, **(summary or {})},
            finished_at=now,
            activity="",
        )
        if not ended:
            raise NotYourRun("This run has moved on without you.")
        outcome = ledger.outcome_of(stage, message_id)
        ledger.close_attempt(run, outcome=outcome, message_id=message_id, message=message)
        revoke_run_tokens(run)
        if run.kind == Kind.TRAIN:  # a measured step is nobody's news
            record_event(
                Actor(run.created_by),
                EventTag.RUN_FINISH,
                repo=run.target_repo,
                run=str(run.uuid),
                stage=str(stage),
                attempt=run.attempt,
                message_id=message_id[:64],
                message=message[:2000],
            )
            notices.note_end(run, stage=stage, ended_at=now)


def _try_again(run: Run, message_id: str, message: str) -> None:
    pause = PAUSES[min(run.losses, len(PAUSES) - 1)]
    words = f"{pause} seconds" if pause < 120 else f"{pause // 60} minutes"
    text = AGAIN.format(number=run.attempt, why=message or "the worker did not say why.", pause=words)
    _put_back(
        run,
        outcome="error",
        losses=1,
        line=text,
        activity="waiting to be tried again",
        not_before=timezone.now() + timedelta(seconds=pause),
        message_id=message_id[:64],
        message=text[:2000],
    )


def put_back(run: Run, *, lost: bool) -> None:
    """Let another attempt take the run; `lost` counts against it, an orderly interruption does not.

    Its checkpoint stays, and the next attempt goes on from there. Raises NotYourRun.
    """
    if lost:
        line = f"The worker of attempt {run.attempt} stopped answering; the run waits for another."
        _put_back(run, outcome="lost", losses=1, line=line)
    else:
        line = f"Attempt {run.attempt} was interrupted in good order; the run waits for another worker."
        _put_back(run, outcome="interrupted", losses=0, line=line)


def _put_back(run: Run, *, outcome: str, losses: int, line: str, **changes: Any) -> None:
    fresh = {"activity": "waiting for a worker", "worker": None, "heartbeat_at": None, "claimed_at": None}
    same = Run.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempt=run.attempt)
    with transaction.atomic():
        moved = same.filter(cancel_requested_at=None).update(
            **fresh | changes, stage=Stage.SCHEDULING, sends=0, sent_at=None, losses=F("losses") + losses
        )
        if not moved and same.exists():  # asked to stop a moment ago: nobody takes it again
            finish_run(run, stage=Stage.CANCELED)
            return
        if not moved:
            raise NotYourRun("This run has moved on without you.")
        told = {name: changes[name] for name in ("message_id", "message") if name in changes}
        ledger.close_attempt(run, outcome=outcome, **told)
        revoke_run_tokens(run)
        _tell(run, line)
        transaction.on_commit(lambda: dispatch.wake(run))


def _tell(run: Run, text: str) -> None:
    """The hub's own last line in the log of the attempt."""
    line = RunLog(run=run, attempt=run.attempt, seq=HUB_SEQ, at=timezone.now(), text=text[:2000])
    RunLog.objects.bulk_create([line], ignore_conflicts=True)
