"""The net a forecasting recipe asks for: a base's architecture and weights, or one described by `network`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from training.errors import UserError
from training.recipe import NetworkSpec, Recipe, SeriesData
from training.series.fracast import read_shape
from training.series.nets import LINEAR, NetShape, build_net
from training.series.published import CONFIG, SERIES, WEIGHTS, fracast_net, load_into, patchtst_net, read_json
from training.series.published import read_forecasting as read_about
from training.weights import read_header

KINDS = (*LINEAR, "patchtst")
# Nie et al. take patches of 16 steps, every 8; a short history still has some.
PATCH, FEWEST_PATCHES = 16, 4


def open_net(
    recipe: Recipe, data: SeriesData, base_dir: Path | None
) -> tuple[nn.Module, str, NetShape | None]:
    """The net, its kind and its shape (None for Fracast, whose base says it all); weights as `init` says.

    Raises `UserError` where the base and the recipe do not go together.
    """
    torch.manual_seed(recipe.seed)
    if base_dir is None:
        network = recipe.network or NetworkSpec()
        kind = "nlinear" if network.kind == "auto" else network.kind
        if kind not in KINDS:
            text = f"network.kind must be one of auto, {', '.join(KINDS)}, got {kind[:40]!r}."
            raise UserError("recipe:unknown-network", text)
        shape = shape_of(recipe, data, kind, network)
        return build_net(shape), kind, shape
    config = read_json(base_dir / CONFIG)
    if "pyramid" in config:
        return _open_fracast(recipe, data, base_dir), "fracast", None
    if config.get("model_type") == "patchtst":
        return _open_patchtst(recipe, data, base_dir)
    if (base_dir / SERIES).is_file():
        return _open_linear(recipe, data, base_dir)
    text = "The base model is no forecaster: its config.json is neither Fracast's nor PatchTST's nor ours."
    raise UserError("model:wrong-kind", text)


def quantiles_of(recipe: Recipe, data: SeriesData) -> tuple[float, ...]:
    """What the net has outputs for; none for a point forecast. Raises `UserError` where the median is not
    among them: it is the forecast that people are shown."""
    if recipe.loss.kind != "auto":
        return ()
    if 0.5 not in data.quantiles:
        raise UserError("recipe:quantiles", "dataset.quantiles must hold 0.5, which is the forecast itself.")
    return data.quantiles


def shape_of(recipe: Recipe, data: SeriesData, kind: str, network: NetworkSpec) -> NetShape:
    """The sizes of a net for this recipe."""
    patch = max(1, min(PATCH, data.context // FEWEST_PATCHES))
    return NetShape(
        kind=kind,
        context=data.context,
        horizon=data.horizon,
        outputs=max(1, len(quantiles_of(recipe, data))),
        known=len(data.known_columns or ()),
        past=len(data.past_columns or ()),
        instance_norm=data.scaling == "instance",
        width=network.width or 64,
        depth=network.depth or 2,
        heads=network.heads or 4,
        patch=patch,
        stride=max(1, patch // 2),
        dropout=network.dropout,
    )


def _open_fracast(recipe: Recipe, data: SeriesData, base_dir: Path) -> nn.Module:
    if data.known_columns or data.past_columns:
        text = "Fracast reads no covariates; leave dataset.known_columns and dataset.past_columns out."
        raise UserError("model:covariates", text)
    window = read_shape(read_json(base_dir / CONFIG))["W"]
    if data.context != window:
        text = f"dataset.context must be {window} for this base, got {data.context}"
        raise UserError("model:context", f"{text}; a shorter history is padded.")
    net = fracast_net(base_dir, data.horizon, quantiles_of(recipe, data))
    if recipe.init == "pretrained":
        load_into(net, base_dir / WEIGHTS)
    return net


def _open_patchtst(recipe: Recipe, data: SeriesData, base_dir: Path) -> tuple[nn.Module, str, NetShape]:
    from training.series.patchtst import context_of

    config = read_json(base_dir / CONFIG)
    context = context_of(config)
    if data.context != context:
        raise UserError(
            "model:context", f"dataset.context must be {context} for this base, got {data.context}."
        )
    shape = shape_of(recipe, data, "patchtst", NetworkSpec())
    covariates = shape.known + shape.past
    if covariates and recipe.init == "pretrained" and recipe.strategy.kind == "head":
        text = (
            "Covariates need layers that this base does not have; choose strategy.kind last-stages or full."
        )
        raise UserError("model:covariates", text)
    net = patchtst_net(base_dir, shape)
    if recipe.init == "pretrained":
        load_into(net, base_dir / WEIGHTS, fresh=_new_parts(net, base_dir))
    return net, "patchtst", shape


def _new_parts(net: nn.Module, base_dir: Path) -> tuple[str, ...]:
    """The head stays where the base forecasts the same steps and quantiles, else it is new."""
    header, ours = read_header(base_dir / WEIGHTS), net.state_dict()
    shapes = {name: header[name].shape if name in header else None for name in ours}
    return tuple(
        prefix
        for prefix in ("head.", "covariates.")
        if any(shapes[name] != tuple(ours[name].shape) for name in ours if name.startswith(prefix))
    )


def _open_linear(recipe: Recipe, data: SeriesData, base_dir: Path) -> tuple[nn.Module, str, NetShape]:
    about = read_about(base_dir)
    if about.kind not in LINEAR or about.shape is None:
        raise UserError("model:bad-config", f"The base model's {SERIES} describes no net that we know.")
    wanted = shape_of(recipe, data, about.kind, NetworkSpec(width=about.shape.width))
    for field in ("context", "horizon", "outputs", "known", "past"):
        ours, theirs = getattr(wanted, field), getattr(about.shape, field)
        if ours != theirs:
            text = f"The base model has {field} {theirs}, the recipe asks for {ours}"
            raise UserError("model:sizes", f"{text}: a linear net keeps its sizes.")
    net = build_net(about.shape)
    if recipe.init == "pretrained":
        load_into(net, base_dir / WEIGHTS)
    return net, about.kind, about.shape
