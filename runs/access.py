"""The gate of runs: who may see a run follows from its target repo; who may stop it, from writing there."""

from __future__ import annotations

import uuid as uuids

from accounts.actor import Actor, Level
from models_app.access import Forbidden, LoginRequired, Refusal, effective_level
from runs.models import Run


class RunNotFound(Refusal):
    """There is no such run, or none that this caller may know of."""


def access_run(actor: Actor, uuid: str | uuids.UUID, need: Level = Level.READ) -> Run:
    """The run with this id, if the actor may do `need` with it.

    Raises RunNotFound, Forbidden or LoginRequired.
    """
    run = Run.objects.for_pages().filter(uuid=_parse(uuid)).first()
    if run is None:
        raise RunNotFound("There is no such run.")
    level = run_level(actor, run)
    if level < Level.READ:
        raise RunNotFound("There is no such run.")
    if level < need:
        if actor.is_anonymous:
            raise LoginRequired("Sign in to change this run.")
        raise Forbidden("You don't have write access to the repo this run publishes to.")
    return run


def run_level(actor: Actor, run: Run) -> Level:
    """The level on the run's target repo; where that is gone, on the namespace the run belongs to."""
    if run.target_repo is not None:
        return effective_level(actor, run.target_repo)
    level = actor.namespace_levels.get(run.namespace_id, Level.NONE)
    return min(level, actor.namespace_ceiling(run.namespace))


def _parse(uuid: str | uuids.UUID) -> uuids.UUID:
    try:
        return uuid if isinstance(uuid, uuids.UUID) else uuids.UUID(uuid)
    except ValueError:
        raise RunNotFound("There is no such run.") from None
