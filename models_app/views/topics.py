"""The topics of the forum as pages name them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max, OuterRef, Subquery
from django.utils.translation import gettext

from accounts.actor import Actor
from models_app.actions.forum import DEFAULT_TOPICS
from models_app.models import Discussion, Repo, RepoCard, RepoType

_HEAVY = ("card__html", "card__siblings", "card__search_text", "card__preview", "card__dtype_counts")


@dataclass(frozen=True)
class Topic:
    """One topic: its name for people, what it is for, how many threads it has, where people talked last."""

    repo: Repo
    title: str
    about: str
    threads: int = 0
    newest: Discussion | None = None


def topic_of(repo: Repo) -> Topic:
    """One topic; the first ones are known in every language as long as nobody renamed them."""
    card = RepoCard.objects.filter(repo=repo).only("metadata", "summary", "repo").first()
    return Topic(repo, *_words(repo, card))


def topics(actor: Actor) -> list[Topic]:
    """All topics in the order they were made, with their newest threads; a fixed number of queries."""
    newest = Discussion.objects.filter(repo=OuterRef("pk")).order_by("-last_activity_at", "-pk")
    repos = (
        Repo.objects.visible_to(actor)
        .of_type(RepoType.FORUM)
        .select_related("namespace", "card")
        .defer(*_HEAVY)
        .annotate(threads=Max("discussions__num"), newest=Subquery(newest.values("pk")[:1]))
        .order_by("pk")
    )
    rows = list(repos)
    last = Discussion.objects.select_related("author").in_bulk([row.newest for row in rows if row.newest])
    found = []
    for row in rows:
        thread = last.get(row.newest or 0)
        if thread is not None:
            thread.repo = row
        found.append(Topic(row, *_words(row, getattr(row, "card", None)), row.threads or 0, thread))
    return found


def _words(repo: Repo, card: RepoCard | None) -> tuple[str, str]:
    title = str(card.metadata.get("title") or repo.name) if card is not None else repo.name
    about = card.summary if card is not None else ""
    first = DEFAULT_TOPICS.get(repo.name)
    if first is not None and first[0] == title:
        return gettext(title), gettext(first[1]) if about == first[1] else about
    return title, about
