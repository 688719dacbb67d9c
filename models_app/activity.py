"""What happened lately, as far as somebody may see it: of a person, a group, a repo, of all one follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actor import Actor
from accounts.models import Namespace, User
from models_app.models import Discussion, Event, EventTag, Follow, Repo, RepoFollow

# What is shown of the log; what people like and whom they follow is not told behind their backs.
SHOWN = (
    EventTag.REPO_CREATE,
    EventTag.COMMIT_ADD,
    EventTag.REPO_PUSH,
    EventTag.DISCUSSION_OPEN,
    EventTag.DISCUSSION_MERGE,
    EventTag.DISCUSSION_ACCEPT,
    EventTag.RUN_FINISH,
    EventTag.BOARD_MOVE,
    EventTag.BADGE_EARN,
)
# Lines that stand for several events are made of so many times as many.
READ_AHEAD = 4
MAX_FOLLOWED = 500


@dataclass(frozen=True)
class Line:
    """One thing that happened, or several of a kind one after the other (`count`)."""

    event: Event
    words: str
    address: str
    count: int = 1

    @property
    def at(self) -> datetime:
        return self.event.at

    @property
    def actor(self) -> User | None:
        return self.event.actor


def events_for(actor: Actor) -> QuerySet[Event]:
    """Events worth showing, of repos that the actor may see; the newest first."""
    seen = Repo.objects.visible_to(actor).filter(pk=OuterRef("repo_id"))
    rows = Event.objects.filter(tag__in=SHOWN).filter(Exists(seen))
    return rows.select_related("actor", "repo__namespace").order_by("-at", "-pk")


def of_owner(owner: Namespace) -> Q:
    """What a person did; of an organization what happened to its repos."""
    return Q(actor=owner.user_id) if owner.user_id is not None else Q(repo__namespace=owner)


def lines_of(rows: QuerySet[Event], limit: int) -> list[Line]:
    """The newest lines; what one person did again and again in one place is one of them."""
    return told(list(rows[: limit * READ_AHEAD]))[:limit]


def told(events: Sequence[Event]) -> list[Line]:
    """Lines of events that come newest first."""
    titles = _titles(events)
    groups: list[list[Event]] = []
    for event in events:
        if groups and _belongs(groups[-1][0], event):
            groups[-1].append(event)
        elif _is_told(event):
            groups.append([event])
    return [_line(group, titles) for group in groups]


def followed_lines(actor: Actor, limit: int) -> list[Line]:
    """What the people, organizations and repos did lately that the actor follows; three short queries rather
    than one that reads the log."""
    if actor.user is None:
        return []
    spaces = Follow.objects.filter(user=actor.user).values_list("namespace", "namespace__user")
    known = list(spaces.order_by("-pk")[:MAX_FOLLOWED])
    people = [user for _space, user in known if user is not None]
    groups = [space for space, user in known if user is None]
    follows = RepoFollow.objects.filter(user=actor.user).order_by("-pk")
    repos = list(follows.values_list("repo_id", flat=True)[:MAX_FOLLOWED])
    rows = events_for(actor).exclude(actor=actor.user)
    found: dict[int, Event] = {}
    for wanted, condition in (
        (people, Q(actor__in=people)),
        (groups, Q(repo__namespace__in=groups)),
        (repos, Q(repo__in=repos)),
    ):
        if wanted:
            found.update({event.pk: event for event in rows.filter(condition)[: limit * READ_AHEAD]})
    newest = sorted(found.values(), key=lambda event: (event.at, event.pk), reverse=True)
    return told(newest)[:limit]


def _belongs(first: Event, event: Event) -> bool:
    same = (first.actor_id, first.repo_id, _kind(first)) == (event.actor_id, event.repo_id, _kind(event))
    return same and _kind(first) == "commit"


def _kind(event: Event) -> str:
    return "commit" if event.tag in (EventTag.COMMIT_ADD, EventTag.REPO_PUSH) else event.tag


def _is_told(event: Event) -> bool:
    if event.tag == EventTag.RUN_FINISH:
        return event.data.get("stage") == "COMPLETED"
    return event.repo is not None


def _titles(events: Iterable[Event]) -> dict[tuple[int, int], str]:
    """Of the threads that are spoken of; one query."""
    wanted = Q()
    for event in events:
        if event.repo_id is not None and isinstance(event.data.get("num"), int):
            wanted |= Q(repo=event.repo_id, num=event.data["num"])
    if not wanted:
        return {}
    rows = Discussion.objects.filter(wanted).values_list("repo_id", "num", "title")
    return {(repo, num): title for repo, num, title in rows}


def _line(group: list[Event], titles: dict[tuple[int, int], str]) -> Line:
    event = group[0]
    assert event.repo is not None
    num = event.data.get("num")
    values: dict[str, Any] = {
        "repo": event.repo.repo_id if event.repo.repo_type != "forum" else event.repo.name,
        "title": titles.get((event.repo.pk, num), f"#{num}") if isinstance(num, int) else "",
        "count": len(group),
        "branch": event.data.get("branch", event.repo.default_branch),
    }
    return Line(event, _words(event, len(group)) % values, _address(event), len(group))


def _words(event: Event, count: int) -> str:
    match event.tag:
        case EventTag.REPO_CREATE:
            return _("published %(repo)s")
        case EventTag.COMMIT_ADD | EventTag.REPO_PUSH:
            return ngettext("changed %(repo)s", "changed %(repo)s %(count)d times", count)
        case EventTag.DISCUSSION_OPEN if event.data.get("pull_request"):
            return _("offered changes to %(repo)s: “%(title)s”")
        case EventTag.DISCUSSION_OPEN:
            return _("began “%(title)s” in %(repo)s")
        case EventTag.DISCUSSION_MERGE:
            return _("merged “%(title)s” into %(repo)s")
        case EventTag.DISCUSSION_ACCEPT:
            return _("found an answer to “%(title)s” in %(repo)s")
        case EventTag.RUN_FINISH:
            return _("fine-tuned %(repo)s")
        case EventTag.BOARD_MOVE:
            return _("changed places on a board with %(repo)s")
    return _("earned a badge with %(repo)s")


def _address(event: Event) -> str:
    repo, num = event.repo, event.data.get("num")
    assert repo is not None
    if isinstance(num, int):
        return f"{repo.get_absolute_url()}/discussions/{num}"
    if event.tag == EventTag.COMMIT_ADD and event.data.get("oid"):
        return f"{repo.get_absolute_url()}/commit/{event.data['oid']}"
    if event.tag == EventTag.RUN_FINISH and event.data.get("run"):
        return f"/runs/{event.data['run']}"
    return repo.get_absolute_url()
