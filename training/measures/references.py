"""Generated texts and their references, paired and checked."""

from __future__ import annotations

from collections.abc import Sequence

from training.errors import UserError
from training.measures.checks import same_length, some_rows

# Per generated text: one reference, or several.
References = Sequence[str | Sequence[str]]


def paired(texts: Sequence[str], references: References) -> list[tuple[str, list[str]]]:
    """Each text with its references.

    `UserError` `measure:no-rows`, `measure:shape`, `measure:type` (no text, or no reference at all).
    """
    same_length(len(texts), len(references), "texts and references")
    some_rows(len(texts))
    pairs = []
    for row, (text, own) in enumerate(zip(texts, references, strict=True), start=1):
        several = [own] if isinstance(own, str) else list(own)
        if not several or not all(isinstance(one, str) for one in [text, *several]):
            message = f"Row {row:,} must hold a text and at least one reference text."
            raise UserError("measure:type", message)
        pairs.append((text, several))
    return pairs
