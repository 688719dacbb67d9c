"""The net of a table run: from the recipe or from a base, what of it learns, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from training.errors import UserError
from training.learning import Network, changed_state, freeze
from training.recipe import NetworkSpec
from training.tabular import nets
from training.tabular.codes import UNKNOWN, CategoricalCode
from training.tabular.columns import Table
from training.tabular.embeddings import KINDS, NetConfig, bin_edges
from training.tabular.encoding import Encoder
from training.tabular.loading import WEIGHTS, TabularModel, load_tabular
from training.tabular.nets import HEAD, TabularNet
from training.tabular.rows import Splits, TableRows, table_data
from training.tabular.storing import Preprocessing, save_config
from training.tabular.targets import ClassTarget, Target
from training.tasks.base import Plan
from training.weights import write_weights

EVAL_ROWS = 1024
MAX_BINS = 64
# (width, depth) of a net that the recipe does not measure out.
MLP_SHAPE, TRANSFORMER_SHAPE = (256, 3), (96, 3)


def open_base(plan: Plan) -> TabularModel | None:
    """The finished table model to start from, or whose shape to take. None where the recipe names none."""
    return load_tabular(plan.base_dir) if plan.base_dir is not None else None


def fit_encoder(plan: Plan, splits: Splits, base: TabularModel | None) -> tuple[Encoder, dict[str, str]]:
    """The base's encoder, whose columns must be the data's, or one fitted on the training rows."""
    data, log = table_data(plan.recipe), plan.reporter.log
    if base is not None and plan.recipe.init == "pretrained":
        encoder = base.preprocessing.encoder
        _check_columns(base, splits)
        for line in _strangers(encoder, splits.train):
            log(line)
        return encoder, dict(base.preprocessing.left_out)
    encoder, left_out = Encoder.fit(
        splits.train, splits.columns, categorical=data.categorical, scaling=data.numeric_encoding
    )
    for name, why in left_out.items():
        log(f"The column {name!r} is left out: {why}")
    log(f"{encoder.numbers} numbers and {len(encoder.sizes)} categories a row")
    return encoder, left_out


def make_net(
    plan: Plan,
    train: TableRows,
    encoder: Encoder,
    outputs: int,
    base: TabularModel | None,
    *,
    keep_head: bool,
) -> tuple[TabularNet, NetConfig]:
    """The base's net with its head or a fresh one, or a net drawn from the recipe's seed."""
    recipe = plan.recipe
    if base is not None and recipe.init == "pretrained":
        config = replace(base.config, outputs=outputs)
        if not keep_head:
            base.net.head = _fresh_head(base.net.head.in_features, outputs, recipe.seed)
        return base.net, config
    if base is not None:
        numbers, sizes = encoder.numbers, tuple(encoder.sizes)
        config = replace(base.config, numbers=numbers, sizes=sizes, outputs=outputs)
    else:
        config = _config(recipe.network or NetworkSpec(), encoder, outputs, len(train))
    edges = bin_edges(train.numbers, config.bins) if config.kind == "mlp-piecewise" else None
    return nets.build(config, seed=recipe.seed, edges=edges), config


class TableModelFiles:
    """What `Prepared.save` writes, and the parts of the net that learn."""

    def __init__(
        self,
        plan: Plan,
        net: TabularNet,
        config: NetConfig,
        encoder: Encoder,
        target: Target,
        left_out: Mapping[str, str],
    ) -> None:
        self.plan, self.config = plan, config
        self.preprocessing = Preprocessing(encoder, target, left_out)
        self.network = Network(net, HEAD, nets.stages(net))
        self.stages = freeze(self.network, plan.recipe.strategy)
        net.to(plan.device)

    def save(self, model_dir: Path) -> None:
        """Frozen tensors are the base file's own bytes, in its order."""
        model_dir.mkdir(parents=True, exist_ok=True)
        plan, net = self.plan, self.network.net
        if plan.base_dir is not None and plan.recipe.init == "pretrained":
            write_weights(model_dir / WEIGHTS, changed_state(self.network), base=plan.base_dir / WEIGHTS)
        else:
            write_weights(model_dir / WEIGHTS, net.state_dict())
        self.preprocessing.save(model_dir)
        save_config(model_dir, plan.recipe.task, self.config, self.preprocessing)


def head_features(net: TabularNet, rows: TableRows, device: torch.device) -> Tensor:
    """float32 [n, width] on the CPU: what the frozen body says of every row, once for the whole run."""
    net.eval()
    with torch.inference_mode():
        parts = (rows.take(part, device)[0] for part in torch.arange(len(rows)).split(EVAL_ROWS))
        found = [net.features(inputs).float().cpu() for inputs in parts]
    # A clone outside inference mode: autograd takes no tensor made inside it.
    return torch.cat(found).clone()


def _config(spec: NetworkSpec, encoder: Encoder, outputs: int, rows: int) -> NetConfig:
    numbers, sizes = encoder.numbers, tuple(encoder.sizes)
    kind = ("mlp-piecewise" if numbers else "mlp") if spec.kind == "auto" else spec.kind
    if kind not in KINDS:
        text = f"network.kind must be one of auto, {', '.join(KINDS)} for tables, got {kind!r}."
        raise UserError("recipe:network", text)
    width, depth = TRANSFORMER_SHAPE if kind == "ft-transformer" else MLP_SHAPE
    width, depth, heads = spec.width or width, spec.depth or depth, spec.heads or 8
    if kind == "ft-transformer" and width % heads:
        text = f"network.width must be a multiple of network.heads, got {width} and {heads}."
        raise UserError("recipe:network", text)
    # A piece of a number's range should hold enough rows to learn from.
    bins = min(MAX_BINS, max(8, rows // 128))
    return NetConfig(kind, numbers, sizes, outputs, width, depth, heads, dropout=spec.dropout, bins=bins)


def _fresh_head(width: int, outputs: int, seed: int) -> nn.Linear:
    """Small weights, so that it starts undecided."""
    head = nn.Linear(width, outputs)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.01, generator=torch.Generator().manual_seed(seed))
        head.bias.zero_()
    return head


def _check_columns(base: TabularModel, splits: Splits) -> None:
    known, found = set(base.preprocessing.encoder.columns), set(splits.columns)
    lacking = sorted(known - found)
    extra = sorted(found - known - set(base.preprocessing.left_out))
    if lacking:
        names = ", ".join(lacking[:10])
        text = f"The base model reads the column(s) {names}, which this data set does not have."
        raise UserError("model:other-columns", text)
    if extra:
        names = ", ".join(extra[:10])
        text = f"The base model never saw the column(s) {names}; leave them out by dataset.columns."
        raise UserError("model:other-columns", text)


def _strangers(encoder: Encoder, table: Table) -> list[str]:
    """A line for every categorical column with words that the base's vocabulary does not have."""
    lines = []
    for code in encoder.codes:
        if isinstance(code, CategoricalCode):
            places = code.encode(table.column(code.name), table.where)
            unknown = int((places == UNKNOWN).sum())
            if unknown:
                lines.append(f"{unknown:,} of {table.rows:,} rows have a {code.name!r} new to the base model")
    return lines


def same_target(base: TabularModel | None, target: Target, *, pretrained: bool) -> Target | None:
    """The base's own target where it is this one, so that its head can stay; None for another."""
    if base is None or not pretrained:
        return None
    own = base.preprocessing.target
    if isinstance(own, ClassTarget) or isinstance(target, ClassTarget):
        return own if own == replace(target, name=own.name) and type(own) is type(target) else None
    same = (own.name, own.transform, own.quantiles) == (target.name, target.transform, target.quantiles)
    return own if same else None
