"""Faults with a known cause: what goes wrong is injected; what the run says of it, the product says."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tests.training import tabular_world, world
from tests.training.text import world as text_world
from training.errors import UserError
from training.execute import fault_message
from training.finetune import finetune
from training.hubclient import HubApi, HubRefused
from training.recipe import parse_recipe
from training.reporting import SilentReporter


@dataclass(frozen=True)
class Fault:
    """`cause` is what was done to the run; `happen` does it and tells the id and the message that came."""

    name: str
    cause: str
    happen: Callable[[Path], tuple[str, str]]


def told(work: Callable[[], Any]) -> tuple[str, str]:
    """What a worker tells the hub of the way `work` ends, as `training/execute.py` does."""
    try:
        work()
    except UserError as error:
        return error.message_id, error.message
    except Exception as error:
        return fault_message(error)
    raise AssertionError("nothing failed")


def houses(spoil: Callable[[Path], object], **sections: Any) -> Callable[[Path], tuple[str, str]]:
    """A run on a table of houses that `spoil` has been at."""

    def happen(folder: Path) -> tuple[str, str]:
        data = tabular_world.write_houses(folder / "data", train=60)
        spoil(data)
        recipe = tabular_world.recipe(**sections)
        return told(lambda: learn(recipe, None, data, folder))

    return happen


def pictures(
    spoil: Callable[[Path, Path], object] = lambda base, data: None, **sections: Any
) -> Callable[[Path], tuple[str, str]]:
    """A run on pictures, with a base model; `spoil` gets both folders."""

    def happen(folder: Path) -> tuple[str, str]:
        base = world.write_base(folder / "base")
        data = world.write_images(folder / "data", train=8, test=2)
        spoil(base, data)
        return told(lambda: learn(world.recipe(**sections), base, data, folder))

    return happen


def texts(spoil: Callable[[Path], object]) -> Callable[[Path], tuple[str, str]]:
    def happen(folder: Path) -> tuple[str, str]:
        base = text_world.write_encoder(folder / "base")
        data = text_world.write_reviews(folder / "data")
        spoil(data)
        return told(lambda: learn(text_world.text_recipe(), base, data, folder))

    return happen


def learn(recipe: Any, base: Path | None, data: Path, folder: Path) -> object:
    return finetune(recipe, base_dir=base, data_dir=data, work_dir=folder / "work", reporter=SilentReporter())


def rows(*lines: str) -> Callable[[Path], object]:
    """These rows, and no others, are the table's training split."""
    return lambda data: (data / "train.csv").write_text("\n".join(lines) + "\n")


def fails(error: Exception) -> Callable[[Path], tuple[str, str]]:
    """The machinery meets this error in the middle of a run."""

    def happen(folder: Path) -> tuple[str, str]:
        def work() -> None:
            raise error

        return told(work)

    return happen


def says(message_id: str, message: str) -> Callable[[Path], tuple[str, str]]:
    """What cannot be done in a test: the words of the worker that has seen it."""
    return lambda folder: (message_id, message)


def broken_weights(base: Path, data: Path) -> None:
    weights = load_file(base / "model.safetensors")
    name = next(name for name, item in weights.items() if item.ndim == 4)
    weights[name] = torch.full_like(weights[name], float("nan"))
    save_file(weights, base / "model.safetensors")


def pickled_weights(base: Path, data: Path) -> None:
    (base / "model.safetensors").unlink()
    (base / "pytorch_model.bin").write_bytes(b"\x80\x04}.")


def other_weights(base: Path, data: Path) -> None:
    save_file({"nobody.weight": torch.zeros(3)}, base / "model.safetensors")


def broken_image(base: Path, data: Path) -> None:
    path = next((data / "train" / "cat").iterdir())
    path.write_bytes(path.read_bytes()[:60])


def no_space(folder: Path) -> tuple[str, str]:
    def work() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "checkpoint.safetensors"))

    return told(work)


def full_hub(folder: Path) -> tuple[str, str]:
    error = RuntimeError("507 Server Error: Insufficient Storage for url")
    error.response = SimpleNamespace(status_code=507)  # type: ignore[attr-defined]
    return fails(error)(folder)


def closed_port(folder: Path) -> tuple[str, str]:
    """A hub that is not there: the port is free, so nobody answers."""
    return told(lambda: HubApi("http://127.0.0.1:9", "none", timeout=1).post("/api/runs", {}))


HEAD = "area,age,district,garden,price"
FAULTS = [
    # --- the data
    Fault("a column that was dropped", "data", houses(rows("area,age,district,garden", "50,3,hill,True"))),
    Fault("an empty table", "data", houses(rows(HEAD))),
    Fault("a file of nothing", "data", houses(lambda data: (data / "train.csv").write_bytes(b""))),
    Fault(
        "bytes that are no text",
        "data",
        houses(lambda data: (data / "train.csv").write_bytes(b"\xff\xfe\x00a,b\n")),
    ),
    Fault("a row too short", "data", houses(rows(HEAD, "50,3,hill,True,200", "60,4"))),
    Fault("no training split", "data", houses(lambda data: (data / "train.csv").unlink())),
    Fault("targets missing", "data", houses(rows(HEAD, *["50,3,hill,True,"] * 20))),
    Fault(
        "a target that never changes", "data", houses(rows(HEAD, *(f"{i},3,hill,True,7" for i in range(40))))
    ),
    Fault(
        "a word for a number",
        "data",
        houses(rows(HEAD, *(f"{i},3,hill,True,{i}" for i in range(40)), "9,3,hill,True,much")),
    ),
    Fault(
        "one class only",
        "data",
        houses(rows("area,class", *(f"{i},dear" for i in range(40))), task="tabular-classification"),
    ),
    Fault("an image cut short", "data", pictures(broken_image)),
    Fault("one class of images", "data", pictures(lambda base, data: shutil.rmtree(data / "train" / "dog"))),
    Fault("no images at all", "data", pictures(lambda base, data: shutil.rmtree(data / "train"))),
    Fault("no texts", "data", texts(lambda data: [path.unlink() for path in data.rglob("train*")])),
    # --- the recipe
    Fault("a column misspelt", "recipe", houses(lambda data: None, dataset={"target_column": "prise"})),
    Fault(
        "a field that is unknown",
        "recipe",
        lambda folder: told(lambda: parse_recipe({"optim": {"speed": 3}})),
    ),
    Fault(
        "a learning rate far too large",
        "recipe",
        pictures(
            optim={"lr": 10.0, "name": "sgd", "epochs": 30, "warmup_fraction": 0.0, "weight_decay": 10.0}
        ),
    ),
    Fault(
        "a metric that the task has not",
        "recipe",
        pictures(
            early_stopping={"patience": 1, "metric": "val/beauty"}, dataset={"validation_fraction": 0.3}
        ),
    ),
    Fault(
        "a column to learn from that is not there",
        "recipe",
        houses(lambda data: None, dataset={"columns": ["colour"]}),
    ),
    Fault(
        "the target among the columns",
        "recipe",
        houses(lambda data: None, dataset={"columns": ["area", "price"]}),
    ),
    # --- the base model
    Fault("no config.json", "model", pictures(lambda base, data: (base / "config.json").unlink())),
    Fault("no weights", "model", pictures(lambda base, data: (base / "model.safetensors").unlink())),
    Fault("pickled weights", "model", pictures(pickled_weights)),
    Fault("weights of another network", "model", pictures(other_weights)),
    Fault("weights that are not numbers", "model", pictures(broken_weights)),
    Fault(
        "a config.json that is no JSON",
        "model",
        pictures(lambda base, data: (base / "config.json").write_text("{")),
    ),
    # --- bounds
    Fault("no memory for Python", "memory", fails(MemoryError())),
    Fault("no memory for an array", "memory", lambda folder: told(lambda: np.ones(2**48))),
    Fault("no memory for a tensor", "memory", lambda folder: told(lambda: torch.ones(2**48))),
    Fault("no memory on the GPU", "memory", fails(torch.OutOfMemoryError("CUDA out of memory."))),
    Fault("killed for memory", "memory", says("worker:out-of-memory", "It needed more than 3.2 GB.")),
    Fault(
        "too many rows at once",
        "memory",
        says("train:out-of-memory", "The GPU ran out of memory even with 1 rows at once."),
    ),
    Fault("the time was up", "time", says("run:timeout", "The run took longer than its time limit of 6 h.")),
    # --- the platform
    Fault("the worker's disk is full", "disk", no_space),
    Fault("the hub's disk is full", "disk", full_hub),
    Fault("nobody answers", "hub", closed_port),
    Fault(
        "the workers fell silent",
        "worker",
        says("run:worker-lost", "The worker stopped answering 4 times in a row."),
    ),
    Fault("a mistake in the engine", "bug", fails(ZeroDivisionError("division by zero"))),
    Fault("a mistake in a type", "bug", fails(TypeError("'NoneType' object is not subscriptable"))),
    Fault("the hub refuses what we send", "bug", fails(HubRefused(400, "value must be a number."))),
    Fault("a crash in native code", "bug", says("worker:crashed", "The engine ended by SIGSEGV.")),
]
