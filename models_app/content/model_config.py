"""What `config.json` of a model says about how to load it, as the wire tells it."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_ARCHITECTURES = 20
_KEPT = ("architectures", "model_type", "auto_map", "quantization_config")
_MAX_KEPT_CHARACTERS = 4000
_HEAD = re.compile(r"For([A-Z][A-Za-z0-9]+)$")
# Heads whose loader is not called as they are.
_LOADERS = {"ConditionalGeneration": "AutoModelForSeq2SeqLM", "PreTraining": "AutoModelForPreTraining"}


def summary_of(text: bytes) -> dict[str, Any]:
    """The few keys of a `config.json` that loaders choose by; empty for what is no JSON object."""
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    kept = {key: found[key] for key in _KEPT if found.get(key) is not None}
    names = kept.get("architectures")
    if names is not None and not _is_short_list_of_names(names):
        del kept["architectures"]
    return kept if len(json.dumps(kept)) <= _MAX_KEPT_CHARACTERS else {}


def loader_of(config: dict[str, Any]) -> str:
    """The `Auto…` class of transformers that loads a model of this configuration."""
    first = next(iter(config.get("architectures") or []), "")
    if first.endswith("LMHeadModel"):
        return "AutoModelForCausalLM"
    head = _HEAD.search(first)
    return _LOADERS.get(head[1], f"AutoModelFor{head[1]}") if head else "AutoModel"


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_short_list_of_names(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > MAX_ARCHITECTURES:
        return False
    return all(isinstance(name, str) and len(name) <= 200 for name in value)
