"""Boxes around the objects of a picture: torchvision's detectors, or one made of a classification network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training.detection import judging, runs
from training.detection.models import load_detector
from training.detection.pictures import squeezed
from training.detection.reading import detection_data, read_scenes
from training.detection.usage import usage_of
from training.device import pick_device
from training.images import open_image
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks.base import Measured, Plan, Prepared

# What torchvision's FCOS tells unless asked for more; average precision reads lower scores too.
LEAST_SCORE = 0.2


class ObjectDetection:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library, example = "object-detection", "torchvision", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        return runs.prepare(plan)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """COCO's mAP with its interval. Objects of a class that the model does not know count as missed."""
        net, spec = load_detector(model_dir)
        scenes = runs.with_known(read_scenes(data_dir, split, detection_data(recipe)), list(spec.labels))
        truth, answers = runs.answers_on(net, spec, scenes, reporter)
        return judging.report(truth, answers, scenes.labels, reporter)

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{label, score, box}]`, surest first, from a score of 0.2 on; `box` is left, top, right, bottom in
        pixels of the picture as it is."""
        net, spec = load_detector(model_dir)
        image = open_image(Path(given), Path(given).name)
        device = pick_device()
        pixels = torch.from_numpy(squeezed(image, spec.image_size)).to(device).float().div_(255)
        with torch.inference_mode():
            (found,) = net.to(device).detect([pixels])
        sides = torch.tensor([*image.size, *image.size])
        boxes = (found["boxes"].cpu() * sides).tolist()
        rows = zip(found["labels"].tolist(), found["scores"].tolist(), boxes, strict=True)
        told = [
            {"label": spec.labels[label], "score": score, "box": [round(side, 2) for side in box]}
            for label, score, box in rows
            if score >= LEAST_SCORE
        ]
        return sorted(told, key=lambda one: -float(one["score"]))

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return usage_of(repo, config)
