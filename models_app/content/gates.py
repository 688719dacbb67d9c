"""What a card says of its gate: a heading, a prompt, and a form (`extra_gated_*` in the metadata)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_FIELDS = 20
MAX_OPTIONS = 100
MAX_LABEL = 200
MAX_PROMPT = 5000
MAX_ANSWER = 1000
# The card's words for what the form asks; others are asked for as text.
_KINDS = ("text", "checkbox", "select", "date_picker", "country", "ip_location")


class BadAnswer(ValueError):
    """The form is not filled in; the message says which question, in one sentence."""


@dataclass(frozen=True)
class GateField:
    """One question. `kind` is one of the card's words; `options` are (value, label) of a `select`."""

    label: str
    kind: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Gate:
    """What somebody sees who asks to be let in; empty texts where the card says nothing."""

    heading: str = ""
    prompt: str = ""
    button: str = ""
    fields: tuple[GateField, ...] = ()


def read_gate(metadata: Mapping[str, Any]) -> Gate:
    """The gate of a card's metadata; what makes no sense is left out, never an error."""
    asked = metadata.get("extra_gated_fields")
    rows = list(asked.items())[:MAX_FIELDS] if isinstance(asked, Mapping) else []
    return Gate(
        heading=_text(metadata.get("extra_gated_heading"), MAX_LABEL),
        prompt=_text(metadata.get("extra_gated_prompt"), MAX_PROMPT)
        or _text(metadata.get("extra_gated_description"), MAX_PROMPT),
        button=_text(metadata.get("extra_gated_button_content"), MAX_LABEL),
        # An address is nothing people are asked for; this hub does not look it up either.
        fields=tuple(field for field in map(_field, rows) if field.label and field.kind != "ip_location"),
    )


def check_answers(gate: Gate, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to the gate's own questions, and to no others; BadAnswer where one is missing."""
    return {field.label: _answer(field, answers.get(field.label)) for field in gate.fields}


def _answer(field: GateField, given: Any) -> str | bool:
    if field.kind == "checkbox":
        if given not in (True, "on", "true", "True", "1"):
            raise BadAnswer(f"{field.label!r} must be ticked.")
        return True
    text = _text(given, MAX_ANSWER + 1)
    if not text:
        raise BadAnswer(f"{field.label!r} must be filled in.")
    if len(text) > MAX_ANSWER:
        raise BadAnswer(f"The answer to {field.label!r} is longer than {MAX_ANSWER} characters.")
    if field.options and text not in [value for value, _ in field.options]:
        raise BadAnswer(f"The answer to {field.label!r} is none of its choices.")
    return text


def _field(row: tuple[Any, Any]) -> GateField:
    label, said = row
    options: list[tuple[str, str]] = []
    if isinstance(said, Mapping):
        given = said.get("options")
        options = [_option(item) for item in given[:MAX_OPTIONS]] if isinstance(given, list) else []
        said = said.get("type")
    kind = said if said in _KINDS else "text"
    if kind == "select" and not options:
        kind = "text"
    return GateField(_text(label, MAX_LABEL), kind, tuple(options) if kind == "select" else ())


def _option(item: Any) -> tuple[str, str]:
    if isinstance(item, Mapping):
        value, label = _text(item.get("value"), MAX_LABEL), _text(item.get("label"), MAX_LABEL)
        return value or label, label or value
    return _text(item, MAX_LABEL), _text(item, MAX_LABEL)


def _text(value: Any, limit: int) -> str:
    """A text of a card, or of a form, without what no page can show; numbers are texts too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\0", "").strip()[:limit]
