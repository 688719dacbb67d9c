"""Preflights: one real measured step, asked for before a run is queued.

A preflight is a `Run` of its own kind without a target; it waits, is claimed and ends as any run does, and
stands in no list. Its `forecast` holds the key of the shape that it measures.
"""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace, User
from models_app.access import Forbidden, LoginRequired, Refusal, access_namespace
from runs import dispatch
from runs.access import RunNotFound, access_run
from runs.flavors import DEFAULT_FLAVOR, FLAVORS
from runs.freezing import Frozen, freeze
from runs.measurements import key_of, known_forecast, own_preflights
from runs.models import ENDED, Kind, Run
from training.recipe import Problem, Recipe, RecipeError

MAX_AT_ONCE = 3
MAX_AN_HOUR = 60
# The step itself is bounded by the engine; this is for fetching what it needs.
TIMEOUT_SECONDS = 1800
# As long as the ledger looks back.
KEPT_DAYS = 31


class TooManyPreflights(Refusal):
    """The person has as many measured steps under way, or behind them, as the hub takes from one person."""


@dataclass(frozen=True)
class Asked:
    """The answer: a forecast that was there already, or the preflight (`run`) that will tell it."""

    frozen: Frozen
    flavor: str
    namespace: Namespace
    forecast: dict[str, Any] = field(default_factory=dict)
    run: Run | None = None


def look(
    actor: Actor, *, recipe: Recipe, flavor: str = DEFAULT_FLAVOR, namespace: str | None = None
) -> Asked:
    """What is known already of the recipe on the flavor, or is under way; begins nothing.

    Raises RecipeError with every problem, by field (also `flavor`); Forbidden; LoginRequired.
    """
    if actor.user is None:
        raise LoginRequired("Sign in to ask what a run will need.")
    if actor.token is not None and actor.token.scopes.get("run"):
        raise Forbidden("A run's own token cannot start another run.")
    owner = access_namespace(actor, namespace, Level.WRITE, what="a run")
    problems: list[Problem] = []
    if flavor not in FLAVORS:
        problems.append(Problem("flavor", f"flavor must be one of {', '.join(FLAVORS)}."))
    frozen = freeze(actor, recipe, problems)
    if problems or frozen is None:
        raise RecipeError(problems)
    key = key_of(frozen)
    known = known_forecast(frozen.recipe.as_dict(), key, flavor, owner)
    under_way = None if known else own_preflights(owner, key, flavor).active().order_by("pk").first()
    return Asked(frozen, flavor, owner, known, under_way)


def ask(actor: Actor, *, recipe: Recipe, flavor: str = DEFAULT_FLAVOR, namespace: str | None = None) -> Asked:
    """What is known of the recipe on the flavor, or a preflight that is under way; asked twice, it is one.

    Raises what `look` raises, and TooManyPreflights.
    """
    asked = look(actor, recipe=recipe, flavor=flavor, namespace=namespace)
    if asked.forecast or asked.run is not None:
        return asked
    assert actor.user is not None  # `look` has refused anonymous callers
    with transaction.atomic():
        # Locked, so that of two requests at once the second sees what the first has queued.
        User.objects.select_for_update().filter(pk=actor.user.pk).first()
        key = key_of(asked.frozen)
        under_way = own_preflights(asked.namespace, key, flavor).active().order_by("pk").first()
        if under_way is None:
            _check_bounds(actor.user, timezone.now())
            under_way = _insert(actor.user, asked, key)
    return Asked(asked.frozen, flavor, asked.namespace, run=under_way)


def access_preflight(actor: Actor, uuid: str | uuids.UUID) -> Run:
    """The preflight with this id, if the actor may see it. Raises RunNotFound."""
    run = access_run(actor, uuid)
    if run.kind != Kind.PREFLIGHT:
        raise RunNotFound("There is no such preflight.")
    return run


def prune(now: datetime) -> int:
    """Forget preflights that ended long ago; the number of rows gone. What they measured stays."""
    old = now - timedelta(days=KEPT_DAYS)
    ended = Run.objects.filter(kind=Kind.PREFLIGHT, stage__in=ENDED, finished_at__lt=old)
    return ended.delete()[1].get("runs.Run", 0)


def _check_bounds(user: User, now: datetime) -> None:
    own = Run.objects.filter(kind=Kind.PREFLIGHT, created_by=user)
    if own.active().count() >= MAX_AT_ONCE:
        text = f"You have {MAX_AT_ONCE} measured steps under way; wait for one of them to end."
        raise TooManyPreflights(text)
    if own.filter(created_at__gt=now - timedelta(hours=1)).count() >= MAX_AN_HOUR:
        text = (
            f"You have asked for {MAX_AN_HOUR} measured steps within an hour; wait, or start the run without."
        )
        raise TooManyPreflights(text)


def _insert(user: User, asked: Asked, key: str) -> Run:
    frozen = asked.frozen
    run = Run.objects.create(
        kind=Kind.PREFLIGHT,
        namespace=asked.namespace,
        created_by=user,
        flavor=asked.flavor,
        activity="waiting for a worker",
        recipe=frozen.recipe.as_dict(),
        base_repo=frozen.base,
        base_oid=frozen.base_oid,
        dataset_repo=frozen.dataset,
        dataset_oid=frozen.dataset_oid,
        benchmark_repo=frozen.benchmark,
        benchmark_oid=frozen.benchmark_oid,
        timeout_seconds=min(TIMEOUT_SECONDS, settings.HUB_RUN_TIMEOUT_SECONDS),
        forecast={"key": key},
    )
    transaction.on_commit(lambda: dispatch.wake(run))
    return run
