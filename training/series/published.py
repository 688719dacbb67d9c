"""A forecaster's directory: weights, the stock library's `config.json`, and `preprocessing.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from training.errors import UserError
from training.jsonfiles import read_object
from training.learning import Parts, changed_state
from training.series.fracast import Fracast, read_shape
from training.series.grid import Grid
from training.series.nets import LINEAR, NetShape, build_net
from training.series.rows import Columns
from training.series.windows import Scaler
from training.weights import load_weights, read_header, write_weights

WEIGHTS, CONFIG, SERIES = "model.safetensors", "config.json", "preprocessing.json"
MAX_MEBIBYTES = 256
LINEAR_TYPE = "tuneyard-linear-forecaster"
MAX_STEPS = 100_000
USAGE_FRACAST = """from fracast import FracastModel

model = FracastModel.from_pretrained("{repo}", weights="fp32")
quantiles = model.forecast(history)  # [48, 9] from the last 2,048 values"""
USAGE_LINEAR = """# No stock library holds this net: Tuneyard's own module loads it.
from pathlib import Path
from huggingface_hub import snapshot_download
from training.series.forecast import forecast
from training.series.published import load_forecaster

net, about = load_forecaster(Path(snapshot_download("{repo}")))
answer = forecast(net, about, '{{"history": [1.5, 2.0, 1.7]}}')  # as many values as about.context"""
USAGE_PATCHTST = """import json, torch
from huggingface_hub import hf_hub_download
from transformers import PatchTSTForPrediction

model = PatchTSTForPrediction.from_pretrained("{repo}")
about = json.load(open(hf_hub_download("{repo}", "preprocessing.json")))
mean, std = about["scaler"]["mean"][0][0], about["scaler"]["std"][0][0]
past = (torch.tensor(history[-about["context"]:]).reshape(1, -1, 1) - mean) / std
flat = model(past).prediction_outputs.squeeze(2) * std + mean
forecast = flat.reshape(about["horizon"], max(1, len(about["quantiles"])))"""


@dataclass(frozen=True)
class Forecasting:
    """How a net's inputs are made and its outputs read. `quantiles` is empty for a point forecast.

    `series`: the names that the rows of `scaler` stand for. `shape` is None for Fracast, whose own
    config.json says it all.
    """

    kind: str
    columns: Columns
    grid: Grid
    context: int
    horizon: int
    quantiles: tuple[float, ...]
    season: int
    max_gap: int
    instance_norm: bool
    series: list[str]
    scaler: Scaler
    shape: NetShape | None

    @property
    def takes_holes(self) -> bool:
        """True for nets that are told by a mask which steps were measured."""
        return self.kind == "fracast"

    @property
    def middle(self) -> int:
        """The output that is the point forecast."""
        return self.quantiles.index(0.5) if self.quantiles else 0

    def as_dict(self) -> dict[str, Any]:
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        nested = {name: dataclasses.asdict(plain[name]) for name in ("columns", "grid")}
        shape = dataclasses.asdict(self.shape) if self.shape else None
        return {"version": 1, **plain, **nested, "scaler": self.scaler.as_dict(), "shape": shape}


def write_forecasting(model_dir: Path, about: Forecasting) -> None:
    text = json.dumps(about.as_dict(), ensure_ascii=False)
    (model_dir / SERIES).write_text(text + "\n", encoding="utf-8")


def read_forecasting(model_dir: Path) -> Forecasting:
    """Raises `UserError` `model:bad-config` for a file that is not ours or is damaged."""
    plain = read_json(model_dir / SERIES)
    try:
        about = Forecasting(
            kind=str(plain["kind"]),
            columns=_columns(plain["columns"]),
            grid=Grid(str(plain["grid"]["unit"]), int(plain["grid"]["step"])),
            context=_steps(plain["context"]),
            horizon=_steps(plain["horizon"]),
            quantiles=tuple(float(level) for level in plain["quantiles"]),
            season=_steps(plain["season"]),
            max_gap=int(plain["max_gap"]),
            instance_norm=bool(plain["instance_norm"]),
            series=[str(name) for name in plain["series"]],
            scaler=Scaler.from_dict(plain["scaler"]),
            shape=NetShape(**plain["shape"]) if plain["shape"] else None,
        )
        _ = about.middle
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _bad(f"{SERIES} has a field missing or of the wrong kind ({str(error)[:80]})") from None
    if about.scaler.mean.shape != (len(about.series), len(about.columns.targets)):
        raise _bad(f"{SERIES} has scales for other series than it names")
    return about


def load_forecaster(model_dir: Path) -> tuple[nn.Module, Forecasting]:
    """A finished model in fp32 and eval mode. Raises `UserError` if its files do not agree."""
    about = read_forecasting(model_dir)
    net: nn.Module
    if about.kind == "fracast":
        net = fracast_net(model_dir, about.horizon, about.quantiles)
    elif about.shape is None or about.kind not in (*LINEAR, "patchtst"):
        raise _bad(f"{SERIES} describes no net that we know")
    else:
        _check_shape(about.shape)
        net = build_net(about.shape) if about.kind in LINEAR else patchtst_net(model_dir, about.shape)
    load_into(net, model_dir / WEIGHTS)
    return net.eval(), about


def fracast_net(base_dir: Path, horizon: int, quantiles: tuple[float, ...]) -> Fracast:
    """Fracast with fresh weights, giving `quantiles` (its median where empty) of `horizon` steps.

    Raises `UserError` for a horizon or quantiles that it was not made for.
    """
    shape = read_shape(read_json(base_dir / CONFIG))
    if horizon > shape["horizon"]:
        text = f"This base forecasts {shape['horizon']} steps at most; dataset.horizon is {horizon}."
        raise UserError("model:horizon", text)
    wanted = quantiles or (0.5,)
    for level in wanted:
        if level not in shape.quantiles:
            known = ", ".join(f"{item:g}" for item in shape.quantiles)
            text = f"This base knows the quantiles {known}; dataset.quantiles names {level:g}."
            raise UserError("model:quantiles", text)
    return Fracast(shape, horizon, [shape.quantiles.index(level) for level in wanted])


def patchtst_net(base_dir: Path, shape: NetShape) -> nn.Module:
    """PatchTST as the `config.json` of `base_dir` describes it, with fresh weights and a head for `shape`."""
    from training.series.patchtst import patchtst_like

    return patchtst_like(read_json(base_dir / CONFIG), shape)


def load_into(net: nn.Module, path: Path, fresh: tuple[str, ...] = ()) -> None:
    """Load strictly; shapes are compared with the header before any data is read.

    `fresh`: prefixes whose tensors keep the values they have.
    """
    header, expected = read_header(path), net.state_dict()
    fresh = fresh or ("\0",)
    wanted = {name: item for name, item in expected.items() if not name.startswith(fresh)}
    for name, tensor in wanted.items():
        if name not in header:
            raise _mismatch(f"{name} is missing")
        if header[name].shape != tuple(tensor.shape):
            found, due = list(header[name].shape), list(tensor.shape)
            raise _mismatch(f"{name} has the shape {found} where {due} is needed")
    extra = next((name for name in header if name not in expected and not name.startswith(fresh)), None)
    if extra is not None:
        raise _mismatch(f"{extra[:100]} does not belong to it")
    loaded = load_weights(path)
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(loaded[name])


def read_json(path: Path) -> dict[str, Any]:
    """A bounded JSON object. Raises `UserError` `model:bad-config`, `model:no-config`."""
    return read_object(path, MAX_MEBIBYTES, lambda reason: _bad(f"{path.name}: {reason}"))


def _columns(plain: dict[str, Any]) -> Columns:
    targets, known, past = (tuple(map(str, plain[name])) for name in ("targets", "known", "past"))
    series = None if plain["series"] is None else str(plain["series"])
    return Columns(time=str(plain["time"]), targets=targets, series=series, known=known, past=past)


def _steps(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MAX_STEPS:
        raise ValueError("steps out of bounds")
    return value


def _check_shape(shape: NetShape) -> None:
    sizes = (shape.context, shape.horizon, shape.outputs, shape.width, shape.depth, shape.heads, shape.patch)
    if not all(type(size) is int and 1 <= size <= MAX_STEPS for size in (*sizes, shape.stride)):
        raise _bad(f"{SERIES} has sizes out of bounds")
    if shape.context * shape.horizon * shape.outputs > 2**31:
        raise _bad(f"{SERIES} describes a net of more than 2 billion parameters")


def save_forecaster(parts: Parts, about: Forecasting, model_dir: Path, *, base_dir: Path | None) -> None:
    """Write weights, `config.json` and `preprocessing.json`. Tensors of the base that did not learn are its
    own bytes, in its order."""
    model_dir.mkdir(parents=True, exist_ok=True)
    base = base_dir / WEIGHTS if base_dir else None
    state = parts.net.state_dict()
    if base is not None and base.is_file() and set(read_header(base)) == set(state):
        write_weights(model_dir / WEIGHTS, changed_state(parts), base=base)
    else:
        write_weights(model_dir / WEIGHTS, state)
    text = json.dumps(_config(parts.net, about), indent=2, ensure_ascii=False)
    (model_dir / CONFIG).write_text(text + "\n", encoding="utf-8")
    write_forecasting(model_dir, about)


def _config(net: nn.Module, about: Forecasting) -> dict[str, Any]:
    """What the stock library of the net reads."""
    if isinstance(net, Fracast):
        return {**net.shape.plain, "library_name": "fracast"}
    if about.kind == "patchtst":
        config: Any = net.config
        named = {"architectures": ["PatchTSTForPrediction"], "library_name": "transformers"}
        return {**config.to_diff_dict(), **named}
    named = {"model_type": LINEAR_TYPE, "library_name": "tuneyard"}
    return {**named, **dataclasses.asdict(cast(NetShape, about.shape))}


def usage(repo: str, config: dict[str, Any]) -> str:
    """Python that loads a published forecaster with the library of its kind."""
    if "pyramid" in config:
        return USAGE_FRACAST.format(repo=repo)
    if config.get("model_type") == "patchtst":
        return USAGE_PATCHTST.format(repo=repo)
    return USAGE_LINEAR.format(repo=repo)


def _mismatch(reason: str) -> UserError:
    return UserError("model:wrong-weights", f"model.safetensors is not of this forecaster: {reason}.")


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The forecaster cannot be used: {reason}.")
