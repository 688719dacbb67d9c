"""Changes of a recipe that need less memory, and how much less: computed from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.forecast import Forecast

MAX_ACCUMULATION = 256
SMALLEST_SIDE, SMALLEST_LENGTH = 32, 16
# Sides of pictures that nets of every family take.
SIDE_STEP = 32
# Activations in bf16 take half; what stays in fp32 of them makes it a little more.
BF16_SHARE = 0.6
# What a last stage keeps of the activations of all stages, as a bound.
LAST_STAGE_SHARE = 0.5
WITH_LORA = ("text-generation", "translation", "summarization")
WITH_GRADIENTS = ("full", "gradual", "lp-ft")


@dataclass(frozen=True)
class Advice:
    """`changes` by field of the recipe, empty where nothing fits; `peak_memory_bytes` is what they need.

    `measured` where that lies on the line through two measured batches; else it is a computed bound.
    """

    changes: Mapping[str, Any]
    peak_memory_bytes: int
    text: str
    measured: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The changes beside the memory and the sentence, JSON-able."""
        return {
            **self.changes,
            "peak_memory_bytes": self.peak_memory_bytes,
            "text": self.text,
            "measured": self.measured,
        }

    @classmethod
    def nothing_fits(cls, least: int, limit: int) -> Advice:
        return cls(
            {},
            least,
            f"Nothing fits: weights, optimizer and data alone need about {in_words(least)} of the "
            f"{in_words(limit)} there are. Choose a smaller base model or a larger flavor.",
        )


def advice_of(forecast: Forecast, where: str) -> list[Advice]:
    """The least painful first: the same updates in smaller pieces, then precision, then smaller inputs, then
    learning less of the model."""
    if forecast.measured["memory"].get(where) is None:
        return []
    needed = forecast.peak_at(forecast.measured["recipe"]["batch_size"], where=where)
    found = [*_smaller_pieces(forecast, where), *_precision(forecast, where)]
    found += [*_smaller_inputs(forecast, where), *_learn_less(forecast, where)]
    return [advice for advice in found if advice.peak_memory_bytes < 0.98 * needed]


def _smaller_pieces(forecast: Forecast, where: str) -> Iterator[Advice]:
    given, memory = forecast.measured["recipe"], forecast.measured["memory"]
    batch, pieces = given["batch_size"], given["grad_accum_steps"]
    while batch % 2 == 0 and batch // 2 >= memory["smallest_batch"] and 2 * pieces <= MAX_ACCUMULATION:
        batch, pieces = batch // 2, pieces * 2
        needed = forecast.peak_at(batch, where=where)
        yield Advice(
            {"optim.batch_size": batch, "optim.grad_accum_steps": pieces},
            needed,
            f"Set optim.batch_size to {batch} and optim.grad_accum_steps to {pieces}, for the same updates: "
            f"{in_words(needed)}.",
            measured=bool(memory[where]["slope_measured"]),
        )


def _precision(forecast: Forecast, where: str) -> Iterator[Advice]:
    given = forecast.measured["recipe"]
    if where != "gpu" or given["mixed"]:
        return
    needed = _with_activations(forecast, where, BF16_SHARE)
    yield Advice({"precision": "bf16"}, needed, f"Set precision to bf16: about {in_words(needed)}.")


def _smaller_inputs(forecast: Forecast, where: str) -> Iterator[Advice]:
    given = forecast.measured["recipe"]
    side, length = given.get("image_size"), given.get("max_tokens")
    if side:
        for share in (0.75, 0.5):
            smaller = int(side * share) // SIDE_STEP * SIDE_STEP
            if SMALLEST_SIDE <= smaller < side:
                # Maps of a net go with the area; attention over it with its square, which saves more.
                needed = _with_activations(forecast, where, (smaller / side) ** 2)
                text = f"Set dataset.image_size to {smaller}: about {in_words(needed)}."
                yield Advice({"dataset.image_size": smaller}, needed, text)
    if length:
        for shorter in (length // 2, length // 4):
            if shorter >= SMALLEST_LENGTH:
                needed = _with_activations(forecast, where, shorter / length)
                text = f"Set dataset.max_tokens to {shorter}: at most about {in_words(needed)}."
                yield Advice({"dataset.max_tokens": shorter}, needed, text)


def _learn_less(forecast: Forecast, where: str) -> Iterator[Advice]:
    given, memory = forecast.measured["recipe"], forecast.measured["memory"][where]
    kind, task = given["strategy"], given["task"]
    if kind not in WITH_GRADIENTS or given["init"] == "scratch":
        return
    # Gradients and moments of all that no longer learns, and the copies that a checkpoint makes of it.
    spared = memory["of_learning"]
    if task in WITH_LORA:
        needed = int(max(memory["load"], forecast.peak_at(given["batch_size"], where=where) - spared))
        text = f"Set strategy.kind to lora: about {in_words(needed)}."
        yield Advice({"strategy.kind": "lora"}, needed, text)
        return
    if kind == "full" and memory.get("last_stage_share") is not None:
        kept = memory["last_stage_share"]
        needed = _with_activations(forecast, where, LAST_STAGE_SHARE, spared * (1 - kept))
        text = f"Set strategy.kind to last-stages: about {in_words(needed)}."
        yield Advice({"strategy.kind": "last-stages"}, needed, text)
    needed = int(max(memory["load"], memory["validation"] - spared))
    text = f"Set strategy.kind to head: about {in_words(needed)}."
    yield Advice({"strategy.kind": "head"}, needed, text)


def _with_activations(forecast: Forecast, where: str, share: float, spared: float = 0.0) -> int:
    """Memory if a step's activations took `share` of what they take, and `spared` bytes were not needed."""
    batch = forecast.measured["recipe"]["batch_size"]
    memory = forecast.measured["memory"][where]
    activations = memory["per_row"] * batch
    smaller = forecast.peak_at(batch, where=where) - (1 - share) * activations
    return int(max(memory["load"], forecast.floor(where) - spared, smaller - spared))


def in_words(size: float) -> str:
    """Bytes as people say them."""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    return f"{math.ceil(size / 2**20):,} MiB"
