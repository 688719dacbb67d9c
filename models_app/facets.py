"""The ways in which lists of repos are narrowed: what an address may say, and the condition it stands for.

Between facets all must hold, of several values of one facet any; only of the permissions wanted of a licence
all must hold. What makes no sense in an address is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from models_app.content.licences import licences_allowing
from models_app.models import EvalResult, Repo, RepoTag, RepoType

MAX_VALUES = 20
MAX_VALUE_CHARS = 128
# What a net needs to answer, beside its weights: activations, buffers, the library itself.
RUNNING_OVERHEAD = 1.2
GIB = 1024**3
MAX_GIB = 4096
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
_END = r"(?:(\d{1,12}(?:\.\d{1,3})?)([KMBGT]?))?"
_RANGE = re.compile(f"{_END}-{_END}")
_MEMORY = re.compile(r"\d{1,4}(?:\.\d{1,2})?")


@dataclass(frozen=True)
class Facet:
    """One way to narrow a list. `kind` tells where its values are: in a column or in tags of a repo, in a
    number that ranges or a limit are put to, or in a table of their own."""

    name: str
    title: Any
    kind: str
    # Of a column or a number the path from a repo, of tags their kind.
    path: str = ""
    # What is offered where not the repos themselves say it, with the words for it.
    offered: tuple[tuple[str, Any], ...] = ()
    help: Any = ""

    @property
    def is_open(self) -> bool:
        """Whether any value may be named, and not only what is offered."""
        return self.kind in ("column", "tags") and not self.offered

    def accepts(self, value: str) -> bool:
        """Whether the address may say this."""
        return bool(value) and _ACCEPTS[self.kind](self, value)

    def condition(self, values: Sequence[str]) -> Q:
        """Repos that have any of these accepted values."""
        return _CONDITIONS[self.kind](self, values)


def range_of(text: str) -> tuple[float, float] | None:
    """`1B-7B`, `-100M` or `70B-` as its two ends, the lower one inclusive; None for anything else."""
    found = _RANGE.fullmatch(text)
    if found is None or not (found[1] or found[3]):
        return None
    low = float(found[1]) * _UNITS[found[2]] if found[1] else 0.0
    high = float(found[3]) * _UNITS[found[4]] if found[3] else math.inf
    return (low, high) if low < high else None


def bytes_that_fit(gib: str) -> int:
    """The most bytes of weights with which a model answers in this much memory."""
    return int(float(gib) * GIB / RUNNING_OVERHEAD)


def _fits_a_range(facet: Facet, value: str) -> bool:
    return range_of(value) is not None


def _fits_a_memory(facet: Facet, value: str) -> bool:
    return bool(_MEMORY.fullmatch(value)) and 0 < float(value) <= MAX_GIB


def _is_offered(facet: Facet, value: str) -> bool:
    return not facet.offered or value in dict(facet.offered)


def _column(facet: Facet, values: Sequence[str]) -> Q:
    return Q(**{f"{facet.path}__in": list(values)})


def _tags(facet: Facet, values: Sequence[str]) -> Q:
    rows = RepoTag.objects.filter(repo=OuterRef("pk"), kind=facet.path, value__in=list(values))
    return Q(Exists(rows))


def _range(facet: Facet, values: Sequence[str]) -> Q:
    condition = Q()
    for low, high in filter(None, map(range_of, values)):
        part = Q(**{f"{facet.path}__gte": int(low)})
        if high != math.inf:
            part &= Q(**{f"{facet.path}__lt": int(high)})
        condition |= part
    return condition


def _memory(facet: Facet, values: Sequence[str]) -> Q:
    most = max(bytes_that_fit(value) for value in values)
    return Q(**{f"{facet.path}__gt": 0, f"{facet.path}__lte": most})


def _permission(facet: Facet, values: Sequence[str]) -> Q:
    return Q(card__license__in=sorted(licences_allowing(*values)))


_ACCEPTS: dict[str, Callable[[Facet, str], bool]] = {
    "column": _is_offered,
    "tags": _is_offered,
    "permission": _is_offered,
    "range": _fits_a_range,
    "memory": _fits_a_memory,
}
_CONDITIONS: dict[str, Callable[[Facet, Sequence[str]], Q]] = {
    "column": _column,
    "tags": _tags,
    "permission": _permission,
    "range": _range,
    "memory": _memory,
}

PARAMETERS = (
    ("-100M", _("under 100M")), ("100M-1B", "100M – 1B"), ("1B-3B", "1B – 3B"), ("3B-10B", "3B – 10B"),
    ("10B-70B", "10B – 70B"), ("70B-", _("70B and more")),
)  # fmt: skip
SIZES = (
    ("-10M", _("under 10 MB")), ("10M-100M", "10 – 100 MB"), ("100M-1G", "100 MB – 1 GB"),
    ("1G-10G", "1 – 10 GB"), ("10G-100G", "10 – 100 GB"), ("100G-", _("100 GB and more")),
)  # fmt: skip
MEMORIES = tuple((str(gib), f"{gib} GB") for gib in (2, 4, 8, 12, 16, 24, 48, 80))
PERMISSIONS = (
    ("commercial-use", _("use it commercially")),
    ("modification", _("change it")),
    ("redistribution", _("pass it on")),
    ("no-share-alike", _("keep my changes to myself")),
    ("no-attribution", _("give no credit")),
)
MODEL_FORMATS = tuple((name, name) for name in ("safetensors", "onnx", "gguf", "pytorch"))
GATES = (
    ("false", _("open to everybody")), ("auto", _("after a form")), ("manual", _("after the owner agrees")),
)  # fmt: skip
_RUNS_IN = _("To run it: weights and a fifth more. Full fine-tuning needs about four times as much.")
_PERMISSION = Facet("permission", _("I want to"), "permission", offered=PERMISSIONS)
_LICENSE = Facet("license", _("Licence"), "column", "card__license")
_LANGUAGE = Facet("language", _("Language"), "tags", "language")
_SIZE = Facet("size", _("Size of all files"), "range", "card__total_bytes", SIZES)
_GATED = Facet("gated", _("Access"), "column", "gated", GATES)

FACETS: dict[str, tuple[Facet, ...]] = {
    RepoType.MODEL: (
        Facet("task", _("Task"), "column", "card__pipeline_tag"),
        Facet("library", _("Library"), "column", "card__library_name"),
        _PERMISSION,
        _LICENSE,
        _LANGUAGE,
        Facet("params", _("Parameters"), "range", "card__parameters", PARAMETERS),
        Facet("fits", _("Fits my machine"), "memory", "card__weights_bytes", MEMORIES, _RUNS_IN),
        _SIZE,
        Facet("dataset", _("Trained on"), "tags", "dataset"),
        Facet("base", _("Made from"), "tags", "base_model"),
        Facet("format", _("Format"), "tags", "tag", MODEL_FORMATS),
        _GATED,
    ),
    RepoType.DATASET: (
        Facet("task", _("Task"), "tags", "task_categories"),
        _PERMISSION,
        _LICENSE,
        _LANGUAGE,
        Facet("rows", _("Number of examples"), "tags", "size_categories"),
        _SIZE,
        Facet("format", _("Format"), "tags", "format"),
        _GATED,
    ),
    RepoType.SPACE: (_LICENSE, _GATED),
    RepoType.KERNEL: (_LICENSE, _GATED),
}
# Parameters of a list that say which result on which board a model must have.
BOARD_PARAMETERS = ("board", "task_id", "min", "max")


def facets_of(repo_type: str) -> tuple[Facet, ...]:
    """How lists of this type are narrowed; recipes and tutorials by their licence alone."""
    return FACETS.get(repo_type, (_LICENSE,))


def measured_results(board: str, task_id: str, low: float | None, high: float | None) -> QuerySet[EvalResult]:
    """Verified results on the board (of its task with this id) within the bounds."""
    boards = Repo.objects.named(RepoType.DATASET, board).values("pk")
    results = EvalResult.objects.filter(verified=True, benchmark__repo__in=boards)
    if task_id:
        results = results.filter(task_id=task_id)
    if low is not None:
        results = results.filter(value__gte=low)
    if high is not None:
        results = results.filter(value__lte=high)
    return results
