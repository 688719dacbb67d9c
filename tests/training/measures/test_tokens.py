"""Entities as conlleval counts them: numbers pinned from seqeval, and sentences worked by hand."""

from __future__ import annotations

import json

import pytest

from tests.training.measures import examples
from tests.training.measures.pin import PINS
from training.errors import UserError
from training.measures import tokens as measure
from training.measures.intervals import bootstrap


@pytest.mark.parametrize(("seed", "prefixes"), [(0, "BI"), (1, "I"), (2, "BIES")])
def test_scores_are_those_of_seqeval(seed: int, prefixes: str) -> None:
    pinned = json.loads(PINS.read_text())["entities"][prefixes]
    targets, predictions = examples.tagged(seed, prefixes)
    report = measure.entity_report(targets, predictions)
    assert set(report.types) == {"LOC", "PER", "X-Y"}
    for name, scores in {**report.types, "micro avg": report.micro}.items():
        found = (scores.precision, scores.recall, scores.f1, scores.support)
        assert found == pytest.approx(tuple(pinned[name]), abs=1e-12)
    assert report.macro_f1 == pytest.approx(pinned["macro avg"][2], abs=1e-12)
    assert measure.token_accuracy(targets, predictions) == pytest.approx(pinned["accuracy"], abs=1e-12)
    assert measure.summary(targets, predictions)["f1"] == report.micro.f1


def test_where_entities_begin_and_end() -> None:
    assert measure.entities(["B-A", "I-A", "O", "I-A", "I-B", "B-B"]) == [
        ("A", 0, 1),
        ("A", 3, 3),
        ("B", 4, 4),
        ("B", 5, 5),
    ]
    assert measure.entities([]) == measure.entities(["O", "O"]) == []


def test_a_wrong_border_makes_the_whole_entity_wrong() -> None:
    report = measure.entity_report([["B-A", "I-A"]], [["B-A", "O"]])
    assert report.micro == measure.Scores(0.0, 0.0, 0.0, 1)
    assert measure.token_accuracy([["B-A", "I-A"]], [["B-A", "O"]]) == 0.5


def test_no_entities_at_all_are_nought() -> None:
    report = measure.entity_report([["O"]], [["O"]])
    assert (report.micro, report.types, report.macro_f1) == (measure.Scores(0, 0, 0, 0), {}, 0.0)


def test_entities_do_not_run_across_sentences() -> None:
    report = measure.entity_report([["I-A"], ["I-A"]], [["I-A"], ["I-A"]])
    assert report.micro.support == 2
    assert measure.entity_report([[], ["I-A"]], [[], ["I-A"]]).micro.f1 == 1.0


def test_bare_labels_become_tags() -> None:
    assert [measure.as_io(tag) for tag in ("O", "ZipCode")] == ["O", "I-ZipCode"]


@pytest.mark.parametrize(
    ("targets", "predictions", "said"),
    [
        ([], [], "no rows"),
        ([[]], [[]], "no rows"),
        ([["O"]], [], "1 and 0 tagged and predicted sentences"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "2 and 1 tags and predicted tags in sentence 2"),
        ([["ZipCode"]], [["O"]], "'ZipCode' is not a tag"),
        ([["O"]], [["B-"]], "'B-' is not a tag"),
    ],
)
def test_bad_tags_are_told_in_a_sentence(
    targets: list[list[str]], predictions: list[list[str]], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        measure.summary(targets, predictions)


def test_counts_of_sentences_make_the_same_f1() -> None:
    targets, predictions = examples.tagged(0, "BI")
    counts = measure.sentence_counts(targets, predictions)
    assert measure.f1_of_counts(counts) == measure.entity_report(targets, predictions).micro.f1
    half = measure.entity_report(targets[:9], predictions[:9]).micro
    assert measure.f1_of_counts(counts[:9]) == half.f1
    assert counts[:9, 2].sum() == half.support
    found = bootstrap(measure.f1_of_counts, counts, resamples=300)
    assert found.lo < found.estimate < found.hi
