"""The same run with less to hold or less to do: what to change in its recipe, in words and fields. Pure."""

from __future__ import annotations

from typing import Any

from runs.patient import Case

SMALLEST_IMAGE = 32
# Strategies under which more than a head learns.
HEAVY = ("full", "last-stages", "gradual", "lp-ft")


def halved(case: Case) -> tuple[str, dict[str, Any]] | None:
    """Half the batch and twice the accumulation: the same update from less memory."""
    size, accumulated = case.field("optim.batch_size"), case.field("optim.grad_accum_steps", 1)
    if not isinstance(size, int) or size < 2 or not isinstance(accumulated, int):
        return None
    changes = {"optim.batch_size": size // 2, "optim.grad_accum_steps": accumulated * 2}
    words = f"with batches of {size // 2} and {accumulated * 2} accumulation steps, which learns the same"
    return (words, changes) if case.takes(changes) else None


def smaller(case: Case) -> tuple[str, dict[str, Any]] | None:
    """Smaller inputs where they are images, else less to keep, else a part that learns less."""
    edge = case.field("dataset.image_size")
    choices: list[tuple[str, dict[str, Any]]] = []
    if isinstance(edge, int) and edge // 2 >= SMALLEST_IMAGE:
        choices.append((f"with images of {edge // 2} px", {"dataset.image_size": edge // 2}))
    if not case.field("strategy.checkpoint_activations"):
        choices.append(("with activations computed twice", {"strategy.checkpoint_activations": True}))
    if case.field("strategy.kind") in HEAVY:
        choices.append(("with a head that learns alone", {"strategy.kind": "head"}))
    return next(((text, changes) for text, changes in choices if case.takes(changes)), None)


def quicker(case: Case, share: float) -> tuple[str, dict[str, Any]]:
    """Less to do within the same time."""
    head = {"strategy.kind": "head"}
    if case.field("strategy.kind") in HEAVY and case.takes(head):
        return "with a head that learns alone, which is far quicker", head
    epochs = case.field("optim.epochs")
    if isinstance(epochs, int) and epochs > 1:
        fewer = {"optim.epochs": max(1, int(epochs * (share or 0.5) * 0.8))}
        return f"with fewer epochs: {fewer['optim.epochs']}", fewer
    if case.patient.timeout_seconds < case.patient.longest_timeout_seconds:
        hours = case.patient.longest_timeout_seconds / 3600
        return f"with a longer limit: this hub allows {hours:g} h", {}
    return "with fewer rows or smaller inputs", {}
