"""One image in, ranked classes out; a `Predictor` keeps its model loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.batches import normalize
from training.device import pick_device
from training.errors import UserError
from training.images import open_image, to_pixels
from training.model import load_network
from training.spec import CLASSES


class Predictor:
    """A loaded model that answers `problem`. Raises `UserError` if the directory holds none that names its
    outputs.
    """

    def __init__(self, model_dir: Path, problem: str = CLASSES) -> None:
        network = load_network(model_dir, problem)
        if not network.spec.labels:
            raise UserError("model:no-labels", "The model's config.json names no labels.")
        self.spec = network.spec
        self.device = pick_device()
        self.net = network.to(self.device).net

    def __call__(self, image: Path | bytes, *, top_k: int | None = None) -> list[dict[str, Any]]:
        """`[{label, score}]`, most likely first, scores from 0 to 1; `image` is encoded bytes or a path."""
        return render(self.outputs(image), list(self.spec.labels))[:top_k]

    def outputs(self, image: Path | bytes) -> Tensor:
        """What the network says of one image: fp32 [outputs] on the CPU."""
        where = image.name if isinstance(image, Path) else "you sent"
        pixels = torch.from_numpy(to_pixels(open_image(image, where), self.spec.geometry))
        with torch.inference_mode():
            batch = normalize(pixels.unsqueeze(0).to(self.device).float().div_(255), self.spec)
            found: Tensor = self.net(batch)[0].float().cpu()
            return found


def predict(model_dir: Path, image: Path | bytes, *, top_k: int | None = None) -> list[dict[str, Any]]:
    """Load `model_dir` and classify one image."""
    return Predictor(model_dir)(image, top_k=top_k)


def render(logits: Tensor, labels: list[str]) -> list[dict[str, Any]]:
    """`[{label, score}]` of logits [classes], most likely first; scores sum to 1."""
    scores = torch.softmax(logits.double(), dim=0)
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    return [{"label": labels[index], "score": float(scores[index])} for index in order]
