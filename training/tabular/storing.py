"""`preprocessing.json` and `config.json` of a published table model, written and read strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.jsonfiles import read_object, write_object
from training.tabular.codes import CYCLES, MAX_QUANTILES, CategoricalCode, Code, NumericCode, TimeCode
from training.tabular.columns import MAX_COLUMNS
from training.tabular.embeddings import KINDS, NetConfig
from training.tabular.encoding import Encoder
from training.tabular.strict import bad, list_of, number, string, whole
from training.tabular.targets import MAX_CLASSES, ClassTarget, NumberTarget, Target

PREPROCESSING, CONFIG = "preprocessing.json", "config.json"
FORMAT = "tuneyard-table-1"
MAX_VOCABULARY = 1_000_000
CODES: dict[str, type[Any]] = {code.kind: code for code in (NumericCode, TimeCode, CategoricalCode)}
MAX_MEBIBYTES = 256


@dataclass(frozen=True)
class Preprocessing:
    """How rows become tensors and outputs become answers. `left_out`: columns of no use, with the reason."""

    encoder: Encoder
    target: Target
    left_out: Mapping[str, str]

    def save(self, folder: Path) -> None:
        columns = [{"kind": code.kind, **dataclasses.asdict(code)} for code in self.encoder.codes]
        target = dataclasses.asdict(self.target)
        plain = {"format": FORMAT, "columns": columns, "target": target, "left_out": dict(self.left_out)}
        write_object(folder / PREPROCESSING, plain)

    @staticmethod
    def load(folder: Path) -> Preprocessing:
        """Raises `UserError` `model:bad-preprocessing` for anything that `save` would not have written."""
        plain = _read(folder, PREPROCESSING)
        try:
            if plain.get("format") != FORMAT:
                raise ValueError(f"its format must be {FORMAT!r}")
            codes = [_code(item) for item in list_of(plain["columns"], MAX_COLUMNS)]
            names = [code.name for code in codes]
            if not codes or len(set(names)) != len(names):
                raise ValueError("its columns must be there and differ")
            target = _target(plain["target"])
            left_out = {string(name): string(why) for name, why in plain["left_out"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise bad(PREPROCESSING, str(error)[:150] or type(error).__name__) from None
        return Preprocessing(Encoder(tuple(codes)), target, left_out)


def save_config(folder: Path, task: str, config: NetConfig, preprocessing: Preprocessing) -> None:
    """`example` is a row of middles: what the card shows, and nobody's data."""
    target = preprocessing.target
    labels = {"label_names": list(target.classes)} if isinstance(target, ClassTarget) else {}
    plain = {
        "library_name": "tuneyard",
        "model_type": "tabular",
        "pipeline_tag": task,
        "network": config.as_dict(),
        "target": target.name,
        **labels,
        "example": {code.name: _middle(code) for code in preprocessing.encoder.codes},
    }
    write_object(folder / CONFIG, plain)


def require_tabular(folder: Path) -> None:
    """Raises `UserError` `model:wrong-kind` for a model of another kind, before anything else is read."""
    plain = _read(folder, CONFIG)
    if plain.get("model_type") != "tabular":
        found = plain.get("model_type") or plain.get("architecture") or "something else"
        text = f"The model is no table model of Tuneyard: its config.json describes {str(found)[:60]!r}."
        raise UserError("model:wrong-kind", text)


def load_config(folder: Path, preprocessing: Preprocessing) -> tuple[str, NetConfig]:
    """The pipeline tag and the net. Raises `UserError` where they do not fit the preprocessing."""
    plain = _read(folder, CONFIG)
    try:
        config = _net(dict(plain["network"]))
        task = string(plain["pipeline_tag"])
        encoder, target = preprocessing.encoder, preprocessing.target
        if (config.numbers, list(config.sizes)) != (encoder.numbers, encoder.sizes):
            raise ValueError(f"its network does not fit {PREPROCESSING}")
        if isinstance(target, ClassTarget) and len(target.classes) != config.outputs:
            raise ValueError(f"it has {config.outputs} outputs for {len(target.classes)} classes")
        if isinstance(target, NumberTarget) and target.outputs != config.outputs:
            raise ValueError(f"it has {config.outputs} outputs where {target.outputs} are needed")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise bad(CONFIG, str(error)[:150] or type(error).__name__) from None
    return task, config


def _net(plain: dict[str, Any]) -> NetConfig:
    limits = {"width": 16_384, "depth": 200, "heads": 256, "embedding": 4_096, "bins": 4_096}
    limits |= {"numbers": 3 * MAX_COLUMNS, "outputs": MAX_CLASSES, "frequencies": 4_096}
    known = {field.name for field in dataclasses.fields(NetConfig)}
    if set(plain) != known:
        raise ValueError(f"network must have the fields {', '.join(sorted(known))}")
    if plain["kind"] not in KINDS:
        raise ValueError(f"network.kind must be one of {', '.join(KINDS)}")
    for name, limit in limits.items():
        least = 0 if name == "numbers" else 1
        if type(plain[name]) is not int or not least <= plain[name] <= limit:
            raise ValueError(f"network.{name} must be a whole number up to {limit:,}")
    sizes = [whole(size, MAX_VOCABULARY) for size in list_of(plain["sizes"], MAX_COLUMNS)]
    if not 0 <= number(plain["dropout"]) < 1 or not 0 < number(plain["sigma"]) <= 1000:
        raise ValueError("network.dropout or network.sigma is out of bounds")
    if plain["kind"] == "ft-transformer" and plain["width"] % plain["heads"]:
        raise ValueError("network.width must be a multiple of network.heads")
    return NetConfig(**{**plain, "sizes": tuple(sizes)})


def _code(item: Mapping[str, Any]) -> Code:
    kind = CODES[string(item["kind"])]
    fields = {field.name for field in dataclasses.fields(kind)}
    if set(item) != {"kind", *fields}:
        raise ValueError(f"a {item['kind']} column must have the fields {', '.join(sorted(fields))}")
    name = string(item["name"])
    if kind is CategoricalCode:
        words = [string(word) for word in list_of(item["vocabulary"], MAX_VOCABULARY)]
        if len(set(words)) != len(words):
            raise ValueError(f"the vocabulary of {name!r} names a word twice")
        return CategoricalCode(name, tuple(words))
    mean, std, flag = number(item["mean"]), number(item["std"]), item["flag"]
    if std <= 0 or not isinstance(flag, bool):
        raise ValueError(f"std of {name!r} must be above 0 and flag true or false")
    if kind is TimeCode:
        parts = tuple(string(part) for part in list_of(item["parts"], 4))
        if not set(parts) <= {"year", *CYCLES}:
            raise ValueError(f"the parts of {name!r} must be among year, {', '.join(CYCLES)}")
        return TimeCode(name, parts, mean, std, flag)
    points = item["points"]
    if points is not None:
        points = tuple(number(point) for point in list_of(points, MAX_QUANTILES))
        if len(points) < 2 or any(a > b for a, b in pairwise(points)):
            raise ValueError(f"the points of {name!r} must be two or more in rising order")
    edge = number(item["edge"])
    if not 0 < edge <= 0.5:
        raise ValueError(f"edge of {name!r} must be above 0 and at most 0.5")
    return NumericCode(name, mean, std, points, edge, flag)


def _target(item: Mapping[str, Any]) -> Target:
    name = string(item["name"])
    if set(item) == {"name", "classes"}:
        classes = [string(label) for label in list_of(item["classes"], MAX_CLASSES)]
        if len(classes) < 2 or len(set(classes)) != len(classes):
            raise ValueError("the target must have two or more classes that differ")
        return ClassTarget(name, tuple(classes))
    if set(item) != {"name", "log", "mean", "std", "quantiles"} or not isinstance(item["log"], bool):
        raise ValueError("the target must have name and classes, or name, log, mean, std and quantiles")
    mean, std = number(item["mean"]), number(item["std"])
    quantiles = tuple(number(level) for level in list_of(item["quantiles"], 100))
    if std <= 0 or (quantiles and (0.5 not in quantiles or list(quantiles) != sorted(set(quantiles)))):
        raise ValueError("std of the target must be above 0 and its quantiles rise through 0.5")
    return NumberTarget(name, item["log"], mean, std, quantiles)


def _middle(code: Code) -> Any:
    """A cell that `code` reads: the median, the first word, no date."""
    if isinstance(code, NumericCode):
        middle = code.mean if code.points is None else code.points[len(code.points) // 2]
        return float(f"{middle:.6g}")
    return code.vocabulary[0] if isinstance(code, CategoricalCode) and code.vocabulary else None


def _read(folder: Path, name: str) -> dict[str, Any]:
    return read_object(folder / name, MAX_MEBIBYTES, lambda reason: bad(name, reason))
