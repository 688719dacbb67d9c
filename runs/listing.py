"""The list of runs: narrowed by stage, person, model, data, task and sweep, searched, sorted. Reads only."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, DurationField, ExpressionWrapper, F, Q
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.content.evals import lower_is_better
from models_app.views.lists import Choice, Facet, page_of
from runs.models import Run, RunQuerySet, Stage, Sweep

LONGEST_QUERY = 100
MAX_FACETS = 8
# So many finished runs are put in order by their scores, the newest of them; no list is read beyond it.
MAX_SCORED = 5000
SORTS = {
    "newest": _("Newest"),
    "oldest": _("Oldest"),
    "score": _("Best score"),
    "quickest": _("Quickest"),
    "longest": _("Longest"),
}
FACETS = {"task": _("Task"), "model": _("Base model"), "dataset": _("Dataset")}


@dataclass(frozen=True)
class Wanted:
    """What the address asks for; what makes no sense in it is left out."""

    stage: str = ""
    is_mine: bool = False
    search: str = ""
    sort: str = "newest"
    sweep: str = ""
    facets: dict[str, str] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.stage or self.is_mine or self.search or self.sweep or any(self.facets.values()))


def wanted_of(query: QueryDict, actor: Actor) -> Wanted:
    """Read from the address."""
    text = {name: str(value).replace("\0", "").strip()[:200] for name, value in query.items()}
    stage, sort, sweep = text.get("stage", ""), text.get("sort", ""), text.get("sweep", "")
    return Wanted(
        stage if stage in Stage.values else "",
        bool(text.get("mine")) and actor.user is not None,
        text.get("search", "")[:LONGEST_QUERY],
        sort if sort in SORTS else "newest",
        sweep if _uuid(sweep) else "",
        {name: text.get(name, "") for name in FACETS},
    )


def listed(actor: Actor, wanted: Wanted, number: str | None, size: int) -> Page[Any]:
    """One page of the runs asked for that the actor may see, in the order asked for."""
    rows = _narrowed(actor, wanted)
    if wanted.sort != "score":
        return page_of(_sorted(rows, wanted.sort).for_pages(), number, size)
    page: Page[Any] = Paginator(_by_score(rows), size).get_page(number)
    found = {run.pk: run for run in rows.filter(pk__in=list(page.object_list)).for_pages()}
    page.object_list = [found[pk] for pk in page.object_list if pk in found]
    return page


def facets_of(actor: Actor, wanted: Wanted, query: QueryDict) -> list[Facet]:
    """The most frequent values of each facet under every other choice; a query each."""
    return [Facet(name, title, _choices(actor, wanted, query, name)) for name, title in FACETS.items()]


def sweep_of(actor: Actor, wanted: Wanted) -> Sweep | None:
    """The sweep whose runs are asked for, where the actor may see any of them."""
    if not wanted.sweep or not Run.objects.visible_to(actor).filter(sweep__uuid=wanted.sweep).exists():
        return None
    return Sweep.objects.filter(uuid=wanted.sweep).first()


def _narrowed(actor: Actor, wanted: Wanted, but: str = "") -> RunQuerySet:
    rows = Run.objects.visible_to(actor).training()
    if wanted.stage:
        rows = rows.filter(stage=wanted.stage)
    if wanted.is_mine:
        rows = rows.filter(created_by=actor.user)
    if wanted.sweep:
        rows = rows.filter(sweep__uuid=wanted.sweep)
    for name, value in wanted.facets.items():
        if value and name != but:
            rows = rows.filter(_HAVING[name](value))
    return rows.filter(_matching(wanted.search)) if wanted.search else rows


def _matching(text: str) -> Q:
    """Every word somewhere: in the name of the result, of its base or data, in who started it, in the id."""
    found = Q()
    for word in text.split()[:8]:
        either = Q(created_by__username__iexact=word)
        for repo in ("target_repo", "base_repo", "dataset_repo"):
            space, _slash, name = word.rpartition("/")
            fits = Q(**{f"{repo}__name__icontains": name})
            either |= fits & Q(**{f"{repo}__namespace__name__iexact": space}) if space else fits
        if uuid := _uuid(word):
            either |= Q(uuid=uuid)
        found &= either
    return found


def _repo(path: str) -> Callable[[str], Q]:
    def having(repo_id: str) -> Q:
        space, _slash, name = repo_id.rpartition("/")
        return Q(**{f"{path}__namespace__name__iexact": space, f"{path}__name__iexact": name})

    return having


def _task(value: str) -> Q:
    return Q(recipe__task=value)


_HAVING: dict[str, Callable[[str], Q]] = {
    "task": _task,
    "model": _repo("base_repo"),
    "dataset": _repo("dataset_repo"),
}
_COLUMNS = {
    "task": ("recipe__task",),
    "model": ("base_repo__namespace__name", "base_repo__name"),
    "dataset": ("dataset_repo__namespace__name", "dataset_repo__name"),
}


def _choices(actor: Actor, wanted: Wanted, query: QueryDict, name: str) -> list[Choice]:
    columns, chosen = _COLUMNS[name], wanted.facets[name]
    rows = _narrowed(actor, wanted, but=name).order_by().values_list(*columns)
    counted = rows.annotate(count=Count("pk")).order_by("-count", *columns)[: MAX_FACETS + 1]
    values = {"/".join(map(str, row[:-1])): row[-1] for row in counted if row[0]}
    values = dict(list(values.items())[:MAX_FACETS])
    if chosen:
        values.setdefault(chosen, 0)
    return [_choice(query, name, value, count, chosen) for value, count in values.items()]


def _choice(query: QueryDict, name: str, value: str, count: int, chosen: str) -> Choice:
    address, is_chosen = query.copy(), value.lower() == chosen.lower()
    address.pop("page", None)
    if is_chosen:
        address.pop(name, None)
    else:
        address[name] = value
    return Choice(value, count, is_chosen, f"?{address.urlencode()}")


def _sorted(rows: RunQuerySet, sort: str) -> RunQuerySet:
    if sort == "oldest":
        return rows.order_by("created_at", "pk")
    if sort in ("quickest", "longest"):
        took = ExpressionWrapper(F("finished_at") - F("claimed_at"), output_field=DurationField())
        order = F("took").desc if sort == "longest" else F("took").asc
        return rows.filter(stage=Stage.COMPLETED).annotate(took=took).order_by(order(nulls_last=True), "pk")
    return rows.order_by("-created_at", "-pk")


def _by_score(rows: RunQuerySet) -> list[int]:
    """Keys of finished runs, those of one metric together, the best of them first."""
    path = "summary__evaluation__"
    finished = rows.filter(stage=Stage.COMPLETED).order_by("-created_at")
    known = finished.values_list("pk", f"{path}metric", f"{path}value", f"{path}accuracy")[:MAX_SCORED]
    scored: list[tuple[str, float, int]] = []
    for pk, metric, value, accuracy in known:
        # Results of older releases name no metric: theirs is the accuracy.
        number = accuracy if value is None else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            name = str(metric or "accuracy")
            scored.append((name, number if lower_is_better(name) else -number, pk))
    return [pk for _metric, _value, pk in sorted(scored)]


def _uuid(text: str) -> uuids.UUID | None:
    try:
        return uuids.UUID(text)
    except ValueError:
        return None
