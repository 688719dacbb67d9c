"""`config.json` and `vocabulary.json` of a published recommender, written and read strictly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.jsonfiles import read_object, write_object
from training.recommend.nets import KINDS, NetConfig, SideConfig
from training.recommend.reading import MAX_IDS

CONFIG, VOCABULARY = "config.json", "vocabulary.json"
FORMAT = "tuneyard-recommender-1"
MAX_MEBIBYTES = 512
MAX_PAIRS = 50_000_000
MAX_FEATURES = 6_000
OBJECTIVES = ("rating", "bpr", "softmax")


@dataclass(frozen=True)
class Facts:
    """What a recommender is beside its weights. `users[i]` and `items[i]` have place i + 1; `low` and `high`
    bound its ratings; `titles`: what items are called, of those that are."""

    config: NetConfig
    objective: str
    low: float
    high: float
    users: list[str]
    items: list[str]
    titles: Mapping[str, str]


def save_facts(folder: Path, facts: Facts) -> None:
    """`example` is an item's id, which is nobody's data."""
    plain = {
        "library_name": "tuneyard",
        "model_type": "recommender",
        # No pipeline tag of the hub's list means recommending; the card's tag `recommendation` does.
        "pipeline_tag": "other",
        "format": FORMAT,
        "objective": facts.objective,
        "low": facts.low,
        "high": facts.high,
        "network": facts.config.as_dict(),
        "example": facts.items[0],
    }
    write_object(folder / CONFIG, plain)
    write_object(
        folder / VOCABULARY, {"users": facts.users, "items": facts.items, "titles": dict(facts.titles)}
    )


def load_facts(folder: Path) -> Facts:
    """Raises `UserError` for anything that `save_facts` would not have written."""
    plain = _read(folder, CONFIG)
    if plain.get("model_type") != "recommender" or plain.get("format") != FORMAT:
        found = plain.get("model_type") or plain.get("architecture") or "something else"
        text = f"The model is no recommender of Tuneyard: its config.json describes {str(found)[:60]!r}."
        raise UserError("model:wrong-kind", text)
    words = _read(folder, VOCABULARY)
    try:
        config = _net(dict(plain["network"]))
        users, items = _ids(words["users"], config.users), _ids(words["items"], config.items)
        titles = words["titles"]
        if not isinstance(titles, dict) or not all(isinstance(one, str) for one in titles.values()):
            raise ValueError("its titles must be text by item")
        if plain["objective"] not in OBJECTIVES:
            raise ValueError(f"its objective must be one of {', '.join(OBJECTIVES)}")
        low, high = _finite(plain["low"]), _finite(plain["high"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _bad(CONFIG, str(error)[:150] or type(error).__name__) from None
    return Facts(config, plain["objective"], low, high, users, items, titles)


def _net(plain: dict[str, Any]) -> NetConfig:
    if set(plain) != {field.name for field in dataclasses.fields(NetConfig)}:
        raise ValueError("its network has other fields")
    if plain["kind"] not in KINDS:
        raise ValueError(f"network.kind must be one of {', '.join(KINDS)}")
    users, items = _side(dict(plain["users"])), _side(dict(plain["items"]))
    seen, width, depth = (
        _whole(plain[name], limit) for name, limit in (("seen", MAX_PAIRS), ("width", 16_384), ("depth", 200))
    )
    dropout = _finite(plain["dropout"])
    if not 0 <= dropout < 1 or not width:
        raise ValueError("network.width or network.dropout is out of bounds")
    return NetConfig(plain["kind"], users, items, seen, width, depth, dropout)


def _side(plain: dict[str, Any]) -> SideConfig:
    if set(plain) != {field.name for field in dataclasses.fields(SideConfig)}:
        raise ValueError("its network has other fields")
    sizes = plain["sizes"]
    if not isinstance(sizes, list) or len(sizes) > MAX_FEATURES:
        raise ValueError("sizes must be a list")
    trained, total = _whole(plain["trained"], MAX_IDS), _whole(plain["total"], 2 * MAX_IDS)
    if not 1 <= trained <= total:
        raise ValueError("there must be ids, and not more trained ones than ids")
    numbers = _whole(plain["numbers"], MAX_FEATURES)
    return SideConfig(trained, total, numbers, tuple(_whole(size, MAX_IDS) for size in sizes))


def _ids(found: Any, side: SideConfig) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(one, str) and len(one) <= 1000 for one in found):
        raise ValueError("ids must be a list of text")
    if len(found) != side.total or len(set(found)) != len(found):
        raise ValueError(f"{VOCABULARY} must name every id of the network once")
    return found


def _read(folder: Path, name: str) -> dict[str, Any]:
    return read_object(folder / name, MAX_MEBIBYTES, lambda reason: _bad(name, reason))


def _whole(found: Any, limit: int) -> int:
    if type(found) is not int or not 0 <= found <= limit:
        raise ValueError(f"a size must be a whole number up to {limit:,}")
    return found


def _finite(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError("a number must be finite")
    return float(found)


def _bad(name: str, reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's {name} cannot be used: {reason}.")
