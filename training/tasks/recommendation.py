"""Ratings, or the order of items not seen yet, for users and items: two towers or neural CF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training import objectives
from training.device import reproducible
from training.errors import UserError
from training.measures import ranking, regression
from training.measures.intervals import bootstrap
from training.recipe import Recipe
from training.recommend import runs
from training.recommend.batches import DrawnPairs, HeldOut, RatedPairs
from training.recommend.judging import RankingTask, RatingTask, hits_and_totals
from training.recommend.loading import RecommenderModel, load_recommender
from training.recommend.reading import Interactions, interaction_data, objective_of, read_interactions
from training.reporting import Reporter
from training.tasks.base import Examples, Measured, Plan, Prepared, Task

RESAMPLES = 1000


class Recommendation:
    """The kind: what `task_kind` answers.

    The hub's list of pipeline tags has none for it: a rating a pair is no row of a table, and a list of items
    is no number. So it is `other`, and the tag `recommendation` finds it.
    """

    pipeline_tag, library, example = "other", "tuneyard", "42"
    tags = ("recommendation",)
    privacy = (
        "`vocabulary.json` names every user of the training rows by the id that the data set gives, and the "
        "weights hold which items each of them met. Whoever can read this repo can read both: share it no "
        "further than the data set itself, or replace the ids before training."
    )

    def prepare(self, plan: Plan) -> Prepared:
        data, objective = interaction_data(plan.recipe), objective_of(interaction_data(plan.recipe))
        _check_recipe(plan.recipe, objective)
        train, held = runs.parted(plan)
        made = runs.make(plan, train, objective)
        users, items = made.places(train)
        learn: Examples
        hold: Examples | None = None
        task: Task
        if objective == "rating":
            loss = objectives.of_numbers(plan.recipe)
            learn = _rated(train, users, items)
            hold = _rated(held, *made.places(held)) if held is not None else None
            task = RatingTask(loss, made.facts.low, made.facts.high)
        else:
            pairs = torch.from_numpy(users), torch.from_numpy(items)
            learn = DrawnPairs(*pairs, made.seen, made.facts.config.items.trained, data.negatives)
            task = RankingTask(objective, len(made.facts.items))
            hold = _held(held, made) if held is not None else None
        return Prepared(
            made.network,
            made.net,
            made.stages,
            task,
            learn,
            hold,
            plan.device,
            made.save,
            eval_batch=runs.eval_rows(made.facts, objective),
        )

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """rmse of ratings, or NDCG@10 over all items unseen in training; intervals resample whole users."""
        model, data = load_recommender(model_dir), interaction_data(recipe)
        if (model.facts.objective == "rating") != (objective_of(data) == "rating"):
            text = f"The model learned by the objective {model.facts.objective!r}, the recipe says otherwise."
            raise UserError("model:wrong-kind", text)
        found = read_interactions(data_dir, split, data)
        reporter.check()
        with reproducible(0, True):
            if model.facts.objective == "rating":
                return _rating_report(model, found)
            return _ranking_report(model, found, reporter)

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{item, score}]`, best first. `given`: a user's id, or JSON: `["50", "181"]` of liked items,
        `{"user": "42", "k": 5}` or `{"liked": ["50"], "k": 5}`."""
        model, asked = load_recommender(model_dir), _asked(given)
        k = asked.get("k", 10)
        if type(k) is not int:
            raise UserError("predict:k", "k must be a whole number.")
        if "liked" in asked:
            return model.for_liked(asked["liked"], k)
        return model.for_user(asked["user"], k)

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        example = json.dumps(str(config.get("example", "1")), ensure_ascii=False)
        return f"""# No stock library loads a recommender: this one is Tuneyard's own, and needs torch and
# safetensors only.
from huggingface_hub import snapshot_download
from training.recommend.loading import load_recommender

model = load_recommender(snapshot_download("{repo}"))
print(model.for_liked([{example}], k=10))"""


def _rated(rows: Interactions, users: np.ndarray, items: np.ndarray) -> RatedPairs:
    assert rows.ratings is not None  # the objective needs them
    places = torch.from_numpy(users), torch.from_numpy(items)
    return RatedPairs(*places, torch.from_numpy(rows.ratings).float())


def _held(held: Interactions, made: runs.Made) -> HeldOut | None:
    found = HeldOut((held.users, held.items), *made.places(held), made.seen)
    return found if len(found) else None


def _rating_report(model: RecommenderModel, found: Interactions) -> Measured:
    truth, guess = found.ratings, model.ratings(found.users, found.items)
    assert truth is not None
    users, items = model.places(found.users, found.items)
    cold = (users == 0) | (items == 0) | (items > model.facts.config.items.trained)
    own = {"rmse": regression.rmse(truth, guess), "mae": regression.mae(truth, guess)}
    own["cold_rows"] = float(cold.mean())
    if cold.sum() > 0:
        own["rmse_cold"] = regression.rmse(truth[cold], guess[cold])
    squares = _by_user(found.users, (truth - guess) ** 2)
    interval = bootstrap(_root_of_means, *squares, resamples=RESAMPLES)
    return Measured(len(found), "rmse", own["rmse"], interval.lo, interval.hi, own)


def _by_user(users: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts by user: a bootstrap of whole users needs no more."""
    _, place = np.unique(users.astype(str), return_inverse=True)
    return np.bincount(place, weights=values), np.bincount(place).astype(np.float64)


def _root_of_means(sums: np.ndarray, counts: np.ndarray) -> float:
    return float(np.sqrt(sums.sum() / counts.sum()))


def _ranking_report(model: RecommenderModel, found: Interactions, reporter: Reporter) -> Measured:
    held = HeldOut((found.users, found.items), *model.places(found.users, found.items), model.seen)
    if not len(held):
        text = "No user of this split met anything that they had not met in training."
        raise UserError("data:nothing-new", text)
    task = RankingTask(model.facts.objective, model.net.total)
    pairs: list[tuple[Tensor, dict[str, Tensor]]] = []
    with torch.inference_mode():
        for rows in torch.arange(len(held)).split(runs.eval_rows(model.facts, model.facts.objective)):
            reporter.check()
            inputs, targets = held.take(rows, torch.device("cpu"))
            pairs.append((model.net(inputs), targets))
    own = task.measure(pairs)
    parts, counts = zip(*(hits_and_totals(*pair) for pair in pairs), strict=True)
    hits, totals = np.concatenate(parts), np.concatenate(counts)
    each = np.array([ranking.ndcg(hits[[row]], totals[[row]], task.places) for row in range(len(hits))])
    interval = bootstrap(_mean, each, resamples=RESAMPLES, batched=True)
    own["cold_users"] = float((held.users == 0).float().mean())
    own["covered_items"] = _covered(pairs, task.places)
    return Measured(len(held), task.metric, own[task.metric], interval.lo, interval.hi, own)


def _covered(pairs: list[tuple[Tensor, dict[str, Tensor]]], k: int) -> float:
    """Share of the items that are recommended to anybody: a list of the popular covers few."""
    shown: set[int] = set()
    for scores, targets in pairs:
        shown.update(ranking.rank(scores, k, seen=targets["seen"]).flatten().tolist())
    return len(shown - {-1}) / pairs[0][0].shape[1]


def _mean(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values.mean(-1)
    return found


def _check_recipe(recipe: Recipe, objective: str) -> None:
    if recipe.base_model is not None:
        text = "Ids of other data mean nothing here: leave base_model out, init is scratch."
        raise UserError("recipe:base-model", text)
    if objective != "rating" and recipe.loss.kind != "auto":
        text = f"loss.kind must be auto with dataset.objective {objective}, got {recipe.loss.kind!r}."
        raise UserError("recipe:loss", text)


def _asked(given: str) -> dict[str, Any]:
    plain: Any = given.strip()
    if plain.startswith(("{", "[")):
        try:
            plain = json.loads(plain)
        except (ValueError, RecursionError):
            plain = None
    if isinstance(plain, str) and plain:
        return {"user": plain}
    asked = {"liked": plain} if isinstance(plain, list) else plain
    if (
        isinstance(asked, dict)
        and set(asked) <= {"user", "liked", "k"}
        and ("user" in asked) != ("liked" in asked)
    ):
        if "user" in asked:
            return asked | {"user": str(asked["user"])}
        if isinstance(asked["liked"], list):
            return asked | {"liked": [str(one) for one in asked["liked"]]}
    text = 'A question is a user\'s id, a JSON list of liked items, or {"user": …, "k": …}.'
    raise UserError("predict:bad-input", text)
