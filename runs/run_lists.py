"""Which runs a script asks for: filters of the query, and pages that stay in place while runs are added."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest

from accounts.actor import Actor
from models_app.access import LoginRequired
from models_app.api.wire import WireError, next_link
from runs.models import Run, RunQuerySet, Stage

PAGE_SIZE = 100
MAX_FILTERS = 32
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


@dataclass(frozen=True)
class Asked:
    """The query's words as they came."""

    target: str = ""
    namespace: str = ""
    stages: Sequence[str] = ()
    sweep: str = ""
    base: str = ""
    dataset: str = ""
    labels: Sequence[str] = ()
    mine: str = ""
    cursor: str = ""
    limit: str = ""


def page_of(actor: Actor, request: HttpRequest, asked: Asked) -> tuple[list[Run], dict[str, str]]:
    """One page of the runs that the actor may see, newest first, and its headers (`Link` to the next).

    The cursor is the id of the last run seen. Raises WireError 400 for a word that means nothing.
    """
    rows = _narrowed(actor, asked).for_pages().order_by("-pk")
    if asked.cursor:
        last = Run.objects.filter(uuid=_uuid(asked.cursor, "cursor")).values_list("pk", flat=True).first()
        if last is None:
            raise WireError(400, "'cursor' is of no run; begin the list again.")
        rows = rows.filter(pk__lt=last)
    limit = _limit(asked.limit)
    page = list(rows[: limit + 1])
    if len(page) <= limit:
        return page, {}
    return page[:limit], {"Link": next_link(request, cursor=str(page[limit - 1].uuid))}


def _narrowed(actor: Actor, asked: Asked) -> RunQuerySet:
    rows = Run.objects.visible_to(actor).training()
    for place, text in (("target", asked.target), ("base", asked.base), ("dataset", asked.dataset)):
        if text:
            rows = rows.filter(_of_repo(place, text))
    if asked.namespace:
        rows = rows.filter(namespace__name__iexact=_clean(asked.namespace))
    if asked.stages:
        rows = rows.filter(stage__in=_stages(asked.stages))
    if asked.sweep:
        rows = rows.filter(sweep__uuid=_uuid(asked.sweep, "sweep"))
    for label in asked.labels[:MAX_FILTERS]:
        key, is_set, value = _clean(label).partition("=")
        if not is_set:
            raise WireError(400, "'label' must be like key=value.")
        rows = rows.filter(label_rows__key=key, label_rows__value=value)
    if _flag(asked.mine, "mine"):
        if actor.user is None:
            raise LoginRequired("Sign in to list your own runs.")
        rows = rows.filter(created_by=actor.user)
    return rows


def _of_repo(place: str, text: str) -> Q:
    namespace, _, name = _clean(text).rpartition("/")
    if not name:
        raise WireError(400, f"{place!r} must be a repo like namespace/name.")
    named = {f"{place}_repo__name__iexact": name}
    return Q(**(named | ({f"{place}_repo__namespace__name__iexact": namespace} if namespace else {})))


def _stages(words: Sequence[str]) -> list[str]:
    told = [stage.strip().upper() for word in words for stage in _clean(word).split(",") if stage.strip()]
    unknown = [stage for stage in told if stage not in Stage.values]
    if unknown:
        raise WireError(400, f"'stage' must be among {', '.join(Stage.values)}, got {unknown[0][:40]!r}.")
    return told


def _limit(text: str) -> int:
    if not text:
        return PAGE_SIZE
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < 1:
        raise WireError(400, "'limit' must be a whole number of at least 1.")
    return min(int(text), PAGE_SIZE)


def _flag(text: str, name: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise WireError(400, f"{name!r} must be true or false.")
    return text.lower() in _TRUE


def _uuid(text: str, name: str) -> uuids.UUID:
    try:
        return uuids.UUID(text[:64])
    except ValueError:
        raise WireError(400, f"{name!r} must be an id of 32 hexadecimal digits.") from None


def _clean(text: str) -> str:
    return text.replace("\0", "")[:300]
