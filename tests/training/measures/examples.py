"""Inputs for comparison with packages that are not installed here: `pin` and the tests draw the same.

`random.Random.random` gives the same numbers in every Python, numpy's generators need not.
"""

from __future__ import annotations

import random

Tags = list[list[str]]
Boxes = list[list[float]]

WORDS = [
    "the",
    "a",
    "an",
    "of",
    "it",
    '"Cat"',
    "cat,",
    "dogs.",
    "3.14",
    "1,000",
    "well-known",
    "isn't",
    "U.S.",
    "naïve",
    "Ωmega",
    "&amp;",
    "x&lt;y",
    "2010-11",
    "(see)",
    "50%",
    "e-mail",
    "—",
    "«",
    "oui",
    "»",
    "end.",
]


def whole(generator: random.Random, below: int) -> int:
    return int(generator.random() * below)


def tagged(seed: int, prefixes: str) -> tuple[Tags, Tags]:
    """30 sentences of random tags, and the same with three tags in ten drawn anew."""
    generator = random.Random(seed)
    tags = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC", "X-Y"))]
    truth = [[tags[whole(generator, len(tags))] for _ in range(whole(generator, 12) + 1)] for _ in range(30)]
    guess = [
        [tag if generator.random() < 0.7 else tags[whole(generator, len(tags))] for tag in row]
        for row in truth
    ]
    return truth, guess


def texts(seed: int, sentences: int = 12) -> tuple[list[str], list[list[str]]]:
    """Texts with three references each, near enough to share n-grams; one text in six is short or empty."""
    generator = random.Random(seed)
    told, references = [], []
    for index in range(sentences):
        length = whole(generator, 4) if index % 6 == 5 else whole(generator, 20) + 4
        words = [WORDS[whole(generator, len(WORDS))] for _ in range(length)]
        told.append(" ".join(words))
        references.append([_altered(generator, words) for _ in range(3)])
    return told, references


def _altered(generator: random.Random, words: list[str]) -> str:
    kept = [word for word in words if generator.random() < 0.9] or ["nothing"]
    changed = [word if generator.random() < 0.75 else WORDS[whole(generator, len(WORDS))] for word in kept]
    return " ".join(changed)


def scene(seed: int, images: int = 12, classes: int = 4) -> list[dict[str, Boxes | list[int] | list[float]]]:
    """Images with objects and detections near them, missed ones, false ones and equal scores; class 3 has no
    object, and the first image holds 130 detections of one class.
    """
    generator = random.Random(seed)
    found = []
    for index in range(images):
        labels = [whole(generator, classes - 1) for _ in range(whole(generator, 7))]
        boxes = [_box(generator) for _ in labels]
        near = [
            ([edge + generator.random() * 6 - 3 for edge in box], label)
            for box, label in zip(boxes, labels, strict=True)
            if generator.random() < 0.9
        ]
        false = [(_box(generator), whole(generator, classes)) for _ in range(whole(generator, 4))]
        if index == 0:
            false += [(_box(generator), 0) for _ in range(130)]
        drawn = near + false
        scores = [round(generator.random(), 1 if seed % 2 else 6) for _ in drawn]
        found.append(
            {
                "boxes": boxes,
                "labels": labels,
                "found": [box for box, _ in drawn],
                "found_labels": [label for _, label in drawn],
                "scores": scores,
            }
        )
    return found


def _box(generator: random.Random) -> list[float]:
    left, top = generator.random() * 150, generator.random() * 150
    return [left, top, left + 10 + generator.random() * 40, top + 10 + generator.random() * 40]


def series(seed: int) -> tuple[list[list[float]], list[list[float]], list[list[float]]]:
    """Histories [3][20], targets and forecasts [3][4]."""
    generator = random.Random(seed)
    histories = [[round(5 + generator.random() * 10, 2) for _ in range(20)] for _ in range(3)]
    targets = [[round(5 + generator.random() * 10, 2) for _ in range(4)] for _ in range(3)]
    forecasts = [[round(value + generator.random() * 4 - 2, 2) for value in row] for row in targets]
    return histories, targets, forecasts


def ranked(seed: int) -> tuple[list[list[int]], list[list[int]]]:
    """20 recommended items of 40 and 1 to 30 relevant ones, for each of 15 users."""
    generator = random.Random(seed)

    def some(count: int) -> list[int]:
        return sorted(range(40), key=lambda _: generator.random())[:count]

    return [some(20) for _ in range(15)], [some(whole(generator, 30) + 1) for _ in range(15)]
