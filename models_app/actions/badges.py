"""Badges given and taken: the table is brought to what is earned now."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts.actor import ANONYMOUS
from accounts.models import Namespace
from models_app.actions.events import record_event
from models_app.badges import Earned, Measured
from models_app.models import Badge, EventTag, Repo
from models_app.verified import standings, verified_results


def measured() -> list[Measured]:
    """Every public model's verified results with their places, as badges need them."""
    rows = verified_results(ANONYMOUS).select_related("benchmark", "repo").order_by("date", "pk")
    return [
        Measured(
            line.repo.namespace_id, line.repo.pk, line.board.pk, line.result.task_id, line.place, line.of
        )
        for line in standings(rows.defer("source", "notes")).values()
    ]


@transaction.atomic
def put_badges(earned: Iterable[Earned]) -> tuple[int, int]:
    """Give what is earned and not given, take what is not earned any more; how many of each.

    Doing it twice changes nothing. Suspended people earn none.
    """
    suspended = set(Namespace.objects.filter(user__is_suspended=True).values_list("pk", flat=True))
    wanted = {(one.owner, one.kind): one for one in earned if one.owner not in suspended}
    given = {(row.namespace_id, row.kind): row for row in Badge.objects.select_for_update()}
    lost = [row.pk for key, row in given.items() if key not in wanted]
    Badge.objects.filter(pk__in=lost).delete()
    fresh = [one for key, one in wanted.items() if key not in given]
    names = dict(Namespace.objects.filter(pk__in=[one.owner for one in fresh]).values_list("pk", "name"))
    repos = Repo.objects.in_bulk([one.repo for one in fresh if one.repo is not None])
    for one in fresh:
        repo = repos.get(one.repo or 0)
        Badge.objects.create(namespace_id=one.owner, kind=one.kind, repo=repo, data=one.data)
        record_event(ANONYMOUS, EventTag.BADGE_EARN, repo=repo, namespace=names[one.owner], kind=one.kind)
    for key, row in given.items():
        one_more = wanted.get(key)
        if one_more is not None and (row.repo_id, row.data) != (one_more.repo, one_more.data):
            Badge.objects.filter(pk=row.pk).update(repo=one_more.repo, data=one_more.data)
    return len(fresh), len(lost)
