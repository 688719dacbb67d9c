"""What has been happening on the hub lately, for its start page: a few rows each, however much there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, Q

from accounts.actor import Actor
from models_app.leaderboards import task_of
from models_app.listing import HEAVY
from models_app.models import BoardMove, Discussion, Repo, RepoQuerySet, RepoType

# So many of the newest moves are looked through for boards that the reader may see.
_READ = 200
_TRENDING = ("-trending_score", "-last_modified", "-pk")


@dataclass(frozen=True)
class MovedBoard:
    """The last model that rose on a board, or came to it."""

    move: BoardMove
    metric: str

    @property
    def address(self) -> str:
        return f"/leaderboards/{self.move.benchmark.repo.repo_id}"


def trending(actor: Actor, repo_type: RepoType, most: int) -> list[Repo]:
    """Repos that are being worked on; one that says nothing of itself is no news."""
    return list(_shown(actor, repo_type).exclude(card__html="").order_by(*_TRENDING)[:most])


def newest(actor: Actor, repo_types: Iterable[RepoType], most: int) -> list[Repo]:
    """The latest comers of these types together; a query each."""
    found: list[Repo] = []
    for repo_type in repo_types:
        found += _shown(actor, repo_type).exclude(card__html="").order_by("-created_at", "-pk")[:most]
    return sorted(found, key=lambda repo: (repo.created_at, repo.pk), reverse=True)[:most]


def moved_boards(actor: Actor, most: int) -> list[MovedBoard]:
    """Boards on which somebody rose or came lately, each once, the last one first."""
    rows = BoardMove.objects.filter(Q(before=None) | Q(after__lt=F("before"))).order_by("-at", "-pk")
    listed = rows.filter(benchmark__is_listed=True)
    moves = list(listed.values_list("pk", "benchmark", "task_id", "repo", "benchmark__repo")[:_READ])
    wanted = {key for move in moves for key in move[3:]}
    seen = set(Repo.objects.visible_to(actor).filter(pk__in=wanted).values_list("pk", flat=True))
    last: dict[tuple[int, str], int] = {}
    for pk, benchmark, task_id, *repos in moves:
        if seen.issuperset(repos) and len(last) < most:
            last.setdefault((benchmark, task_id), pk)
    found = BoardMove.objects.filter(pk__in=last.values()).order_by("-at", "-pk")
    return [_moved(move) for move in found.select_related("repo__namespace", "benchmark__repo__namespace")]


def _moved(move: BoardMove) -> MovedBoard:
    task = task_of(move.benchmark, move.task_id) or {}
    return MovedBoard(move, str(task.get("metric") or "accuracy"))


def forum_lately(actor: Actor, most: int) -> list[Discussion]:
    """Threads of the forum in which something was said last."""
    topics = Repo.objects.visible_to(actor).of_type(RepoType.FORUM).values_list("pk", flat=True)
    rows = Discussion.objects.filter(repo__in=list(topics)).order_by("-last_activity_at", "-pk")
    return list(rows.select_related("repo__namespace", "author")[:most])


def _shown(actor: Actor, repo_type: RepoType) -> RepoQuerySet:
    return Repo.objects.visible_to(actor).of_type(repo_type).for_lists().defer(*HEAVY)
