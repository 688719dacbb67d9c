"""What changed between two configurations, key by key: JSON and YAML as `training.lr: 0.1 → 0.2`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from models_app.content.yaml_text import BadYaml, load_plain_yaml

MAX_CONFIG_BYTES = 256 * 1024
MAX_KEYS = 20_000
MAX_CHANGES = 200
MAX_VALUE = 200
ENDINGS = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class KeyChange:
    """One key with its value on both sides; `status` is added, deleted or modified."""

    key: str
    status: str
    old: str
    new: str


def changed_keys(path: str, old: bytes, new: bytes) -> list[KeyChange] | None:
    """The keys that changed, in the order of the newer file; None where a side is no mapping of values."""
    sides = [_flat(path, data) for data in (old, new)]
    before, after = sides
    if before is None or after is None:
        return None
    changes = []
    for key in [*after, *(key for key in before if key not in after)]:
        if key not in before:
            changes.append(KeyChange(key, "added", "", after[key]))
        elif key not in after:
            changes.append(KeyChange(key, "deleted", before[key], ""))
        elif before[key] != after[key]:
            changes.append(KeyChange(key, "modified", before[key], after[key]))
    return changes[:MAX_CHANGES]


def _flat(path: str, data: bytes) -> dict[str, str] | None:
    if len(data) > MAX_CONFIG_BYTES:
        return None
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text) if path.lower().endswith(".json") else load_plain_yaml(text)
    except (ValueError, RecursionError, BadYaml):
        return None
    if not isinstance(found, dict):
        return None
    flat: dict[str, str] = {}
    _into(flat, "", found, 0)
    return flat if len(flat) <= MAX_KEYS else None


def _into(flat: dict[str, str], prefix: str, value: Any, depth: int) -> None:
    """Mappings are walked into; a list is one value, unless it is one of mappings."""
    if len(flat) > MAX_KEYS:
        return
    items: list[tuple[str, Any]] | None = None
    if isinstance(value, dict) and value and depth < 20:
        items = [(f"{prefix}.{key}" if prefix else str(key), one) for key, one in value.items()]
    elif isinstance(value, list) and depth < 20 and any(isinstance(one, dict) for one in value):
        items = [(f"{prefix}[{place}]", one) for place, one in enumerate(value)]
    if items is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
        flat[prefix] = text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
        return
    for key, one in items:
        _into(flat, key, one, depth + 1)
