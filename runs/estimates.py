"""What a forecast means on one flavor: whether it fits, what would make it fit, what it costs. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Namespace
from models_app.templatetags.hub import file_size
from runs.choices import flavors_served
from runs.flavors import FLAVORS, Flavor, Money, cost
from runs.forecasts import UNKNOWN, Room, Verdict, for_run, judge
from runs.freezing import Frozen
from runs.measurements import key_of, known_forecast
from runs.models import Worker
from runs.room import room_of, workers_for
from training.recipe import Problem

ONLINE = timedelta(seconds=120)


@dataclass(frozen=True)
class Estimate:
    """One flavor; without a forecast (`{}`) nothing was measured on it. `is_online`: a machine of it is."""

    flavor: Flavor
    forecast: Mapping[str, Any]
    room: Room
    verdict: Verdict = UNKNOWN
    cost: Money | None = None
    is_online: bool = False

    @property
    def needs(self) -> int | None:
        """Bytes of the memory that limits: the accelerator's where there is one."""
        return self.forecast.get("gpu_peak_memory_bytes") or self.forecast.get("peak_memory_bytes")

    @property
    def there_is(self) -> int | None:
        """Bytes there are of that memory, where it is known."""
        return self.room.gpu_memory if self.forecast.get("gpu_peak_memory_bytes") else self.room.memory


def estimate(kept: Mapping[str, Any], flavor: str, namespace: Namespace | None) -> Estimate:
    """What a forecast (`{}`: there is none) means on the flavor, for the namespace."""
    workers = workers_for(namespace, flavor)
    room, online = room_of(flavor, workers), any(_is_online(worker) for worker in workers)
    if not kept:
        return Estimate(FLAVORS[flavor], kept, room, is_online=online)
    price = cost(flavor, float(kept["seconds"]))
    return Estimate(FLAVORS[flavor], kept, room, judge(kept, room), price, online)


def estimates(recipe: Mapping[str, Any], key: str, namespace: Namespace) -> list[Estimate]:
    """One for each flavor that is served, in the usual order."""
    return [
        estimate(known_forecast(recipe, key, flavor.name, namespace), flavor.name, namespace)
        for flavor in flavors_served()
    ]


def foretold(frozen: Frozen, flavor: str, namespace: Namespace, problems: list[Problem]) -> dict[str, Any]:
    """What a run is going to need, as it is kept with it; empty where its shape was never measured.

    Notes a problem where it cannot fit, at the field whose change would make it fit.
    """
    kept = known_forecast(frozen.recipe.as_dict(), key_of(frozen), flavor, namespace)
    verdict = estimate(kept, flavor, namespace).verdict
    if verdict.fits is False:
        problems.append(_too_large(verdict, flavor))
    return for_run(kept)


def _too_large(verdict: Verdict, flavor: str) -> Problem:
    what = "GPU memory" if verdict.is_of_gpu else "memory"
    needs, there_is = file_size(verdict.needs), file_size(verdict.there_is)
    text = f"this needs {needs} of {what}, and {flavor} has {there_is}."
    if verdict.change is None:
        return Problem("flavor", f"flavor: {text} Choose larger hardware, or a smaller base model.")
    field = next(iter(verdict.change.fields))
    would = file_size(verdict.change.needs)
    return Problem(field, f"{field}: {text} Set {verdict.change.words} (needs {would}).")


def is_online(flavor: str, namespace: Namespace | None) -> bool:
    """Whether a machine of the flavor was heard of lately."""
    return any(_is_online(worker) for worker in workers_for(namespace, flavor))


def _is_online(worker: Worker) -> bool:
    return worker.last_seen_at is not None and worker.last_seen_at > timezone.now() - ONLINE
