"""What a net has to beat: the commonest answer, TF-IDF for texts, words and neighbours for addresses."""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

Scores = dict[str, float]
Sentences = list[list[str]]


def majority(targets: np.ndarray, truth: np.ndarray, classes: int) -> Scores:
    told = np.full(len(truth), np.bincount(targets).argmax())
    return text_scores(truth, told, classes)


def tf_idf(
    texts: list[str], targets: np.ndarray, asked: list[str], truth: np.ndarray, classes: int
) -> Scores:
    """Words and pairs of words, sublinear TF-IDF, logistic regression; C by three folds of its own rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    steps = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000)
    )
    grid = {"logisticregression__C": [3, 10]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(steps, grid, cv=3).fit(texts, targets)
    return text_scores(truth, search.predict(asked), classes)


def text_scores(truth: np.ndarray, told: np.ndarray, classes: int) -> Scores:
    from training.measures import classification

    matrix = classification.confusion_matrix(truth, told, classes)
    return {"accuracy": float(np.trace(matrix) / len(truth)), "macro_f1": classification.f1(matrix)}


def word_majority(words: Sentences, tags: Sentences, asked: Sentences, truth: Sentences) -> Scores:
    """The tag a word has most often, whatever stands around it; the commonest tag for unknown words."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for row, row_tags in zip(words, tags, strict=True):
        for word, tag in zip(row, row_tags, strict=True):
            seen[bare(word)][tag] += 1
    common = Counter(tag for row in tags for tag in row).most_common(1)[0][0]
    told = [
        [seen[bare(word)].most_common(1)[0][0] if bare(word) in seen else common for word in row]
        for row in asked
    ]
    return tag_scores(truth, told)


def word_regression(words: Sentences, tags: Sentences, asked: Sentences, truth: Sentences) -> Scores:
    """Logistic regression on a word, its shape, its ends, its place and four neighbours: no net, no CRF."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = DictVectorizer()
    table = vectors.fit_transform([features(row, place) for row in words for place in range(len(row))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=10, max_iter=100).fit(table, [tag for row in tags for tag in row])
    told = [
        list(model.predict(vectors.transform([features(row, i) for i in range(len(row))]))) for row in asked
    ]
    return tag_scores(truth, told)


def features(row: list[str], place: int) -> dict[str, Any]:
    word = row[place]
    plain = bare(word)
    found: dict[str, Any] = {
        f"word={plain}": 1,
        f"ends={plain[-3:]}": 1,
        f"begins={plain[:1]}": 1,
        f"shape={shape(word)}": 1,
        f"mark={word[-1:]}": 1,
        f"from the left={min(place, 4)}": 1,
        f"from the right={min(len(row) - 1 - place, 4)}": 1,
    }
    for step in (-2, -1, 1, 2):
        there = row[place + step] if 0 <= place + step < len(row) else ""
        found[f"{step}: {bare(there)}"] = 1
        found[f"{step}: {shape(there)}"] = 1
    return found


def tag_scores(truth: Sentences, told: Sentences) -> Scores:
    from training.measures import tokens
    from training.tasks.token_classification import as_entities

    found = tokens.summary(*as_entities(truth, told))
    return {"f1": found["f1"], "token_accuracy": found["token_accuracy"]}


def bare(word: str) -> str:
    return word.lower().strip(".,;()")


def shape(word: str) -> str:
    """ "12th" is "9x": letters and digits by kind, repeats once."""
    kinds = re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", re.sub(r"\d", "9", word)))
    return re.sub(r"(.)\1+", r"\1", kinds)


def named_tags(split: Any, rows: list[int] | None = None) -> tuple[Sentences, Sentences]:
    """Words and tag names of some rows of a `training.text.reading.Tokens`."""
    chosen = range(len(split)) if rows is None else rows
    return [split.words[row] for row in chosen], [
        [split.labels[tag] for tag in split.tags[row]] for row in chosen
    ]


def rows_learnt(count: int, targets: list[int], limit: int, seed: int) -> list[int]:
    """The rows that a run without validation learns from: `max_train_rows` of `count`, by its seed."""
    from training.data import thin

    return thin(list(range(count)), targets, limit, seed)


def data_of(name: str) -> Path:
    from bench.assets import fetch

    return fetch(name)
