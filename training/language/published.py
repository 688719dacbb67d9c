"""A finished language model: an adapter with its base found again, or a whole model; with its tokenizer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.language.causal import CAUSAL, Family, load_causal
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
    base_dir = base_of(model_dir)
    net = load_net(model_dir, base_dir)
    if base_dir is None or (model_dir / "tokenizer.json").is_file():
        return net, load_scribe(model_dir, base_dir)
    return net, load_scribe(base_dir)


def load_net(model_dir: Path, base_dir: Path | None, family: Family = CAUSAL) -> Any:
    """A whole model, or `base_dir` with the adapter in `model_dir` beside it."""
    if base_dir is None:
        return load_causal(model_dir, family=family)
    return load_adapter(model_dir, base_dir, family)


def base_of(model_dir: Path) -> Path | None:
    """Where the base of an adapter lies; None for a whole model. Raises `UserError` if it cannot be found."""
    if not (model_dir / CONFIG).is_file():
        return None
    plain = read_json(model_dir / CONFIG)
    name, revision = plain.get("base_model_name_or_path"), plain.get("revision")
    if not isinstance(name, str) or not name or not isinstance(revision, str | None):
        raise UserError("model:wrong-adapter", f"{CONFIG} does not name the base model.")
    known = _AT_HAND.get((name, revision))
    return known if known and known.is_dir() else resolve_source(name, "model", revision=revision)
