"""The dictionary of model 1, the translation memory, and who the page says is ahead."""

from __future__ import annotations

import pytest

from bench.tasks.translation_page import markdown, verdict
from bench.tasks.translationbaselines import NOTHING, align, copied, looked_up, remembered

SOURCES = ["the house", "the book", "a book", "red house"]
TARGETS = ["das Haus", "das Buch", "ein Buch", "rotes Haus"]


def test_model_1_finds_which_word_means_which() -> None:
    chances = align(SOURCES, TARGETS)
    for source, target in (("house", "Haus"), ("book", "Buch"), ("the", "das"), ("a", "ein")):
        others = [chance for (word, given), chance in chances.items() if given == source and word != target]
        assert chances[target, source] > max(others)
    for given in (NOTHING, "the", "house"):
        total = sum(chance for (_, source), chance in chances.items() if source == given)
        assert total == pytest.approx(1)


def test_words_are_looked_up_and_strange_ones_stay() -> None:
    assert looked_up(SOURCES, TARGETS, ["a House", "the %(name)s"]) == ["ein Haus", "das %(name)s"]


def test_the_nearest_known_source_is_remembered() -> None:
    assert remembered(SOURCES, TARGETS, ["red houses", "the books"]) == ["rotes Haus", "das Buch"]
    assert copied(["x"]) == ["x"]


def _run(value: float) -> dict[str, float]:
    return {"chrf": value, "bleu": value, "token_f1": value / 100, "exact_match": 0.0}


def test_the_page_says_who_wins_by_the_numbers() -> None:
    methods = {"translation memory": [_run(50)], "small T5 from scratch": [_run(20), _run(30)]}
    methods["small T5, emoji names first"] = [_run(40), _run(20)]
    said = verdict(methods)
    assert "-20.0 chrF; **the plain method wins**" in said
    assert "+5.0 chrF on average, ahead with 1 of 2 seeds" in said
    assert "+10.0 chrF; **the net wins**" in verdict({**methods, "SmolLM2, taught": [_run(60)]})


def test_the_language_model_stands_in_every_table_it_was_measured_for() -> None:
    machine = {"when": "now", "processor": "one", "cores": 2, "torch": "2"}
    cost = {"machine": machine, "minutes": 1, "cpu_minutes": 1}
    asked = {"asked": [["boat", "Boot"]], "rows": {"train": 3, "test": 1}}
    own = {"methods": {"the source, copied": [_run(10)]}, "shown": {"the source, copied": ["boat"]}, **asked}
    name = "SmolLM2-135M-Instruct, taught by LoRA"
    model = {"methods": {name: [_run(20) | {"seed": 0}]}, "shown": {name: ["Boote"]}}
    found = {"nets": {"emoji": own, "django": own, **cost}}
    assert "SmolLM2" not in markdown(found)
    taught = {
        "emoji": {**model, "taught": {"max_train_rows": 5}},
        "django": {**model, "taught": {"max_train_rows": None}},
    }
    said = markdown(found | {"smollm2": {**taught, **cost}})
    assert said.count(f"| {name} | 20.0 |") == 2
    assert "Names of emoji: 5, Texts of Django: all." in said
