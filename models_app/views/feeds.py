"""Atom feeds: the site, a person or organization, a repo, a board, a topic of the forum, tutorials, searches.

Feeds show what everybody may see, whoever asks: a reader of feeds has no session, and passes on what it got.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, QueryDict
from django.utils.translation import gettext as _

from accounts.actor import ANONYMOUS
from accounts.models import Namespace, User
from models_app.activity import events_for, lines_of, of_owner
from models_app.finding import found_repos
from models_app.models import (
    FORUM_NAMESPACE,
    BoardMove,
    Discussion,
    Event,
    Repo,
    RepoQuerySet,
    RepoType,
    SavedSearch,
)
from models_app.views.atom import Channel, Entry, feed

MAX_ENTRIES = 40


@feed
def site() -> Channel:
    """What happened on the hub."""
    return Channel(_("Tuneyard: what happened lately"), "/", _happened(events_for(ANONYMOUS)))


@feed
def person(name: str) -> Channel:
    """What a person did, or what happened to an organization's repos."""
    owner = Namespace.objects.named(name).select_related("user", "organization").first()
    if owner is None or (owner.user is not None and owner.user.is_suspended):
        raise Http404
    rows = events_for(ANONYMOUS).filter(of_owner(owner))
    return Channel(owner.display_name(), f"/{owner.name}", _happened(rows), owner.created_at)


@feed
def repo(kind: str, namespace: str, name: str) -> Channel:
    """Commits of a repo, and what is said about it."""
    found = _repo(kind, f"{namespace}/{name}")
    rows = events_for(ANONYMOUS).filter(repo=found)
    return Channel(found.repo_id, found.get_absolute_url(), _happened(rows), found.created_at)


@feed
def board(namespace: str, name: str) -> Channel:
    """Places taken on a board."""
    found = _repo(RepoType.DATASET, f"{namespace}/{name}")
    if not hasattr(found, "benchmark"):
        raise Http404
    address = f"/leaderboards/{found.repo_id}"
    rows = BoardMove.objects.filter(benchmark=found.benchmark, repo__in=Repo.objects.visible_to(ANONYMOUS))
    entries = [
        Entry(
            f"move-{row.pk}",
            _("%(model)s took place %(place)d") % {"model": row.repo.repo_id, "place": row.after},
            address,
            row.at,
            row.repo.namespace.name,
            _("%(task)s: %(value)s") % {"task": row.task_id, "value": f"{row.value:.4g}"},
        )
        for row in rows.select_related("repo__namespace").order_by("-at", "-pk")[:MAX_ENTRIES]
    ]
    return Channel(found.benchmark.name or found.repo_id, address, entries, found.created_at)


@feed
def topic(name: str) -> Channel:
    """Threads of one topic of the forum."""
    found = _repo(RepoType.FORUM, f"{FORUM_NAMESPACE}/{name}")
    rows = Discussion.objects.filter(repo=found).select_related("author").order_by("-created_at", "-pk")
    entries = []
    for row in rows[:MAX_ENTRIES]:
        row.repo = found
        author = row.author.username if row.author is not None else ""
        entries.append(Entry(f"thread-{row.pk}", row.title, row.get_absolute_url(), row.created_at, author))
    return Channel(found.name, found.get_absolute_url(), entries, found.created_at)


@feed
def tutorials() -> Channel:
    """New tutorials."""
    rows = Repo.objects.visible_to(ANONYMOUS).of_type(RepoType.TUTORIAL).order_by("-created_at", "-pk")
    return Channel(_("Tutorials"), "/tutorials", _published(rows))


@feed
def saved_search(uuid: UUID) -> Channel:
    """What is new in a saved search, of what everybody may see; who knows the address may read it."""
    row = SavedSearch.objects.filter(uuid=uuid).first()
    if row is None:
        raise Http404
    found = found_repos(ANONYMOUS, row.repo_type, QueryDict(row.query)).order_by("-created_at", "-pk")
    address = f"/{row.repo_type}s?{row.query}"
    return Channel(row.title, address, _published(found), row.created_at)


def _happened(rows: QuerySet[Event]) -> list[Entry]:
    lines = lines_of(rows, MAX_ENTRIES)
    return [
        Entry(
            f"event-{line.event.pk}",
            _sentence(line.actor, line.words),
            line.address,
            line.at,
            _name(line.actor),
        )
        for line in lines
    ]


def _sentence(actor: User | None, words: str) -> str:
    return f"{_name(actor)} {words}"


def _name(actor: User | None) -> str:
    return actor.username if actor is not None else "Tuneyard"


def _published(rows: RepoQuerySet) -> list[Entry]:
    shown: Iterable[Repo] = rows.select_related("namespace", "card").only(
        "repo_type", "name", "created_at", "namespace__name", "card__summary"
    )[:MAX_ENTRIES]
    return [
        Entry(
            f"repo-{row.pk}",
            row.repo_id,
            row.get_absolute_url(),
            row.created_at,
            row.namespace.name,
            row.card.summary if hasattr(row, "card") else "",
        )
        for row in shown
    ]


def _repo(kind: str, repo_id: str) -> Repo:
    if "\0" in repo_id:
        raise Http404
    rows = Repo.objects.visible_to(ANONYMOUS).select_related("namespace").named(kind, repo_id)
    found = rows.first()
    if found is None:
        raise Http404
    return found
