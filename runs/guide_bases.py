"""Models to begin with, in the order of the wizard's first stage."""

from __future__ import annotations

from django.db.models import Count, F, Q, QuerySet

from accounts.actor import Actor
from models_app.fitting import may_be_tuned
from models_app.models import BaseModelEdge, Repo

# A large hub has thousands of models that something was made from. It is looked whether so many of them
# fit, and what the actor sees of their children is counted of so many times as are shown.
MOST_LOOKED_AT = 500
SPARE = 2
_HEAVY = ("card__html", "card__siblings", "card__search_text", "card__metadata")
_LIKED = ("-likes_count", "-downloads_30d", "-last_modified", "-pk")


def bases_to_begin_with(actor: Actor, asked: str, most: int) -> list[tuple[Repo, int]]:
    """Those that most others were made from, each with the number of these that the actor may see; then the
    most liked and downloaded, then the newest."""
    rows = _fitting(actor, asked).order_by(*_LIKED)
    named = _named_most()
    parents = list(rows.filter(pk__in=named).values_list("pk", flat=True))
    fitting = set(parents)
    counts = _children_seen(actor, [pk for pk in named if pk in fitting][: most * SPARE])
    # Sorting keeps the order of what is equal, which is that of likes.
    ranked = sorted((pk for pk in parents if pk in counts), key=lambda pk: -counts[pk])[:most]
    shown = rows.select_related("namespace", "card").prefetch_related("tag_rows").defer(*_HEAVY)
    found = sorted(shown.filter(pk__in=ranked), key=lambda repo: ranked.index(repo.pk))
    if len(found) < most:
        found += shown.exclude(pk__in=ranked)[: most - len(found)]
    return [(repo, counts.get(repo.pk, 0)) for repo in found]


def _named_most() -> list[int]:
    edges = BaseModelEdge.objects.filter(parent__isnull=False).values("parent")
    counted = edges.annotate(n=Count("pk")).order_by("-n", "parent")
    return [row["parent"] for row in counted[:MOST_LOOKED_AT]]


def _children_seen(actor: Actor, parents: list[int]) -> dict[int, int]:
    edges = BaseModelEdge.objects.filter(parent__in=parents).exclude(parent=F("child"))
    seen = edges.filter(Repo.objects.visible_to(actor).behind("child")).values("parent")
    counted = seen.annotate(n=Count("child", distinct=True))
    return {row["parent"]: row["n"] for row in counted}


def _fitting(actor: Actor, asked: str) -> QuerySet[Repo]:
    rows = Repo.objects.visible_to(actor).models().filter(may_be_tuned(), disabled_at=None)
    rows = rows.exclude(card__weights_bytes=0)
    if asked:
        either = Q(name__icontains=asked) | Q(namespace__name__icontains=asked)
        rows = rows.filter(
            either | Q(card__summary__icontains=asked) | Q(card__pipeline_tag__icontains=asked)
        )
    return rows.distinct()
