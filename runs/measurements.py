"""Measured steps, used again: which shape a recipe has, what is known of it, and how to keep what is new."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from accounts.models import Namespace
from runs.forecast_reading import checked, scaled
from runs.freezing import Frozen
from runs.models import Kind, Measurement, Run, Stage, Tier
from training.shapes import shape_key

log = logging.getLogger(__name__)


def key_of(frozen: Frozen) -> str:
    """Of everything that decides memory and pace; runs with one key need the same a step."""
    return shape_key(
        frozen.recipe.as_dict(),
        base_oid=frozen.base_oid,
        dataset_oid=frozen.dataset_oid,
        benchmark_oid=frozen.benchmark_oid,
    )


def known_forecast(
    recipe: Mapping[str, Any], key: str, flavor: str, namespace: Namespace | None = None
) -> dict[str, Any]:
    """What was measured of this shape on this flavor, for this recipe's epochs; empty where nothing was.

    Measured for everybody on a worker that the operator trusts, or for the namespace on one of its own.
    """
    found = Measurement.objects.filter(key=key, flavor=flavor).values_list("forecast", flat=True).first()
    if found is None and namespace is not None:
        own = own_preflights(namespace, key, flavor).filter(stage=Stage.COMPLETED)
        summary = own.order_by("-finished_at").values_list("summary", flat=True).first() or {}
        found = summary.get("forecast")
    try:
        return scaled(found, recipe) if found else {}
    except Exception:  # measured by an engine of another release: it is as good as not measured
        log.info("the measurement %s on %s cannot be used any more", key[:8], flavor, exc_info=True)
        return {}


def own_preflights(namespace: Namespace, key: str, flavor: str) -> Any:
    """The namespace's preflights of this shape, whatever became of them."""
    wanted = Q(kind=Kind.PREFLIGHT, namespace=namespace, flavor=flavor, forecast__key=key)
    return Run.objects.filter(wanted)


def keep_forecast(run: Run, plain: Any) -> dict[str, Any]:
    """Keep what a preflight's worker told for every run of the shape; the forecast, read strictly.

    What a machine of somebody else says stays with this preflight: it is nobody else's truth. Raises
    NoForecast.
    """
    forecast = checked(plain, run.recipe)
    worker, key = run.worker, run.forecast.get("key")
    if key and worker is not None and worker.tier == Tier.TRUSTED:
        Measurement.objects.update_or_create(
            key=key, flavor=run.flavor, defaults={"forecast": forecast, "worker_name": worker.name}
        )
    return forecast
