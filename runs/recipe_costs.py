"""What runs of a recipe took, and how many failed."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Q

from accounts.actor import Actor
from runs.flavors import FLAVORS
from runs.models import Run, Stage

MAX_RUNS = 20_000


@dataclass
class Cost:
    """What its completed runs took on the kind of machine that most of them had."""

    runs: int = 0
    failed: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def flavor(self) -> str:
        return max(self.seconds, key=lambda name: len(self.seconds[name]), default="")

    @property
    def median_seconds(self) -> float | None:
        return statistics.median(self.seconds[self.flavor]) if self.flavor else None

    @property
    def machine(self) -> str:
        """The kind of machine in words."""
        flavor = FLAVORS.get(self.flavor)
        return flavor.title if flavor else self.flavor

    @property
    def gpu_minutes(self) -> float | None:
        """Where the machine has an accelerator."""
        flavor = FLAVORS.get(self.flavor)
        seconds = self.median_seconds
        return None if flavor is None or not flavor.accelerator_memory or seconds is None else seconds / 60

    def add(self, run: Run) -> None:
        """Count one run."""
        self.runs += 1
        self.failed += run.stage == Stage.ERROR
        if run.stage == Stage.COMPLETED and run.claimed_at and run.finished_at:
            self.seconds[run.flavor].append((run.finished_at - run.claimed_at).total_seconds())


def costs_by_method(actor: Actor, fingerprints: Collection[str]) -> dict[str, Cost]:
    """For each fingerprint how many runs there were and what they took; the newest 20,000."""
    costs: dict[str, Cost] = defaultdict(Cost)
    runs = runs_of_methods(actor, fingerprints).only(
        "stage", "flavor", "claimed_at", "finished_at", "recipe_fingerprint"
    )
    for run in runs.order_by("-pk").annotate(kept=F("target_repo__recipe__fingerprint"))[:MAX_RUNS]:
        costs[run.recipe_fingerprint or run.kept].add(run)
    return costs


def runs_of_methods(actor: Actor, fingerprints: Collection[str]) -> Any:
    """Runs that the actor may see of these methods; those of older releases by what they published."""
    told = Q(recipe_fingerprint__in=fingerprints)
    kept = Q(recipe_fingerprint="", target_repo__recipe__fingerprint__in=fingerprints)
    return Run.objects.visible_to(actor).training().filter(told | kept)
