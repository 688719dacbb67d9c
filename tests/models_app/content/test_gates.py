"""What a card says of its gate, and whether a form is filled in."""

from __future__ import annotations

from typing import Any

import pytest

from models_app.content.gates import (
    MAX_ANSWER,
    MAX_FIELDS,
    BadAnswer,
    Gate,
    GateField,
    check_answers,
    read_gate,
)

CARD = {
    "extra_gated_heading": "Please read this",
    "extra_gated_prompt": "Be kind.",
    "extra_gated_button_content": "I will",
    "extra_gated_fields": {
        "Company": "text",
        "Born": "date_picker",
        "Address": "ip_location",
        "Use": {"type": "select", "options": ["Research", {"label": "Other", "value": "other"}]},
        "I agree": "checkbox",
    },
}
ANSWERS = {"Company": " Tuneyard ", "Born": "2000-01-01", "Use": "other", "I agree": "on"}


def test_a_gate_is_read_from_the_card() -> None:
    gate = read_gate(CARD)
    assert (gate.heading, gate.prompt, gate.button) == ("Please read this", "Be kind.", "I will")
    assert [(field.label, field.kind) for field in gate.fields] == [
        ("Company", "text"),
        ("Born", "date_picker"),
        ("Use", "select"),
        ("I agree", "checkbox"),
    ]
    assert gate.fields[2].options == (("Research", "Research"), ("other", "Other"))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"extra_gated_fields": ["Company"]},
        {"extra_gated_fields": {"": "text", " ": None}},
        {"extra_gated_prompt": ["x"], "extra_gated_heading": True, "extra_gated_fields": "Company"},
    ],
)
def test_nonsense_is_no_gate_of_its_own(metadata: dict[str, Any]) -> None:
    assert read_gate(metadata) == Gate()


def test_what_has_no_options_is_asked_as_text() -> None:
    fields = {"a": {"type": "select"}, "b": {"type": "select", "options": {}}, "c": "nonsense", "d": 3}
    gate = read_gate({"extra_gated_fields": fields})
    assert gate.fields == tuple(GateField(name, "text") for name in "abcd")


def test_a_form_has_a_last_question() -> None:
    gate = read_gate({"extra_gated_fields": {f"q{count}": "text" for count in range(100)}})
    assert len(gate.fields) == MAX_FIELDS


def test_answers_to_the_questions_are_kept_and_no_others() -> None:
    answers = check_answers(read_gate(CARD), {**ANSWERS, "csrfmiddlewaretoken": "x"})
    assert answers == {"Company": "Tuneyard", "Born": "2000-01-01", "Use": "other", "I agree": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Company": "  "}, "'Company' must be filled in"),
        ({"Company": None}, "'Company' must be filled in"),
        ({"Company": ["x"]}, "'Company' must be filled in"),
        ({"Company": "x" * (MAX_ANSWER + 1)}, "longer than 1000"),
        ({"Use": "war"}, "none of its choices"),
        ({"I agree": False}, "'I agree' must be ticked"),
        ({"I agree": ["on"]}, "'I agree' must be ticked"),
    ],
)
def test_a_form_that_is_not_filled_in_says_where(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadAnswer, match=message):
        check_answers(read_gate(CARD), {**ANSWERS, **change})
