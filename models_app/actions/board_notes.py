"""Whom a new order on a board concerns: who follows it, and who lost its first place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from models_app.actions.notes import Note
from models_app.models import BoardMove, Event, Followed, NoteKind, Repo, RepoFollow
from models_app.telling import owners_of

# The moves of one commit are written a moment before their event.
_MOMENT = timedelta(seconds=30)


def of_board_move(event: Event) -> Iterator[Note]:
    """A place taken by `event.repo` on a board: its followers hear of it, and whoever led it before.

    The model is public, or the event would not be; who lost the lead is told of their own model alone.
    """
    rows = Repo.objects.select_related("namespace", "benchmark")
    board = rows.filter(pk=event.data.get("board_pk") or 0).first()
    if board is None or event.repo is None or not hasattr(board, "benchmark"):
        return
    place, before = event.data.get("after"), event.data.get("before")
    if not isinstance(place, int):
        return
    task = str(event.data.get("task_id", ""))
    about: dict[str, Any] = {
        "board": board.benchmark.name or board.repo_id,
        "model": event.repo.repo_id,
        "place": place,
    }
    address = f"/leaderboards/{board.repo_id}"
    # A model pushed down is no news to those who follow the board: the one that rose is.
    if (before is None or place < before) and not event.repo.private:
        people = set(
            RepoFollow.objects.filter(repo=board, what=Followed.BOARD).values_list("user_id", flat=True)
        )
        yield Note(NoteKind.BOARD, f"board:{board.pk}:{task}"[:120], people, board, address, about)
    if place == 1 and before != 1:
        for move in _dethroned(event, board, task):
            lost = about | {"model": move.repo.repo_id, "place": move.after, "lost": True}
            people = owners_of(move.repo.namespace)
            key = f"lost:{board.pk}:{task}"[:120]
            yield Note(NoteKind.BOARD, key, people, board, address, lost)


def _dethroned(event: Event, board: Repo, task: str) -> list[BoardMove]:
    rows = BoardMove.objects.filter(
        benchmark=board.benchmark,
        task_id=task,
        before=1,
        after__gt=1,
        at__gte=event.at - _MOMENT,
        at__lte=event.at + _MOMENT,
    )
    return list(rows.exclude(repo=event.repo).select_related("repo__namespace"))
