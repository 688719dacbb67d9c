"""What the hub knows of a data set, in sentences: how much there is, what is lopsided, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext

from accounts.actor import Actor
from models_app.models import Benchmark, Repo
from models_app.templatetags.hub import compact
from runs.choices import DatasetFacts, facts_of
from runs.columns import columns_of

GOOD, WARM, BAD = "good", "warm", "bad"
FEW_OF_A_CLASS = 20
FEW_ROWS = 100
# The commonest class this many times the rarest is lopsided.
LOPSIDED = 10
_TEST = "test"
MAX_PROBLEMS = 5


@dataclass(frozen=True)
class Line:
    """One thing that is known; `kind` says how it bodes."""

    kind: str
    words: str


@dataclass(frozen=True)
class Report:
    """All that is known. `is_empty`: the index could tell nothing of the files."""

    repo: Repo
    lines: list[Line]
    is_empty: bool

    @property
    def is_hopeless(self) -> bool:
        """Whether a run is sure to fail on it."""
        return any(line.kind == BAD for line in self.lines)


def report_of(actor: Actor, repo: Repo, task: str) -> Report:
    """Of this data set, for this task."""
    preview: dict[str, Any] = repo.card.preview if hasattr(repo, "card") else {}
    facts = facts_of(repo)
    columns = columns_of(actor, repo)
    lines = [*_size(facts), *_columns(columns), *_classes(preview, task), *_splits(facts, repo)]
    problems = [str(problem)[:300] for problem in preview.get("problems", [])[:MAX_PROBLEMS]]
    lines += [Line(WARM, problem) for problem in problems]
    return Report(repo, lines, not facts.splits and not columns)


def _size(facts: DatasetFacts) -> Iterator[Line]:
    for name, rows in facts.splits.items():
        if rows:
            text = ngettext(
                "%(split)s: %(count)s example", "%(split)s: %(count)s examples", rows
            ) % {"split": name, "count": compact(rows)}  # fmt: skip
            yield Line(GOOD, text)
    learned = facts.splits.get(facts.train_split, 0)
    if 0 < learned < FEW_ROWS:
        yield Line(WARM, gettext("There is little to learn from: expect a wide interval around the result."))


def _columns(columns: list[str]) -> Iterator[Line]:
    if columns:
        names = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
        yield Line(GOOD, gettext("Columns: %(names)s") % {"names": names})


def _classes(preview: dict[str, Any], task: str) -> Iterator[Line]:
    counts = {str(one["label"]): int(one.get("count") or 0) for one in preview.get("classes", [])}
    if "classification" not in task or not counts:
        return
    if len(counts) == 1:
        yield Line(BAD, gettext("There is one class only, so there is nothing to tell apart."))
        return
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    text = ngettext("%(count)s class", "%(count)s classes", len(counts))
    yield Line(GOOD, text % {"count": len(counts)})
    if 0 < counts[least] < FEW_OF_A_CLASS:
        text = ngettext(
            "The class “%(label)s” has %(count)s example only; it will hardly be learned.",
            "The class “%(label)s” has %(count)s examples only; it will hardly be learned.",
            counts[least],
        )
        yield Line(WARM, text % {"label": least, "count": counts[least]})
    if counts[least] and counts[most] > LOPSIDED * counts[least]:
        text = gettext(
            "It is lopsided: “%(most)s” has %(times)s times as many examples as “%(least)s”. "
            "Look at more than the accuracy."
        )
        yield Line(WARM, text % {"most": most, "least": least, "times": counts[most] // counts[least]})


def _splits(facts: DatasetFacts, repo: Repo) -> Iterator[Line]:
    if facts.splits and not facts.validation_split:
        yield Line(GOOD, gettext("No validation part: a tenth of the training part is held out for it."))
    if Benchmark.objects.filter(repo=repo).exists():
        yield Line(GOOD, gettext("It has a leaderboard of its own: your result will be ranked."))
    elif facts.splits and _TEST not in facts.splits:
        text = (
            "No test part: the result is measured on the part held out for validation, and on no leaderboard."
        )
        yield Line(WARM, gettext(text))
