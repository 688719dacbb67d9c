"""What a model's new results change on the boards: places of the top are compared before and after.

Only what is public counts, so a private model's results move nobody, and its coming is told to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts.actor import ANONYMOUS
from models_app.actions.events import record_event
from models_app.leaderboards import Place, standing, task_of
from models_app.models import Benchmark, BoardMove, EvalResult, EventTag, Repo, RepoType

TOP = 20
# Of one commit so many boards are looked at; results on more are measured, but move nobody.
MAX_BOARDS = 20
_Key = tuple[int, str]


@dataclass
class BoardWatch:
    """The boards a model stands on, as they were before its results are written anew."""

    repo: Repo
    before: dict[_Key, dict[int, Place]] = field(default_factory=dict)
    results: set[tuple[int, str, float, bool]] = field(default_factory=set)

    @classmethod
    def begin(cls, repo: Repo, coming: Iterable[tuple[Benchmark, str]]) -> BoardWatch:
        """Call before the results change; `coming` are the boards and tasks of the new ones."""
        watch = cls(repo)
        if repo.repo_type != RepoType.MODEL or repo.private or repo.disabled_at is not None:
            return watch
        rows = EvalResult.objects.filter(repo=repo, benchmark__isnull=False).select_related("benchmark")
        held = [(row.benchmark, row.task_id) for row in rows if row.benchmark is not None]
        watch.results = _results_of(repo)
        wanted = {(board.pk, task_id): board for board, task_id in [*held, *coming]}
        for (pk, task_id), board in list(wanted.items())[:MAX_BOARDS]:
            if task_of(board, task_id) is not None:
                watch.before[pk, task_id] = standing(board, task_id)
        return watch

    def end(self) -> list[BoardMove]:
        """Write what has moved; call after the results have changed, in the same transaction."""
        if not self.before or _results_of(self.repo) == self.results:
            return []
        boards = Benchmark.objects.select_related("repo__namespace").in_bulk({pk for pk, _ in self.before})
        moves: list[BoardMove] = []
        for (pk, task_id), before in self.before.items():
            moves += _moves(boards[pk], task_id, before, standing(boards[pk], task_id))
        BoardMove.objects.bulk_create(moves)
        for move in moves:
            if move.repo_id == self.repo.pk:
                record_event(
                    ANONYMOUS,
                    EventTag.BOARD_MOVE,
                    repo=self.repo,
                    board=boards[move.benchmark_id].repo.repo_id,
                    board_pk=boards[move.benchmark_id].repo_id,
                    task_id=move.task_id,
                    before=move.before,
                    after=move.after,
                    value=move.value,
                    verified=move.verified,
                )
        return moves


def _moves(
    board: Benchmark, task_id: str, before: dict[int, Place], after: dict[int, Place]
) -> list[BoardMove]:
    """New and changed places among the first of a board, of which its dataset is public."""
    if board.repo.private or board.repo.disabled_at is not None:
        return []
    return [
        BoardMove(
            benchmark=board,
            task_id=task_id,
            repo_id=repo_pk,
            before=before[repo_pk].rank if repo_pk in before else None,
            after=place.rank,
            value=place.value,
            verified=place.verified,
        )
        for repo_pk, place in after.items()
        if place.rank <= TOP and (repo_pk not in before or before[repo_pk].rank != place.rank)
    ][: 2 * TOP]


def _results_of(repo: Repo) -> set[tuple[int, str, float, bool]]:
    rows = EvalResult.objects.filter(repo=repo, benchmark__isnull=False)
    return set(rows.values_list("benchmark_id", "task_id", "value", "verified"))
