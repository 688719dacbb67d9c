"""First words, central sentences and like mails' subjects; answers tidied; who the page says is ahead."""

from __future__ import annotations

import pytest

from bench.tasks.summarisation import ask, tidied
from bench.tasks.summarisation_page import NUMBERS, markdown, verdict
from bench.tasks.summarybaselines import best_length, central, lead, nearest, sentences

MAIL = "Hi all,\n\nthe boat\nleaks at its bow. Who has tar? The boat leaks tar and the boat sinks today."


def test_a_greeting_is_no_sentence() -> None:
    assert sentences(MAIL) == ["the boat leaks at its bow.", "The boat leaks tar and the boat sinks today."]
    assert sentences("Hello there") == ["Hello there"]


def test_the_first_words_of_the_first_sentence_lead() -> None:
    assert lead([MAIL, "Hi"], 3) == ["the boat leaks", "Hi"]


def test_the_sentence_with_the_words_of_its_mail_is_central() -> None:
    assert central(["boats and tar", "bows"], [MAIL], 4) == ["The boat leaks tar"]


def test_the_subject_of_the_mail_that_is_nearest() -> None:
    known = ["The boat is leaking tar again", "Bread needs flour and water"]
    assert nearest(known, ["Tar", "Bread"], ["Which flour for bread?", "tar on a boat"]) == ["Bread", "Tar"]


def test_the_length_is_that_of_the_subjects() -> None:
    texts = ["one two three four five six seven eight", "a b c d e f g h i"]
    assert best_length(texts, ["one two three four", "a b c d"]) == 4


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Boats", "Boats"),
        ('Subject: "Boats for hire"\n\nDear Ann,', "Boats for hire"),
        ("\n**Subject:** Boats", "Boats"),
        ("", ""),
    ],
)
def test_of_an_answer_the_first_line_counts(said: str, line: str) -> None:
    assert tidied(said) == line


def test_the_model_is_asked_with_the_first_words_of_a_mail() -> None:
    asked = ask({"text": " ".join(f"w{place}" for place in range(100)), "subject": "no"})
    assert asked.endswith("w79")


def _run(value: float, **about: float) -> dict[str, float]:
    return {**about, **dict.fromkeys(NUMBERS, value)}


def test_the_page_says_who_wins_by_the_numbers() -> None:
    machine = {"when": "now", "processor": "one", "cores": 2, "torch": "2"}
    cost = {"machine": machine, "minutes": 1, "cpu_minutes": 1}
    nets = {"first words": [_run(0.2)], "small T5 from scratch": [_run(0.1), _run(0.12)]}
    found = {"nets": {"rows": {"train": 9, "test": 2}, "methods": nets, **cost}}
    said = markdown(found)
    assert "first words (" not in said
    assert "-9.0 points of ROUGE-L; **the plain method is ahead**" in said
    taught = {"words": 80, "max_train_rows": 300}
    model = {"SmolLM2-135M-Instruct, taught by LoRA": [_run(0.25, cpu_seconds=60.0)]}
    said = markdown({**found, "smollm2": {"taught": taught, "methods": model, **cost}})
    assert "+5.0 points of ROUGE-L; **the net is ahead**" in said
    assert said.index("SmolLM2-135M-Instruct, taught by LoRA |") < said.index("first words |")
    assert "first 80 words" in said


def test_without_a_net_there_is_no_contest() -> None:
    assert "ahead" not in verdict({"first words": [_run(0.2)]})
