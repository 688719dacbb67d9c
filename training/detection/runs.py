"""From a recipe to what the loop runs on, and a finished detector over a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.data import set_aside, thin
from training.detection import models, pictures
from training.detection.examples import MapRows, Objects, PictureRows, Truth
from training.detection.judging import Answers, DetectionTask
from training.detection.models import DetectorParts
from training.detection.nets import Finder
from training.detection.reading import Scenes, detection_data, read_scenes, renumbered, same_labels
from training.detection.spec import DetectorSpec
from training.device import pick_device, reproducible
from training.errors import UserError
from training.learning import freeze
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks.base import Plan, Prepared

# Detections of many pictures at once cost memory, and few of them no time.
EVAL_ROWS = 16
# As many bytes of maps are kept instead of the pictures that they are made of.
MAX_MAP_BYTES = 2 * 1024**3
SCRATCH = "scratch"
# Of a frozen body a preflight looks at so many pictures of each part.
LOOKED_ROWS = 8 * EVAL_ROWS


def prepare(plan: Plan) -> Prepared:
    """Read data and base, check that they fit. Raises `UserError` before any step."""
    recipe, data = plan.recipe, detection_data(plan.recipe)
    scenes = held = read_scenes(plan.data_dir, data.train_split, data)
    labels = scenes.labels
    if data.validation_split:
        held = same_labels(read_scenes(plan.data_dir, data.validation_split, data), labels)
        rows, held_rows = list(range(len(scenes))), list(range(len(held)))
    else:
        rows, held_rows = set_aside(scenes.strata, data, recipe.seed)
    rows = thin(rows, scenes.strata, data.max_train_images, recipe.seed)
    _require_objects(scenes, rows)
    _tell(plan.reporter, scenes, rows, held_rows)
    parts = models.prepare_detector(
        plan.base(),
        labels=labels,
        image_size=data.image_size,
        scratch=recipe.init == "scratch",
        seed=recipe.seed,
        network=recipe.network,
        batch_size=recipe.optim.batch_size,
    )
    stages = freeze(parts, recipe.strategy)
    train = _loaded(plan, scenes, rows, parts, data.augment)
    val = _loaded(plan, held, held_rows, parts, "none") if held_rows else None
    parts.net.to(plan.device).to(memory_format=torch.channels_last)
    kept: list[Any] = [train, val]
    if _looks_once(recipe):
        kept = _as_maps(plan, parts.detector, train, val)
    task = DetectionTask(labels)
    return Prepared(
        parts,
        parts.net,
        stages,
        task,
        kept[0],
        kept[1],
        plan.device,
        lambda folder: models.save_detector(parts, folder),
        eval_batch=EVAL_ROWS,
    )


def answers_on(net: Finder, spec: DetectorSpec, scenes: Scenes, reporter: Reporter) -> tuple[Truth, Answers]:
    """Objects and detections of every picture of a split, on the CPU, in order.

    Raises `UserError` `model:not-finite` for NaN and infinity, and what `reporter.check` raises.
    """
    device = pick_device()
    net.to(device).to(memory_format=torch.channels_last).eval()
    answers, sizes = list[dict[str, Tensor]](), []
    with reproducible(0, True), torch.inference_mode():
        for pixels, sides in pictures.picture_chunks(scenes, range(len(scenes)), spec.image_size):
            sizes.append(sides)
            for batch in pixels.split(EVAL_ROWS):
                reporter.check()
                found = net.detect(list(batch.to(device).float().div_(255)))
                answers += [{name: item.cpu() for name, item in one.items()} for one in found]
    for row, one in enumerate(answers):
        if not all(bool(one[name].isfinite().all()) for name in ("boxes", "scores")):
            text = f"The model gives NaN or infinity for the image {scenes.rows.where(row)}."
            raise UserError("model:not-finite", text)
    boxes, _ = pictures.shares(scenes, range(len(scenes)), np.concatenate(sizes))
    return Objects.of(boxes, scenes.kinds).take(torch.arange(len(scenes))), answers


def with_known(scenes: Scenes, known: list[str]) -> Scenes:
    """The split in the model's classes, then those only the split has. `UserError` where none is common."""
    present = {scenes.labels[int(kind)] for kinds in scenes.kinds for kind in kinds}
    if not present:
        raise UserError("data:no-objects", f"No picture of the split {scenes.name!r} has an object.")
    if present.isdisjoint(known):
        ours, theirs = ", ".join(known[:5]), ", ".join(sorted(present)[:5])
        text = f"The model finds {ours}, the split {scenes.name!r} holds {theirs}: no class in common."
        raise UserError("data:labels-mismatch", text[:400])
    more = [label for label in scenes.labels if label in present and label not in known]
    return renumbered(scenes, [*known, *more])


def _require_objects(scenes: Scenes, rows: list[int]) -> None:
    if not any(len(scenes.kinds[row]) for row in rows):
        raise UserError("data:no-objects", "No training picture has an object: there is nothing to learn.")


def _tell(reporter: Reporter, scenes: Scenes, rows: list[int], held: list[int]) -> None:
    objects = sum(len(scenes.kinds[row]) for row in rows)
    empty = sum(not len(scenes.kinds[row]) for row in rows)
    reporter.log(
        f"{len(rows):,} images to learn from, {len(held):,} to validate; {objects:,} objects of "
        f"{len(scenes.labels):,} classes, {empty:,} images without any"
    )
    seen = {scenes.labels[int(kind)] for row in rows for kind in scenes.kinds[row]}
    if unseen := [label for label in scenes.labels if label not in seen]:
        reporter.log(f"No training image has: {', '.join(unseen[:10])[:300]}")
    if scenes.crowds:
        reporter.log(f"{scenes.crowds:,} regions marked as crowds are left out")


def _loaded(plan: Plan, scenes: Scenes, rows: list[int], parts: DetectorParts, augment: str) -> PictureRows:
    # Two tensors may come from one split (a set_aside): each needs a file of its own.
    scratch = plan.work_dir / SCRATCH / hashlib.sha256(str(rows[:1000]).encode()).hexdigest()[:16]
    size, check = parts.detector.size, plan.reporter.check

    def load(some: list[int]) -> PictureRows:
        pixels, sides = pictures.load_pictures(scenes, some, size, scratch=scratch, check=check)
        boxes, cut = pictures.shares(scenes, some, sides)
        if cut:
            plan.reporter.log(
                f"{cut:,} boxes of {scenes.name!r} reached over the edge a little and were cut there"
            )
        return PictureRows(pixels, Objects.of(boxes, [scenes.kinds[row] for row in some]), augment)

    return plan.load(rows, load, at_most=LOOKED_ROWS if _looks_once(plan.recipe) else None)


def _looks_once(recipe: Recipe) -> bool:
    return recipe.strategy.kind == "head" and detection_data(recipe).augment == "none"


def _as_maps(plan: Plan, net: Finder, train: PictureRows, val: PictureRows | None) -> list[Any]:
    """What the frozen body says of every picture, once for all epochs; pictures where that is too much."""
    with torch.inference_mode():
        one = net.eval().features(train.pixels[:1].to(plan.device).float().div_(255))
    size = sum(item.numel() * 4 for item in one.values())
    if size * plan.all_of(len(train) + (len(val) if val is not None else 0)) > MAX_MAP_BYTES:
        plan.reporter.log("The body's maps of all images do not fit: they are made anew in every epoch.")
        return [train, val]
    plan.reporter.stage("features")
    return [part and MapRows(_maps(plan, net, part.pixels), part.objects) for part in (train, val)]


def _maps(plan: Plan, net: Finder, pixels: Tensor) -> dict[str, Tensor]:
    def pieces() -> Iterator[dict[str, Tensor]]:
        with torch.inference_mode():
            for batch in pixels.split(EVAL_ROWS):
                plan.reporter.check()
                yield net.features(batch.to(plan.device).float().div_(255))

    whole: dict[str, Tensor] = {}
    start = 0
    for piece in pieces():
        for name, item in piece.items():
            if name not in whole:
                whole[name] = torch.empty(len(pixels), *item.shape[1:])
            whole[name][start : start + len(item)] = item.cpu()
        start += len(next(iter(piece.values())))
    return whole
