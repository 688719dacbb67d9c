"""What can be chosen on the fine-tune form, and what is sensible for this base model and data set."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import ngettext

from accounts.actor import Actor
from models_app.models import Benchmark, Repo
from runs.flavors import FLAVORS, Flavor
from runs.models import Worker
from runs.plans import Plan
from training.measured import metrics_of

# Tasks that need pictures and classes; the index tells which data sets hold them.
OF_CLASSES_OF_IMAGES = "image-classification"
MAX_OFFERED = 200
# Small pictures gain from being enlarged; beyond the usual size of pretraining they only cost.
SMALLEST_SIZE, USUAL_SIZE = 64, 224


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set without opening it: rows by split, class names, the edge of its images."""

    repo: Repo
    splits: dict[str, int]
    classes: int
    image_size: int | None

    @property
    def train_split(self) -> str:
        return "train" if "train" in self.splits or not self.splits else next(iter(self.splits))

    @property
    def validation_split(self) -> str:
        """A split made for validation, or nothing: then a part of the training split is held out."""
        return next((name for name in ("validation", "val", "valid", "dev") if name in self.splits), "")

    def suggested_size(self, plan: Plan) -> int:
        """Edge in pixels at which to train: a multiple of the images' own, between 64 and 224."""
        if self.image_size is None:
            return USUAL_SIZE
        rounded = -(-self.image_size * plan.enlarge // 32) * 32
        return max(SMALLEST_SIZE, min(USUAL_SIZE, rounded))

    def title(self, task: str) -> str:
        """The data set in a list of choices, with what is known of its size."""
        rows, parts = self.splits.get(self.train_split), [self.repo.repo_id]
        if rows:
            parts.append(_counted_rows(rows, are_images=bool(self.image_size)))
        if self.classes and "classification" in task:
            parts.append(ngettext("%(n)s class", "%(n)s classes", self.classes) % {"n": self.classes})
        return " · ".join(parts)


def _counted_rows(count: int, *, are_images: bool) -> str:
    number = {"n": f"{count:,}"}
    if are_images:
        return ngettext("%(n)s image", "%(n)s images", count) % number
    return ngettext("%(n)s row", "%(n)s rows", count) % number


def datasets_for(actor: Actor, task: str) -> list[Repo]:
    """Data sets to learn the task from: those whose card names it first, of these the actor's own.

    Classes of images can be seen from outside; for other tasks the rest of the hub is offered as well.
    """
    named = Q(card__pipeline_tag=task) | Q(
        tag_rows__kind="task_categories", tag_rows__value__in=_names_of(task)
    )
    seen = Repo.objects.visible_to(actor).datasets().filter(disabled_at=None)
    fitting = set(seen.filter(named).values_list("pk", flat=True)[:MAX_OFFERED])
    if task == OF_CLASSES_OF_IMAGES:
        others = seen.filter(tag_rows__kind="task_categories").exclude(pk__in=fitting).values("pk")
        has_classes = Q(card__preview__classes__isnull=False) & ~Q(card__preview__classes=[])
        seen = seen.filter(Q(pk__in=fitting) | has_classes).exclude(pk__in=others)
    rows = seen.select_related("namespace", "card").defer("card__html", "card__siblings", "card__search_text")
    newest = list(rows.order_by("-last_modified", "-pk")[:MAX_OFFERED])
    left_out = fitting - {repo.pk for repo in newest}
    newest += rows.filter(pk__in=left_out)
    mine = actor.namespace_levels
    return sorted(newest, key=lambda repo: (repo.pk not in fitting, repo.namespace_id not in mine))


def _names_of(task: str) -> tuple[str, ...]:
    """The task in the words of cards, which know fewer tasks than recipes do."""
    others = {"image-multilabel": "image-classification", "semantic-segmentation": "image-segmentation"}
    return (task, others[task]) if task in others else (task,)


def facts_of(repo: Repo) -> DatasetFacts:
    """What the index knows of the data set."""
    preview: dict[str, Any] = repo.card.preview if hasattr(repo, "card") else {}
    splits = {str(split["name"]): int(split["rows"] or 0) for split in preview.get("splits", [])}
    return DatasetFacts(repo, splits, len(preview.get("classes", [])), _edge(preview))


def _edge(preview: dict[str, Any]) -> int | None:
    """The longer edge of the first image shown, read from its PNG header; None for other formats."""
    images = preview.get("images") or [{}]
    kind, _comma, text = str(images[0].get("src", "")).partition(",")
    if kind != "data:image/png;base64":
        return None
    header = base64.b64decode(text[:32])
    if len(header) < 24 or header[12:16] != b"IHDR":
        return None
    return max(struct.unpack(">II", header[16:24]))


@dataclass(frozen=True)
class BenchmarkChoice:
    """One task of one benchmark."""

    repo_id: str
    task_id: str
    split: str
    title: str

    @property
    def key(self) -> str:
        return f"{self.repo_id}#{self.task_id}"


def benchmarks_for(actor: Actor, task: str) -> list[BenchmarkChoice]:
    """Every board on which a run of this task can be measured."""
    rows = Benchmark.objects.filter(Repo.objects.visible_to(actor).behind("repo")).select_related(
        "repo__namespace"
    )
    return [
        BenchmarkChoice(
            row.repo.repo_id,
            board["id"],
            board.get("split", "test"),
            f"{row.name or row.repo.repo_id} · {board['id']}",
        )
        for row in rows.order_by("name", "pk")[:MAX_OFFERED]
        for board in row.tasks
        if board_fits(board, task)
    ]


def board_fits(board: Mapping[str, Any], task: str) -> bool:
    """Whether a run of the task can be ranked there: by what the board says it is for, and by its metric."""
    named, known = board.get("pipeline_tag"), metrics_of(task)
    is_meant = named in ("", None, *_names_of(task))
    return is_meant and (not known or str(board.get("metric") or "accuracy") in known)


def own_benchmark(facts: DatasetFacts, offered: list[BenchmarkChoice]) -> BenchmarkChoice | None:
    """The data set's own held-out split, if it is a benchmark."""
    learned = (facts.train_split, facts.validation_split)
    return next((b for b in offered if b.repo_id == facts.repo.repo_id and b.split not in learned), None)


def free_name(namespace: str, base: Repo, dataset: Repo | None) -> str:
    """A name for the result that is not taken: `mobilenetv2-mnist-5k`, else `…-2`, `…-3`."""
    return free_stem(namespace, base.name if dataset is None else f"{base.name}-{dataset.name}")


def free_stem(namespace: str, stem: str) -> str:
    """A model name like `stem` that is not taken in the namespace."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:88].rstrip("-.")
    taken = Repo.objects.models().filter(namespace__name__iexact=namespace, name__istartswith=stem)
    names = {name.lower() for name in taken.values_list("name", flat=True)}
    if stem.lower() not in names:
        return stem
    return next(f"{stem}-{count}" for count in range(2, 10_000) if f"{stem}-{count}".lower() not in names)


def flavors_served() -> list[Flavor]:
    """Kinds of hardware that some enabled worker has; all of them where no worker is known yet."""
    served = {
        name
        for flavors in Worker.objects.filter(is_enabled=True).values_list("flavors", flat=True)
        for name in flavors
    }
    return [flavor for flavor in FLAVORS.values() if not served or flavor.name in served]
