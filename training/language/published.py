"""A finished language model: an adapter with its base found again, or a whole model; with its tokenizer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.language.causal import load_causal
from training.language.files import read_json
from training.language.lora import CONFIG, load_adapter
from training.language.scribe import Scribe, load_scribe
from training.sources import resolve_source

# Bases that this process has at hand: a worker measures what it has just made, without fetching it twice.
_AT_HAND: dict[tuple[str, str | None], Path] = {}


def base_name(repo: str, base_dir: Path) -> str:
    """How an adapter names its base: the hub's repo id, or the absolute path of a local directory.

    A recipe names directories relative to itself, which nobody could follow from the adapter.
    """
    named, found = os.path.normpath(repo), str(base_dir.absolute())
    is_local = found == named or found.endswith(os.sep + named)
    return found if is_local else repo


def remember_base(name: str, revision: str | None, base_dir: Path) -> None:
    _AT_HAND[name, revision] = base_dir


def load_published(model_dir: Path) -> tuple[Any, Scribe]:
    """The model in eval mode and fp32, and its tokenizer. Raises `UserError`, for a base that is gone too."""
    if not (model_dir / CONFIG).is_file():
        return load_causal(model_dir), load_scribe(model_dir)
    plain = read_json(model_dir / CONFIG)
    name, revision = plain.get("base_model_name_or_path"), plain.get("revision")
    if not isinstance(name, str) or not name or not isinstance(revision, str | None):
        raise UserError("model:wrong-adapter", f"{CONFIG} does not name the base model.")
    known = _AT_HAND.get((name, revision))
    base_dir = known if known and known.is_dir() else resolve_source(name, "model", revision=revision)
    scribe = (
        load_scribe(model_dir, base_dir)
        if (model_dir / "tokenizer.json").is_file()
        else load_scribe(base_dir)
    )
    return load_adapter(model_dir, base_dir), scribe
