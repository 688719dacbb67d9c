"""A published recommender: loaded with torch and safetensors alone, a user or liked items in, items out.

    from training.recommend.loading import load_recommender

    model = load_recommender("path/to/model")
    model.for_user("42", k=10)
    model.for_liked(["50", "181"], k=10)

No stock library reads such a model; this module is the loader. The directory names the users and holds which
items they met in training, so that these are not recommended again: publish it where that may be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.errors import UserError
from training.recommend.batches import Seen
from training.recommend.nets import NeuralCF, TwoTower, build
from training.recommend.reading import places_of
from training.recommend.storing import Facts, load_facts
from training.weights import load_weights, read_header

WEIGHTS = "model.safetensors"
MAX_LIKED, MAX_K = 1_000, 1_000
# Fitting a stranger's vector to what they like: Adam's steps, its rate, and the pull towards nobody's vector.
STEPS, RATE, PULL = 100, 0.05, 0.05
CHUNK = 8192


class RecommenderModel:
    """`net` in fp32 and eval mode; `facts` names its users and items."""

    def __init__(self, facts: Facts, net: TwoTower | NeuralCF) -> None:
        self.facts, self.net = facts, net
        self.seen = Seen(net.get_buffer("seen_starts"), net.get_buffer("seen_items"), net.total)

    def places(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places [n] of ids [n], 0 for those that the model does not know."""
        return places_of(users, self.facts.users), places_of(items, self.facts.items)

    def ratings(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 [n] for ids [n], inside the range of the training ratings. Unknown ids get means."""
        found = []
        with torch.inference_mode():
            for u, i in zip(
                *(torch.from_numpy(part).split(CHUNK) for part in self.places(users, items)), strict=True
            ):
                found.append(self.net({"users": u, "items": i.unsqueeze(1)})[:, 0].double())
        return torch.cat(found).clamp(self.facts.low, self.facts.high).numpy()

    def for_user(self, user: str, k: int = 10) -> list[dict[str, Any]]:
        """The `k` best items that the user did not meet in training: `[{item, score}]`, `title` where known.

        A user the model never saw gets what suits nobody in particular. Scores are ratings where it learned
        ratings, else numbers that mean their order only.
        """
        place = torch.from_numpy(places_of(np.array([user], dtype=object), self.facts.users))
        with torch.inference_mode():
            scores = self.net({"users": place})[0]
        return self._best(scores, self.seen.mask(place)[0], k)

    def for_liked(self, liked: Sequence[str], k: int = 10) -> list[dict[str, Any]]:
        """The same for someone new who likes these items: a vector of theirs is fitted, all else is held.

        Raises `UserError` where the model knows none of them.
        """
        if not 1 <= len(liked) <= MAX_LIKED:
            raise UserError("predict:liked", f"There must be 1 to {MAX_LIKED:,} liked items.")
        places = places_of(np.array(list(liked), dtype=object), self.facts.items)
        known = torch.from_numpy(np.unique(places[places > 0]))
        if not len(known):
            text = f"The model knows none of these items ({', '.join(map(str, liked))[:100]})."
            raise UserError("predict:unknown-items", text)
        with torch.enable_grad():
            user = self._fitted(known)
        with torch.inference_mode():
            scores = self.net.every(user)[0]
        mask = torch.zeros(self.net.total, dtype=torch.bool)
        mask[known - 1] = True
        return self._best(scores, mask, k)

    def _fitted(self, liked: Tensor) -> Tensor:
        """float32 [1, outputs]: begins as nobody's vector; liked items are rated highest, or are the likely
        ones."""
        nobody = self.net.users(torch.zeros(1, dtype=torch.long)).detach()
        items = self.net.items(torch.arange(1, self.net.total + 1)).detach()
        user = nobody.clone().requires_grad_()
        optimizer = torch.optim.Adam([user], lr=RATE)
        for _ in range(STEPS):
            scores = self.net.cross(user, items)[0]
            if self.facts.objective == "rating":
                goal = torch.full_like(scores[liked - 1], self.facts.high)
                loss = F.mse_loss(scores[liked - 1], goal)
            else:
                loss = -scores.log_softmax(0)[liked - 1].mean()
            (gradient,) = torch.autograd.grad(loss + PULL * (user - nobody).square().sum(), user)
            user.grad = gradient
            optimizer.step()
        return user.detach()

    def _best(self, scores: Tensor, seen: Tensor, k: int) -> list[dict[str, Any]]:
        if not 1 <= k <= MAX_K:
            raise UserError("predict:k", f"k must lie between 1 and {MAX_K:,}, got {k}.")
        rating = self.facts.objective == "rating"
        scores = scores.double().masked_fill(seen, -torch.inf)
        order = torch.argsort(scores, descending=True, stable=True)[: min(k, int((~seen).sum()))]
        answers = []
        for index in order.tolist():
            item, score = self.facts.items[index], float(scores[index])
            title = self.facts.titles.get(item)
            bounded = min(max(score, self.facts.low), self.facts.high) if rating else score
            answers.append({"item": item, **({"title": title} if title else {}), "score": bounded})
        return answers


def load_recommender(model_dir: Path | str) -> RecommenderModel:
    """The model of a directory. Raises `UserError` for files that are missing, torn or of another model."""
    folder = Path(model_dir)
    facts = load_facts(folder)
    with torch.device("meta"):
        expected = build(facts.config, seed=0).state_dict()
    header = read_header(folder / WEIGHTS)
    wrong = {
        name for name in expected if name not in header or header[name].shape != tuple(expected[name].shape)
    }
    wrong |= set(header) - set(expected)
    if wrong:
        raise _mismatch(f"{min(wrong)[:100]} is missing, strange, or of another shape")
    found = load_weights(folder / WEIGHTS)
    if any(not item.isfinite().all() for item in found.values()):
        raise _mismatch("it holds numbers that are not finite")
    net = build(facts.config, seed=0)
    net.load_state_dict(found)
    _check_tables(net, facts)
    return RecommenderModel(facts, net.eval())


def _check_tables(net: TwoTower | NeuralCF, facts: Facts) -> None:
    """Whole numbers that are used as places must be places."""
    starts, items = net.get_buffer("seen_starts"), net.get_buffer("seen_items")
    rises = bool((starts.diff() >= 0).all()) and int(starts[0]) == 0 and int(starts[-1]) == len(items)
    if not rises or (
        len(items) and not 1 <= int(items.min()) <= int(items.max()) <= facts.config.items.total
    ):
        raise _mismatch("its table of items seen is torn")
    for tower, side in ((net.users, facts.config.users), (net.items, facts.config.items)):
        places = tower.get_buffer("places")
        if bool((places < 0).any()) or bool((places >= torch.tensor(side.sizes, dtype=torch.long)).any()):
            raise _mismatch("its features are out of bounds")


def _mismatch(reason: str) -> UserError:
    text = f"model.safetensors does not hold the network of config.json: {reason}."
    return UserError("model:wrong-weights", text)
