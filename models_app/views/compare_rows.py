"""The rows of a comparison: what each fact is called, how it is written, whether the models differ in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from models_app.comparing import Above, Measured, measured_of
from models_app.content import licences
from models_app.content.differences import Interval, difference
from models_app.models import EvalResult, Repo
from models_app.templatetags.hub import compact, file_size
from models_app.views.boards import interval_of
from models_app.views.model_page import memory_of

if TYPE_CHECKING:
    from accounts.actor import Actor

_PERMISSIONS: tuple[tuple[str, Promise], ...] = (
    (licences.COMMERCIAL_USE, gettext_lazy("Commercial use")),
    (licences.MODIFICATION, gettext_lazy("Publishing changed versions")),
    (licences.REDISTRIBUTION, gettext_lazy("Passing it on")),
    (licences.NO_SHARE_ALIKE, gettext_lazy("Changes under another licence")),
)


@dataclass(frozen=True)
class Cell:
    """`mark` is yes, no or empty; `address` where the text leads."""

    text: str = ""
    address: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """One fact of every model."""

    title: str
    cells: list[Cell]
    is_number: bool = False

    @property
    def differs(self) -> bool:
        return len({(cell.text, cell.mark) for cell in self.cells}) > 1


def fact_rows(repos: Sequence[Repo], stands: Mapping[int, Above]) -> list[Row]:
    """What is known of the models without running them."""
    cards = [getattr(repo, "card", None) for repo in repos]
    return [
        Row(_("Task"), [Cell(card.pipeline_tag if card else "") for card in cards]),
        Row(_("Library"), [Cell(card.library_name if card else "") for card in cards]),
        Row(_("Parameters"), [Cell(compact(card.parameters if card else None)) for card in cards], True),
        Row(_("Number type"), [Cell(", ".join(card.dtype_counts) if card else "") for card in cards]),
        Row(_("Size"), [Cell(file_size(card.total_bytes if card else None)) for card in cards], True),
        Row(_("Memory to run"), [Cell(file_size(memory_of(card).run)) for card in cards], True),
        Row(_("Made from"), [_bases(stands[repo.pk]) for repo in repos]),
        Row(_("Trained on"), [Cell(_tags(repo, "dataset")) for repo in repos]),
        Row(_("Languages"), [Cell(_tags(repo, "language")) for repo in repos]),
        Row(_("Downloads, 30 days"), [Cell(compact(repo.downloads_30d)) for repo in repos], True),
        Row(_("Likes"), [Cell(compact(repo.likes_count)) for repo in repos], True),
    ]


def _bases(stands: Above) -> Cell:
    text = ", ".join(kin.name for kin in stands.bases[:4])
    return Cell(text, stands.bases[0].address if len(stands.bases) == 1 else "")


def _tags(repo: Repo, kind: str) -> str:
    return ", ".join([tag.value for tag in repo.tag_rows.all() if tag.kind == kind][:6])


def licence_rows(repos: Sequence[Repo], stands: Mapping[int, Above]) -> list[Row]:
    """The licence, and what it and those of all ancestors permit."""
    own = {repo.pk: repo.card.license if hasattr(repo, "card") else "" for repo in repos}
    allowed = {
        repo.pk: licences.permitted_by_all([own[repo.pk], *stands[repo.pk].licences]) for repo in repos
    }
    rows = [Row(_("Licence"), [Cell(own[repo.pk] or _("not stated")) for repo in repos])]
    for word, title in _PERMISSIONS:
        marks = ["yes" if word in allowed[repo.pk] else "no" for repo in repos]
        texts = {"yes": _("yes"), "no": _("no")}
        rows.append(Row(str(title), [Cell(texts[mark], mark=mark) for mark in marks]))
    return rows


@dataclass(frozen=True)
class BoardCell:
    """A model's number on a board, and how far it is from the first model's. `verdict`: better, worse or
    chance, where both were measured on the same revision."""

    result: EvalResult | None
    interval: Interval | None = None
    is_best: bool = False
    gap: float | None = None
    gap_interval: Interval | None = None
    verdict: str = ""


@dataclass(frozen=True)
class BoardRow:
    """One task of one board."""

    measured: Measured
    cells: list[BoardCell]
    is_same_revision: bool

    @property
    def metric(self) -> str:
        return str(self.measured.task.get("metric", ""))


def board_rows(repos: Sequence[Repo], actor: Actor) -> list[BoardRow]:
    """The boards on which any of the models was measured; those in common come first."""
    return [_board_row(measured) for measured in measured_of(repos, actor)]


def _board_row(measured: Measured) -> BoardRow:
    metric = str(measured.task.get("metric", ""))
    known = [result for result in measured.results if result is not None]
    revisions = {result.dataset_revision for result in known}
    same = len(revisions) == 1 and revisions != {""}
    values = [result.value for result in known]
    best = (max if measured.higher_is_better else min)(values)
    marks = same and len(values) > 1 and len(set(values)) > 1
    first = measured.results[0]
    cells = []
    for place, result in enumerate(measured.results):
        if result is None:
            cells.append(BoardCell(None))
            continue
        against = first if place and same else None
        cells.append(_board_cell(result, metric, measured, against, is_best=marks and result.value == best))
    return BoardRow(measured, cells, same)


def _board_cell(
    result: EvalResult, metric: str, measured: Measured, against: EvalResult | None, *, is_best: bool
) -> BoardCell:
    interval = interval_of(result, metric)
    other = interval_of(against, metric) if against is not None else None
    if against is None or interval is None or other is None:
        return BoardCell(result, interval, is_best)
    gap, bounds = difference(result.value, interval, against.value, other)
    verdict = "chance"
    if bounds[0] > 0 or bounds[1] < 0:
        verdict = "better" if (gap > 0) == measured.higher_is_better else "worse"
    return BoardCell(result, interval, is_best, gap, bounds, verdict)
