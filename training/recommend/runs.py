"""From a recipe and a directory to rows, towers and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data import set_aside, thin
from training.errors import UserError
from training.learning import Network, freeze
from training.recipe import NetworkSpec
from training.recommend import nets
from training.recommend.batches import Seen
from training.recommend.nets import NetConfig, NeuralCF, SideConfig, TwoTower
from training.recommend.reading import (
    Interactions,
    interaction_data,
    latest,
    places_of,
    read_interactions,
)
from training.recommend.sides import Side, fit_side, open_source
from training.recommend.storing import Facts, save_facts
from training.tasks.base import Plan
from training.weights import write_weights

WEIGHTS = "model.safetensors"
# Scores of users against all items that are held at once.
EVAL_CELLS = 2_000_000
EVAL_PAIRS = 8192


@dataclass
class Made:
    """A net for the training rows, and what it is published with."""

    facts: Facts
    net: TwoTower | NeuralCF
    network: Network
    stages: list[list[str]]
    seen: Seen

    def places(self, rows: Interactions) -> tuple[np.ndarray, np.ndarray]:
        """int64 [n] each: places of users and items, 0 for unknown ones."""
        return places_of(rows.users, self.facts.users), places_of(rows.items, self.facts.items)

    def save(self, model_dir: Path) -> None:
        """model.safetensors, config.json and vocabulary.json."""
        model_dir.mkdir(parents=True, exist_ok=True)
        write_weights(model_dir / WEIGHTS, self.net.state_dict())
        save_facts(model_dir, self.facts)


def parted(plan: Plan) -> tuple[Interactions, Interactions | None]:
    """Rows to learn from and rows to validate on: a split, folds, or the last or a drawn share by user."""
    recipe, data = plan.recipe, interaction_data(plan.recipe)
    whole = read_interactions(plan.data_dir, data.train_split, data)
    place = {user: index for index, user in enumerate(dict.fromkeys(whole.users))}
    strata = [place[user] for user in whole.users]
    rows, held = list(range(len(whole))), list[int]()
    val: Interactions | None = None
    if data.validation_split:
        val = read_interactions(plan.data_dir, data.validation_split, data)
    elif whole.times is not None and data.folds is None:
        rows, held = latest(whole.users, whole.times, data.validation_fraction)
    else:
        rows, held = set_aside(strata, data, recipe.seed)
    if held:
        val = whole.take(np.array(held))
    train = whole.take(np.array(thin(rows, strata, data.max_train_rows, recipe.seed)))
    plan.reporter.log(f"{len(train):,} rows to learn from, {len(val) if val else 0:,} to validate")
    return train, val


def make(plan: Plan, train: Interactions, objective: str) -> Made:
    """Vocabularies and features of the training rows, and a net drawn from the recipe's seed."""
    users, items = _sides(plan, train)
    places = places_of(train.users, users.ids), places_of(train.items, items.ids)
    seen = Seen.of(*places, len(users.ids), len(items.ids))
    plan.reporter.log(f"{users.trained:,} users, {items.trained:,} items, {len(seen.items):,} pairs")
    low, high, mean = 0.0, 0.0, 0.0
    if objective == "rating":
        assert train.ratings is not None  # the objective needs them
        low, high, mean = (
            float(value) for value in (train.ratings.min(), train.ratings.max(), train.ratings.mean())
        )
        if low == high:
            text = f"All training rows have the same rating, {low:g}; there is nothing to learn."
            raise UserError("data:constant-target", text)
    config = _config(plan.recipe.network or NetworkSpec(), users, items, len(seen.items))
    net = nets.build(config, seed=plan.recipe.seed)
    nets.fill(net, users, items, mean)
    net.get_buffer("seen_starts").copy_(seen.starts)
    net.get_buffer("seen_items").copy_(seen.items)
    network = Network(net, nets.HEAD, nets.stages(net))
    learning = freeze(network, plan.recipe.strategy)
    net.to(plan.device)
    facts = Facts(config, objective, low, high, users.ids, items.ids, items.titles)
    return Made(facts, net, network, learning, seen)


def eval_rows(facts: Facts, objective: str) -> int:
    """Rows that go through the net at once; neural CF holds a vector for every pair of them and items."""
    if objective == "rating":
        return EVAL_PAIRS
    wide = 4 * facts.config.width if facts.config.kind == "neural-cf" else 1
    return min(256, max(1, 16 * EVAL_CELLS // (len(facts.items) * wide)))


def _sides(plan: Plan, train: Interactions) -> tuple[Side, Side]:
    data, log = interaction_data(plan.recipe), plan.reporter.log
    users = open_source(
        plan.data_dir,
        (train.table, train.users),
        name=data.user_table,
        key=data.user_column,
        columns=data.user_features,
    )
    items = open_source(
        plan.data_dir,
        (train.table, train.items),
        name=data.item_table,
        key=data.item_column,
        columns=data.item_features,
        title=data.title_column,
    )
    return fit_side(train.users, users, "user", log), fit_side(train.items, items, "item", log)


def _config(spec: NetworkSpec, users: Side, items: Side, seen: int) -> NetConfig:
    kind = "two-tower" if spec.kind == "auto" else spec.kind
    if kind not in nets.KINDS:
        text = f"network.kind must be one of auto, {', '.join(nets.KINDS)} for recommendation, got {kind!r}."
        raise UserError("recipe:network", text)
    sides = SideConfig.of(users), SideConfig.of(items)
    return NetConfig(kind, *sides, seen, spec.width or 32, spec.depth or 2, spec.dropout)
