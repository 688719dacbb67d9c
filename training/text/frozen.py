"""What a frozen encoder says of every text, or every tagged token, computed once for a whole run."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.tasks.base import Plan
from training.text import tails
from training.text.batching import IGNORED, Flat, TextBatches
from training.text.encoders import Encoder
from training.text.predicting import FORWARD_BATCH, in_length_order

MAX_FEATURE_BYTES = 16 * 1024 * 1024 * 1024
# Of so many rows the pace of a frozen encoder can be told.
ENOUGH_ROWS = 12 * FORWARD_BATCH


def row_features(plan: Plan, encoder: Encoder, batches: TextBatches) -> Tensor:
    """What enters the learning part of the tail, once for the whole run: float32, a row for every text, or
    for every tagged token in order.
    """
    flat = batches.flat
    wanted = None if flat.tags is None else flat.tags != IGNORED
    n, width = len(flat) if wanted is None else int(wanted.sum()), encoder.net.config.hidden_size
    if n * width * 4 > MAX_FEATURE_BYTES:
        text = (
            "The frozen features would need more than 16 GiB; set dataset.max_train_rows or another strategy."
        )
        raise UserError("data:too-large", text)

    def compute() -> Tensor:
        table = torch.empty(n, width)
        # Where in the table a row's features begin.
        counts = np.ones(len(flat), dtype=np.int64) if wanted is None else _tagged(flat)
        starts = np.concatenate([[0], np.cumsum(counts)])
        encoder.net.eval()
        with tails.captured(encoder) as features, torch.inference_mode():
            for rows in in_length_order(batches):
                plan.reporter.check()
                inputs, targets = batches.take(rows, plan.device)
                encoder.net(**inputs)
                found = features()
                if wanted is not None:
                    found = found[targets != IGNORED]
                places = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in rows.numpy()])
                table[torch.from_numpy(places)] = found.float().cpu()
        return table

    key = _feature_key(plan, encoder, flat)
    table = cached_features(key, plan.cache_dir, compute)
    if not bool(torch.isfinite(table).all()):
        text = "The base model gives values that are not finite numbers for some of these texts."
        raise UserError("model:not-finite", text)
    return table


def _tagged(flat: Flat) -> np.ndarray:
    assert flat.tags is not None
    return np.diff(np.concatenate([[0], np.cumsum(flat.tags != IGNORED)])[flat.starts])


def _feature_key(plan: Plan, encoder: Encoder, flat: Flat) -> FeatureKey:
    """Named by the frozen modules, the token ids, and which tokens are asked for."""
    names = encoder.tail[: encoder.tail.index(tails.first_of_tail(encoder))]
    body = nn.ModuleList([encoder.net.base_model, *(encoder.net.get_submodule(name) for name in names)])
    asked = b"" if flat.tags is None else (flat.tags != IGNORED).tobytes()
    types = b"" if flat.types is None else flat.types.tobytes()
    rows = hashlib.sha256(flat.ids.tobytes() + b"|" + flat.starts.tobytes() + b"|" + types + b"|" + asked)
    pooled = getattr(encoder.net.config, "classifier_pooling", encoder.pooling)
    how = {"pooling": encoder.pooling, "setting": pooled}
    return FeatureKey.of(
        body,
        preprocessing=how,
        images=rows.hexdigest(),
        device=plan.device,
        layer=tails.first_of_tail(encoder),
    )
