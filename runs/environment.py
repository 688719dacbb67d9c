"""Where a run was computed, with what, from which commits: what it takes to have it again. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from models_app.models import Repo
from models_app.templatetags.hub import duration, file_size
from runs.models import Run

MAX_VERSIONS = 40


@dataclass(frozen=True)
class Pinned:
    """A repo at one commit, and its page there; `repo` is None where it was deleted."""

    what: str
    repo: Repo | None
    oid: str
    address: str


@dataclass(frozen=True)
class Environment:
    """`machine`, `cost`: (words, value) pairs; `versions` of packages; `manifest`: where run.json is."""

    machine: list[tuple[str, str]]
    cost: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    commits: list[Pinned]
    manifest: str


def environment_of(run: Run) -> Environment:
    """What the worker told at the end; while it goes on, what it said of itself when it claimed the run."""
    told, worker = run.summary, run.worker
    versions = _mapping(told.get("versions")) or _mapping(worker.versions if worker else None)
    named = sorted((str(name), str(value)) for name, value in versions.items())
    return Environment(_machine(run), _cost(told), named[:MAX_VERSIONS], list(_commits(run)), _manifest(run))


def _machine(run: Run) -> list[tuple[str, str]]:
    told = _mapping(run.summary.get("hardware"))
    own = _mapping(run.worker.hardware if run.worker else None)
    found = [
        (_("Worker"), run.worker.name if run.worker else ""),
        (_("Flavor"), run.flavor),
        (_("Device"), told.get("device") or own.get("gpu") or ""),
        (_("GPU memory"), file_size(_number(own.get("gpu_memory_bytes")))),
        (_("Memory"), file_size(_number(own.get("memory_bytes")))),
        (_("Cores"), told.get("cores") or own.get("cores") or ""),
        (_("Threads"), told.get("threads") or ""),
        (_("System"), told.get("system") or own.get("platform") or ""),
        (_("Seed"), run.recipe.get("seed", "")),
        (_("Repeatable kernels"), _yes(run.recipe.get("deterministic"))),
        (_("Time limit"), duration(run.timeout_seconds)),
    ]
    return [(words, str(value)) for words, value in found if value not in ("", None)]


def _cost(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    resources, seconds = _mapping(told.get("resources")), _mapping(told.get("seconds"))
    energy = _mapping(resources.get("energy"))
    hours = _number(energy.get("watt_hours"))
    found = [
        (_("Fetching"), duration(_number(seconds.get("fetch")))),
        (_("Training"), duration(_number(seconds.get("train")))),
        (_("Evaluating"), duration(_number(seconds.get("evaluate")))),
        (_("In all"), duration(_number(seconds.get("total")))),
        (_("Peak memory"), file_size(_number(resources.get("peak_memory_bytes")))),
        (_("Peak GPU memory"), file_size(_number(resources.get("gpu_peak_memory_bytes")))),
        (_("Processor time"), duration(_number(resources.get("cpu_seconds")))),
        (_("Energy"), "" if hours is None else _("%(hours).2g Wh") % {"hours": hours}),
    ]
    return [(words, value) for words, value in found if value]


def _commits(run: Run) -> list[Pinned]:
    pins = [
        (_("Base model"), run.base_repo, run.base_oid),
        (_("Dataset"), run.dataset_repo, run.dataset_oid),
        (_("Benchmark"), run.benchmark_repo, run.benchmark_oid),
        (_("Result"), run.target_repo, run.result_oid),
    ]
    return [Pinned(what, repo, oid, _at(repo, "tree", oid)) for what, repo, oid in pins if oid]


def _manifest(run: Run) -> str:
    if not run.result_oid:
        return ""
    address = _at(run.target_repo, "blob", run.result_oid)
    return f"{address}/run.json" if address else ""


def _at(repo: Repo | None, kind: str, oid: str) -> str:
    return f"{repo.get_absolute_url()}/{kind}/{oid}" if repo is not None else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _yes(value: Any) -> str:
    return "" if value is None else _("yes") if value else _("no")
