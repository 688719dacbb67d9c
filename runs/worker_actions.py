"""What people and staff do to machines: add, drain, renew, remove. `worker` arguments come from the gate
`runs/worker_access.py`, or from the desk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Namespace
from accounts.tokens import hash_text, new_text
from models_app.actions.events import record_event
from models_app.actions.refusals import InvalidInput
from models_app.models import EventTag
from runs.flavors import FLAVORS
from runs.lifecycle import NotYourRun, finish_run, put_back
from runs.models import Run, Stage, Tier, Worker, WorkerState
from runs.workers import WORKER_TOKEN_PREFIX, enroll_worker

MAX_MACHINES = 50
# Only the hub's operator says whom everybody trusts.
TIERS_OF_PEOPLE = (Tier.OWNER, Tier.COMMUNITY)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


def add_machine(
    actor: Actor, *, namespace: Namespace, name: str, tier: str, flavors: Sequence[str]
) -> tuple[Worker, str]:
    """A machine of the namespace and the token it signs in with, told this once.

    It is kept as `namespace/name`. Raises InvalidInput with one sentence.
    """
    actor.at_browser()
    if not _NAME.fullmatch(name):
        raise InvalidInput("A machine's name has up to 48 ASCII letters, digits, '-', '_' and '.'.")
    if tier not in TIERS_OF_PEOPLE:
        raise InvalidInput(f"A machine's tier is one of {', '.join(TIERS_OF_PEOPLE)}.")
    if not flavors or not set(flavors) <= set(FLAVORS):
        raise InvalidInput(f"Choose what the machine is, of {', '.join(FLAVORS)}.")
    full = f"{namespace.name}/{name}"
    with transaction.atomic():
        # The row's lock lets of two who add at once one see the other.
        Namespace.objects.select_for_update().get(pk=namespace.pk)
        if Worker.objects.filter(owner=namespace).count() >= MAX_MACHINES:
            raise InvalidInput(f"{namespace.name} has {MAX_MACHINES} machines: remove one first.")
        if Worker.objects.filter(name__iexact=full).exists():
            raise InvalidInput(f"There is a machine {full} already.")
        worker, text = enroll_worker(full, flavors=list(flavors), tier=tier, owner=namespace)
        Worker.objects.filter(pk=worker.pk).update(created_by=actor.user)
        _record(actor, worker, "add")
    return worker, text


def set_state(actor: Actor, *, worker: Worker, state: str) -> None:
    """Say what is wanted of it: active, draining (it takes nothing more), or offline (its runs are put back,
    too). The worker hears of it at its next word to the hub."""
    wanted = WorkerState(state)
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(state=wanted)
        _record(actor, worker, wanted)
    if wanted == WorkerState.OFFLINE:
        release(worker)


def set_enabled(actor: Actor, *, worker: Worker, enabled: bool) -> None:
    """Let its token count, or count for nothing; then its runs are put back and their tokens end."""
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(is_enabled=enabled)
        _record(actor, worker, "enable" if enabled else "disable")
    if not enabled:
        release(worker)


def renew_token(actor: Actor, *, worker: Worker) -> str:
    """Another token in place of the one it has; told this once. A run in its hands goes on."""
    text = new_text(WORKER_TOKEN_PREFIX)
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(token_hash=hash_text(text))
        _record(actor, worker, "renew")
    return text


def remove_machine(actor: Actor, *, worker: Worker) -> None:
    """Forget the machine; its runs are put back for others. The ledger keeps its name."""
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(is_enabled=False)
        _record(actor, worker, "remove")
    release(worker)
    worker.delete()


def release(worker: Worker) -> int:
    """Take every run out of its hands: canceled ones end, the others wait again with their checkpoints; the
    number of them. Their tokens end, so that the machine publishes nothing any more."""
    runs = Run.objects.filter(worker=worker, stage=Stage.RUNNING).for_pages()
    return sum(_take_away(run) for run in runs)


def _take_away(run: Run) -> int:
    try:
        if run.cancel_requested_at is not None:
            finish_run(run, stage=Stage.CANCELED)
        else:
            put_back(run, lost=False)
    except NotYourRun:  # it ended by itself in the meantime
        return 0
    return 1


def _record(actor: Actor, worker: Worker, verb: str) -> None:
    record_event(actor, EventTag.MACHINE_CHANGE, machine=worker.name, verb=str(verb))
