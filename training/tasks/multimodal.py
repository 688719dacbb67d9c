"""A class for every row of a picture, a text and columns: frozen encoders, fused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import model
from training.data import set_aside, thin
from training.device import pick_device, reproducible
from training.errors import UserError
from training.images import open_image, to_pixels
from training.learning import Network, freeze
from training.multimodal import nets, reading
from training.multimodal.nets import FusionConfig, FusionNet
from training.multimodal.published import FusionModel, load_fusion, save_fusion
from training.multimodal.reading import FusedRows, ReadRows, fused_data
from training.recipe import FusedData, NetworkSpec, Recipe, parse_recipe
from training.reporting import Reporter, SilentReporter
from training.tabular.columns import Table, rows_to_table
from training.tabular.encoding import Encoder
from training.tabular.judging import ClassTask
from training.tabular.targets import class_places, fit_classes
from training.tasks.base import Measured, Plan, Prepared, StepResult
from training.tasks.reports import class_report
from training.text.frozen import ENOUGH_ROWS

EVAL_ROWS = 1024


class MultimodalClassification:
    """The kind: what `task_kind` answers. The hub's list has no pipeline tag for it; a tag finds it."""

    pipeline_tag, library = "other", "tuneyard"
    example = '\'{"image": "photo.png", "text": "A text."}\''
    tags = ("multimodal",)

    def prepare(self, plan: Plan) -> Prepared:
        data = fused_data(plan.recipe)
        parts = _parted(plan, data)
        encoder = _table_encoder(parts[0], data, plan.reporter)
        target = fit_classes(data.label_column, parts[0][1], parts[0][4])
        classes = list(target.classes)
        plan.reporter.stage("features")
        rows = []
        for part in parts:

            def load(some: list[int], part: Part = part) -> FusedRows:
                table, names, texts, pictures, _ = _cut(part, some)
                inputs = _inputs(plan, data, table, texts, pictures, encoder)
                return FusedRows(inputs, class_places(target, names, table))

            rows.append(plan.load(list(range(part[0].rows)), load, at_most=ENOUGH_ROWS))
        config = _config(plan.recipe.network or NetworkSpec(), rows[0].inputs, encoder, len(classes))
        net = nets.build(config, seed=plan.recipe.seed)
        nets.standardise(net, rows[0].inputs)
        network = Network(net, nets.HEAD)
        stages = freeze(network, plan.recipe.strategy)
        net.to(plan.device)
        finished = FusionModel(plan.base(), net, classes, encoder, _sources(data))

        def save(model_dir: Path) -> None:
            save_fusion(finished, model_dir, plan.base())

        task = FusionTask(classes, plan.recipe.optim.label_smoothing)
        val = rows[1] if len(rows) > 1 else None
        return Prepared(network, net, stages, task, rows[0], val, plan.device, save, eval_batch=EVAL_ROWS)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Accuracy with its Wilson interval; rows of a class that the model does not know count as wrong."""
        found, data = load_fusion(model_dir), fused_data(recipe)
        read = reading.read_rows(data_dir, split, data)
        with reproducible(0, True), _cache(model_dir) as cache:
            plan = Plan(recipe, model_dir, data_dir, cache, cache, pick_device(), reporter)
            places = range(read.table.rows)
            sizes = {name: found.sources[name] for name in ("image_size", "max_tokens")}
            asked = replace(data, **sizes)
            inputs = _inputs(plan, asked, read.table, read.texts, (read.pictures, places), found.encoder)
            outputs = _outputs(found.net, inputs)
        known = set(found.classes)
        if known.isdisjoint(read.classes):
            text = f"The model and the split {split!r} have no class in common."
            raise UserError("data:labels-mismatch", text)
        labels = [*found.classes, *sorted(set(read.classes) - known)]
        place = {label: index for index, label in enumerate(labels)}
        return class_report(outputs, np.array([place[name] for name in read.classes]), labels, len(known))

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{label, score}]`, most likely first. `given`: `{"image": path, "text": …, COLUMN: …}` as JSON."""
        found = load_fusion(model_dir)
        plain, sources = _asked(given), found.sources
        inputs: dict[str, Tensor] = {}
        with tempfile.TemporaryDirectory() as cache:
            places = Path(cache), Path(cache)
            plan = Plan(_own_recipe(sources), model_dir, model_dir, *places, pick_device(), SilentReporter())
            if sources["image_column"]:
                inputs["image"] = _one_picture(plan, Path(_text(plain, "image")), sources["image_size"])
            if sources["text_column"]:
                inputs["text"] = reading.text_features(plan, [_text(plain, "text")], sources["max_tokens"])
        if found.encoder is not None:
            row = {name: plain.get(name) for name in found.encoder.columns}
            inputs["numbers"], inputs["places"] = found.encoder.encode(
                rows_to_table([row], lambda index: "in the input")
            )
        scores = _outputs(found.net, inputs)[0].double().softmax(0)
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        return [{"label": found.classes[index], "score": float(scores[index])} for index in order]

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return f"""# image/ and text/ load with timm and transformers; their fusion is Tuneyard's own.
from huggingface_hub import snapshot_download
from training.multimodal.published import load_fusion

model = load_fusion(snapshot_download("{repo}"))
print(model.classes, model.net)"""


class FusionTask(ClassTask):
    """Every branch is taught by itself; measured is the mean of their logits."""

    is_softmax = False

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        assert isinstance(learner, FusionNet)
        with torch.autocast(targets.device.type, enabled=False):
            branches = learner.branches(inputs)
        losses = [F.cross_entropy(one, targets, label_smoothing=self.label_smoothing) for one in branches]
        logits = torch.stack(branches).mean(0)
        return StepResult(torch.stack(losses).mean(), logits, (logits.argmax(1) == targets).sum())


# Table, classes, texts, pictures with their rows, declared classes.
Part = tuple[Table, list[str], list[str] | None, tuple[Any, Any], list[str] | None]


def _parted(plan: Plan, data: FusedData) -> list[Part]:
    """The training part, and the validation part if any."""
    whole = reading.read_rows(plan.data_dir, data.train_split, data)
    place = {name: index for index, name in enumerate(dict.fromkeys(whole.classes))}
    strata = [place[name] for name in whole.classes]
    rows, held = list(range(whole.table.rows)), list[int]()
    other = whole
    if data.validation_split:
        other = reading.read_rows(plan.data_dir, data.validation_split, data)
        held = list(range(other.table.rows))
    else:
        rows, held = set_aside(strata, data, plan.recipe.seed)
    rows = thin(rows, strata, data.max_train_rows, plan.recipe.seed)
    plan.reporter.log(f"{len(rows):,} rows to learn from, {len(held):,} to validate")
    parts = [_part(whole, rows)]
    return [*parts, _part(other, held)] if held else parts


def _part(read: ReadRows, rows: list[int]) -> Part:
    return (*reading.taken(read, rows), (read.pictures, rows), read.declared)


def _cut(part: Part, some: list[int]) -> Part:
    """These rows of a part alone."""
    table, names, texts, (pictures, places), declared = part
    if len(some) == table.rows:
        return part
    return (
        table.take(np.array(some)),
        [names[row] for row in some],
        None if texts is None else [texts[row] for row in some],
        (pictures, [places[row] for row in some]),
        declared,
    )


def _table_encoder(part: Part, data: FusedData, reporter: Reporter) -> Encoder | None:
    if not data.columns:
        return None
    encoder, left_out = Encoder.fit(part[0], data.columns)
    for name, why in left_out.items():
        reporter.log(f"The column {name!r} is left out: {why}.")
    return encoder


def _inputs(
    plan: Plan,
    data: FusedData,
    table: Table,
    texts: list[str] | None,
    pictures: tuple[Any, Any],
    encoder: Encoder | None,
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    split, rows = pictures
    if split is not None:
        found["image"] = reading.picture_features(plan, split, list(rows), data.image_size)
    if texts is not None:
        found["text"] = reading.text_features(plan, texts, data.max_tokens)
    if encoder is not None:
        found["numbers"], found["places"] = encoder.encode(table)
    return found


def _config(
    spec: NetworkSpec, inputs: dict[str, Tensor], encoder: Encoder | None, classes: int
) -> FusionConfig:
    kind = "concat" if spec.kind == "auto" else spec.kind
    vectors: dict[str, int] = {name: inputs[name].shape[1] for name in ("image", "text") if name in inputs}
    known = [*nets.FUSIONS, *vectors, *(["table"] if encoder else [])]
    if kind not in known:
        text = f"network.kind must be one of auto, {', '.join(known)} here, got {kind!r}."
        raise UserError("recipe:network", text)
    numbers, sizes = (encoder.numbers, tuple(encoder.sizes)) if encoder else (0, ())
    return FusionConfig(kind, vectors, numbers, sizes, classes, spec.width or 128, spec.dropout)


def _sources(data: FusedData) -> dict[str, Any]:
    return {
        "image_column": data.image_column,
        "text_column": data.text_column,
        "columns": list(data.columns or ()),
        "image_size": data.image_size,
        "max_tokens": data.max_tokens,
    }


def _own_recipe(sources: dict[str, Any]) -> Recipe:
    """Of a finished model: what its encoders are opened with."""
    kept = {name: value for name, value in sources.items() if value}
    return parse_recipe(
        {
            "task": "multimodal-classification",
            "base_model": {"repo": "model"},
            "dataset": {"repo": "data", **kept},
        }
    )


def _outputs(net: FusionNet, inputs: dict[str, Tensor]) -> Tensor:
    n = len(next(iter(inputs.values())))
    parts = []
    with torch.inference_mode():
        for rows in torch.arange(n).split(EVAL_ROWS):
            parts.append(net({name: item[rows] for name, item in inputs.items()}))
    return torch.cat(parts).float()


@contextmanager
def _cache(model_dir: Path) -> Iterator[Path]:
    """The features that a run keeps beside its model, where it did; else a folder that is gone afterwards."""
    kept = model_dir.parent / "features"
    if kept.is_dir():
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _one_picture(plan: Plan, path: Path, size: int | None) -> Tensor:
    network = model.prepare_network(
        plan.base() / "image", labels=["0", "1"], image_size=size, scratch=False, seed=0
    )
    pixels = torch.from_numpy(to_pixels(open_image(path, path.name), network.spec.geometry))
    return reading.pixel_features(plan, network, pixels.unsqueeze(0))


def _asked(given: str) -> dict[str, Any]:
    try:
        plain = json.loads(given)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        text = 'The input is a JSON object such as {"image": "photo.png", "text": "A text."}.'
        raise UserError("predict:bad-input", text)
    return plain


def _text(plain: dict[str, Any], name: str) -> str:
    found = plain.get(name)
    if not isinstance(found, str) or not found.strip():
        raise UserError("predict:bad-input", f"The input must have {name!r}, as text.")
    return found
