"""The card of a repo: README.md with YAML metadata between `---` lines at its top (hf-wire section 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from models_app.content.card_rules import COMMON_RULES, DATASET_RULES, MODEL_RULES
from models_app.content.yaml_text import BadYaml, load_plain_yaml, storable_text

MAX_CARD_CHARS = 1024 * 1024
MAX_MESSAGES = 50
EMPTY_METADATA = "empty or missing yaml metadata in repo card"
_OPENING = re.compile(r"\s*---(?:\r\n|\r|\n)")
_CLOSING = re.compile(r"(?:^|\r\n|\r|\n)---[ \t]*(?:\r\n|\n|\Z)")


@dataclass(frozen=True)
class Card:
    """`metadata` is plain JSON data, `body` the Markdown after it; a sound card has no `problems`."""

    metadata: dict[str, Any]
    body: str
    problems: list[str] = field(default_factory=list)


def parse_card(text: str) -> Card:
    """Split a README. Never raises: metadata that cannot be read is left out and told in `problems`.

    Text beyond 1,048,576 characters is cut off.
    """
    text = storable_text(text[: MAX_CARD_CHARS + 1].removeprefix("\ufeff"))
    problems = []
    if len(text) > MAX_CARD_CHARS:
        text = text[:MAX_CARD_CHARS]
        problems.append("The card is larger than 1 MiB; the rest is not shown.")
    opening = _OPENING.match(text)
    closing = _CLOSING.search(text, opening.end()) if opening else None
    if opening is None or closing is None:
        return Card({}, text, problems)
    body = text[closing.end() :]
    try:
        metadata = load_plain_yaml(text[opening.end() : closing.start()])
    except BadYaml as refusal:
        return Card({}, body, [*problems, str(refusal)])
    if metadata is None:
        return Card({}, body, problems)
    if not isinstance(metadata, dict):
        return Card({}, body, [*problems, "The metadata must be a mapping of names to values."])
    return Card(metadata, body, problems)


def validate_card(text: str, repo_type: str = "model") -> tuple[list[str], list[str]]:
    """(errors, warnings) for `POST /api/validate-yaml`: the client does not commit a card with errors."""
    card = parse_card(text)
    if card.problems:
        return card.problems, []
    if not card.metadata:
        return [], [EMPTY_METADATA]
    errors: list[str] = []
    warnings: list[str] = []
    rules = COMMON_RULES | (DATASET_RULES if repo_type == "dataset" else MODEL_RULES)
    for name, rule in rules.items():
        if card.metadata.get(name) is not None:
            rule(name, card.metadata[name], errors, warnings)
    if card.metadata.get("license") == "other" and not card.metadata.get("license_name"):
        warnings.append('"license_name" should name the licence when "license" is other')
    return errors[:MAX_MESSAGES], warnings[:MAX_MESSAGES]
