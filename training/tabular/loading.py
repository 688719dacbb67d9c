"""A published table model: loaded with torch and safetensors alone, rows in, answers out.

    from training.tabular.loading import load_tabular

    model = load_tabular("path/to/model")
    model.predict([{"MedInc": 3.5, "HouseAge": 29, "Latitude": 37.9, "Longitude": -122.3}])

There is no stock library that reads a table model with its preprocessing; this module is the loader. Of the
project it needs `training.tabular`, `training.weights` and `training.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.errors import UserError
from training.tabular.columns import Table, rows_to_table
from training.tabular.embeddings import NetConfig
from training.tabular.nets import TabularNet, build
from training.tabular.storing import Preprocessing, load_config, require_tabular
from training.tabular.targets import ClassTarget
from training.weights import load_weights, read_header

WEIGHTS = "model.safetensors"
MAX_PREDICT_ROWS = 100_000
CHUNK = 1024


class TabularModel:
    """`net` in fp32 and eval mode; `preprocessing` turns rows into what it reads."""

    def __init__(self, task: str, config: NetConfig, net: TabularNet, preprocessing: Preprocessing) -> None:
        self.task, self.config, self.net, self.preprocessing = task, config, net, preprocessing

    def outputs(self, table: Table) -> Tensor:
        """float32 [n, outputs] of the net; columns that it does not know are not looked at."""
        numbers, places = self.preprocessing.encoder.encode(table)
        device = next(self.net.parameters()).device
        with torch.inference_mode():
            parts = zip(numbers.split(CHUNK), places.split(CHUNK), strict=True)
            found = [self.net((a.to(device), b.to(device))).float().cpu() for a, b in parts]
        return torch.cat(found)

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """A number a row in the target's unit (`{"0.1": …, "0.5": …}` where the model learned quantiles), or
        `[{label, score}]` a row, likeliest first.

        A column that a row lacks is missing there. Raises `UserError` for a cell that cannot be read, and
        where no row has any of the model's columns.
        """
        if not 1 <= len(rows) <= MAX_PREDICT_ROWS:
            text = f"A prediction takes 1 to {MAX_PREDICT_ROWS:,} rows, got {len(rows):,}."
            raise UserError("predict:rows", text)
        columns = self.preprocessing.encoder.columns
        if not any(name in row for row in rows for name in columns):
            text = f"The rows have none of the model's columns ({', '.join(columns[:20])})."
            raise UserError("data:missing-column", text)
        known = [{name: row.get(name) for name in columns} for row in rows]
        return self.answers(rows_to_table(known, lambda index: f"in row {index + 1}"))

    def answers(self, table: Table) -> list[Any]:
        """What `predict` says, of a table that has all the columns."""
        target, outputs = self.preprocessing.target, self.outputs(table)
        if isinstance(target, ClassTarget):
            return [_ranked(scores, target.classes) for scores in outputs.double().softmax(1)]
        if target.quantiles:
            # Quantiles learned side by side may cross; sorted they are no worse (Chernozhukov et al. 2010).
            restored = target.restore(outputs.sort(dim=1).values).tolist()
            return [dict(zip(map(str, target.quantiles), row, strict=True)) for row in restored]
        return [float(value) for value in target.restore(target.point(outputs))]


def load_tabular(model_dir: Path | str) -> TabularModel:
    """The model of a directory. Raises `UserError` for files that are missing, torn or of another model."""
    folder = Path(model_dir)
    require_tabular(folder)
    preprocessing = Preprocessing.load(folder)
    task, config = load_config(folder, preprocessing)
    net = load_net(config, folder / WEIGHTS)
    net.eval()
    return TabularModel(task, config, net, preprocessing)


def load_net(config: NetConfig, path: Path) -> TabularNet:
    """Strictly: names and shapes are compared with the header before any memory is taken."""
    with torch.device("meta"):
        expected = build(config, seed=0).state_dict()
    header = read_header(path)
    for name, tensor in expected.items():
        if name not in header or header[name].shape != tuple(tensor.shape):
            raise _mismatch(f"{name} is missing or has another shape")
    extra = next((name for name in header if name not in expected), None)
    if extra is not None:
        raise _mismatch(f"{extra[:100]} does not belong to it")
    found = {name: item.float() for name, item in load_weights(path).items()}
    if any(not item.isfinite().all() for item in found.values()):
        raise _mismatch("it holds numbers that are not finite")
    net = build(config, seed=0)
    net.load_state_dict(found)
    return net


def _ranked(scores: Tensor, classes: Sequence[str]) -> list[dict[str, Any]]:
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    return [{"label": classes[index], "score": float(scores[index])} for index in order]


def _mismatch(reason: str) -> UserError:
    text = f"model.safetensors does not hold the network of config.json: {reason}."
    return UserError("model:wrong-weights", text)
