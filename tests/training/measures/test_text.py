"""Measures of generated text, against torchmetrics and numbers pinned from sacreBLEU and rouge-score."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.text import perplexity, squad

from tests.training.measures import examples
from tests.training.measures.pin import PINS
from training.errors import UserError
from training.measures import bleu, chrf, rouge
from training.measures import text as measure
from training.measures.bleu import tokens_13a
from training.measures.intervals import bootstrap
from training.measures.rouge import common_length

PINNED = json.loads(PINS.read_text())["texts"]


@pytest.mark.parametrize("seed", range(len(PINNED)))
def test_scores_are_those_of_sacrebleu_and_rouge_score(seed: int) -> None:
    told, references = examples.texts(seed)
    first, pinned = [row[0] for row in references], PINNED[seed]
    assert [tokens_13a(text) for text in told] == pinned["tokens"]
    assert measure.bleu(told, references) == pytest.approx(pinned["bleu"], abs=1e-9)
    assert measure.bleu(told, first) == pytest.approx(pinned["bleu_first"], abs=1e-9)
    assert measure.chrf(told, references) == pytest.approx(pinned["chrf"], abs=1e-9)
    assert measure.chrf(told, first) == pytest.approx(pinned["chrf_first"], abs=1e-9)
    wanted = {name: pinned[name] for name in ("rouge1", "rouge2", "rougeL")}
    assert measure.rouge(told, references) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_answers_are_judged_as_by_torchmetrics(seed: int) -> None:
    told, references = examples.texts(seed, sentences=6)
    references[1] = [told[1].upper() + " The ...", "other"]
    preds = [{"prediction_text": text, "id": str(index)} for index, text in enumerate(told)]
    target = [
        {"answers": {"text": own, "answer_start": [0] * len(own)}, "id": str(index)}
        for index, own in enumerate(references)
    ]
    wanted = squad(preds, target)
    assert 100 * measure.exact_match(told, references) == pytest.approx(float(wanted["exact_match"]))
    assert 100 * measure.token_f1(told, references) == pytest.approx(float(wanted["f1"]), rel=1e-5)


def test_perplexity_agrees_with_torchmetrics() -> None:
    logits, targets = torch.randn(2, 7, 11, generator=torch.Generator().manual_seed(0)), torch.arange(14) % 11
    nll = torch.nn.functional.cross_entropy(logits.view(-1, 11), targets, reduction="sum")
    wanted = float(perplexity(logits, targets.view(2, 7)))
    assert measure.perplexity(float(nll), 14) == pytest.approx(wanted, rel=1e-5)
    assert measure.perplexity(0.0, 3) == 1.0
    assert measure.perplexity(1e6, 3) == math.inf


def test_answers_are_normalised_as_squad_does() -> None:
    assert measure.normalize_answer("  The cat, an A-Team's\tone! ") == "cat ateams one"
    assert measure.token_f1(["the"], ["..."]) == 1.0
    assert measure.token_f1(["cat"], ["the"]) == 0.0


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    generator = random.Random(3)
    for _ in range(200):
        first = [str(examples.whole(generator, 4)) for _ in range(examples.whole(generator, 80))]
        second = [str(examples.whole(generator, 4)) for _ in range(examples.whole(generator, 80))]
        row = [0] * (len(second) + 1)
        for one in first:
            above = row[:]
            for index, other in enumerate(second):
                row[index + 1] = above[index] + 1 if one == other else max(above[index + 1], row[index])
        assert common_length(first, second) == row[-1]


def test_equal_texts_score_full_and_strangers_nothing() -> None:
    same = measure.summary(["It was a good day."], ["It was a good day."])
    assert same == pytest.approx(
        {"bleu": 100, "chrf": 100, "rouge1": 1, "rouge2": 1, "rougeL": 1, "exact_match": 1, "token_f1": 1}
    )
    assert set(measure.summary(["xyz"], [["bcd", "efg"]]).values()) == {0.0}
    assert set(measure.summary([""], ["bcd"]).values()) == {0.0}


def test_words_of_other_scripts_may_be_cut_by_the_caller() -> None:
    assert measure.rouge(["天气很好"], ["天气不好"])["rouge1"] == 0.0
    assert measure.rouge(["天气很好"], ["天气不好"], words=list)["rouge1"] == 0.75


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.bleu([], []), "no rows"),
        (lambda: measure.chrf(["a"], []), "1 and 0 texts and references"),
        (lambda: measure.rouge(["a", "b"], [["a"], []]), "Row 2 must hold"),
        (lambda: measure.exact_match(["a"], [[None]]), "Row 1 must hold"),
        (lambda: measure.perplexity(1.0, 0), "no tokens"),
        (lambda: measure.perplexity(math.nan, 1), "NaN"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


@pytest.mark.parametrize("seed", range(3))
def test_a_corpus_is_the_sum_of_its_rows(seed: int) -> None:
    """What the bootstrap does: rows drawn again, counts summed, no text read twice."""
    told, references = examples.texts(seed)
    drawn = np.random.default_rng(seed).integers(0, len(told), len(told))
    again, again_references = [told[row] for row in drawn], [references[row] for row in drawn]
    counts = bleu.row_counts(told, references)[drawn].sum(axis=0)
    assert bleu.score(counts) == pytest.approx(measure.bleu(again, again_references))
    counts = chrf.row_counts(told, references)[drawn].sum(axis=0)
    assert chrf.score(counts) == pytest.approx(measure.chrf(again, again_references))
    means = rouge.row_scores(told, references)[drawn].mean(axis=0)
    assert measure.rouge(again, again_references) == pytest.approx(
        dict(zip(("rouge1", "rouge2", "rougeL"), means, strict=True))
    )


def test_bleu_has_an_interval_in_no_time() -> None:
    told, references = examples.texts(1, sentences=40)
    counts = bleu.row_counts(told, references)
    found = bootstrap(lambda rows: bleu.score(rows.sum(axis=0)), counts, resamples=500)
    assert found.estimate == pytest.approx(measure.bleu(told, references))
    assert found.lo < found.estimate < found.hi
