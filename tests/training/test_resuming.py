"""A run that is killed at random moments and goes on elsewhere has the curve of one that was not.

"Without a hole" means: the same points, by step and name, and the same losses. Which steps have points
follows from the recipe alone (`points`), never from a clock; pace and memory of the machine are its own.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.world import Listener, recipe
from training.errors import Interrupted
from training.finetune import CHECKPOINT, finetune
from training.parcel import BadParcel, Parcel, lay_out, unpack
from training.phases import PROBE_CHECKPOINT
from training.recipe import Recipe

Curve = dict[tuple[int, str], float]


class Killed(Exception):
    """The machine is gone."""


class Hub:
    """What a hub keeps of a run: the curve, and a parcel of the newest checkpoint with its step."""

    def __init__(self) -> None:
        self.curve: Curve = {}
        self.step = 0
        self.kept: tuple[int, bytes] | None = None

    def report(self, step: int, metrics: dict[str, float]) -> None:
        """As `runs.reports.report`: a step below the last one means that what lies beyond is drawn anew."""
        if step < self.step:
            self.curve = {point: value for point, value in self.curve.items() if point[0] <= step}
        if self.kept is not None and step < self.kept[0]:
            self.kept = None
        self.step = step
        self.curve |= {(step, name): value for name, value in metrics.items()}


class Machine(Listener):
    """Reports to the hub late, and not all: what is newer than its last checkpoint may be lost with it."""

    def __init__(self, hub: Hub, folder: Path, dice: random.Random, life: int | None) -> None:
        super().__init__()
        self.hub, self.folder, self.dice, self.life = hub, folder, dice, life
        self.waiting: list[tuple[int, dict[str, float]]] = []

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        super().report(step, total_steps, metrics)
        self.waiting.append((step, metrics))
        if self.life is None or self.dice.random() < 0.5:
            self.deliver()

    def deliver(self) -> None:
        for step, metrics in self.waiting:
            self.hub.report(step, metrics)
        self.waiting = []

    def saved(self, step: int) -> None:
        self.deliver()
        parcel = Parcel(self.folder)
        self.hub.kept = step, b"".join(parcel.pieces())

    def check(self) -> None:
        if self.life is not None:
            self.life -= 1
            if self.life < 0:
                raise Killed


def attempt(given: Recipe, base: Path, images: Path, folder: Path, machine: Machine) -> None:
    """On a machine that has nothing but what the hub gives it."""
    folder.mkdir()
    if machine.hub.kept is not None:
        raw = machine.hub.kept[1]
        unpack([raw], folder / "kept", size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
        lay_out(folder / "kept", folder)
    finetune(
        given,
        base_dir=base,
        data_dir=images,
        work_dir=folder,
        reporter=machine,
        checkpoint_seconds=0.02 if given.strategy.kind == "full" else 0.0,
        points=7,
        on_saved=machine.saved,
    )
    machine.deliver()


def told(curve: Curve) -> Curve:
    return {point: value for point, value in curve.items() if not point[1].startswith("system/")}


@pytest.mark.parametrize(("kind", "seeds", "longest"), [("full", 3, 30), ("head", 4, 10), ("lp-ft", 2, 30)])
def test_killed_at_random_it_draws_the_same_curve(
    base: Path,
    images: Path,
    tmp_path: Path,
    kind: str,
    seeds: int,
    longest: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.loop.CHECKPOINT_SHARE", 0)
    # the short steps of a head, two at once
    monkeypatch.setattr("training.loop.STRETCH_IMAGES", 16)
    strategy: dict[str, Any] = {"kind": kind, **({"probe_epochs": 2} if kind == "lp-ft" else {})}
    given = recipe(strategy=strategy, optim={"epochs": 3})
    whole = Hub()
    folder = tmp_path / "whole"
    attempt(given, base, images, folder, Machine(whole, folder, random.Random(0), None))
    resumed = 0
    for seed in range(seeds):
        dice, hub = random.Random(seed), Hub()
        for number in range(60):
            folder = tmp_path / f"{seed}-{number}"
            life = dice.randrange(2, longest) if number < 50 else None
            resumed += hub.kept is not None
            try:
                attempt(given, base, images, folder, Machine(hub, folder, dice, life))
                break
            except Killed:
                shutil.rmtree(folder)
        assert told(hub.curve) == told(whole.curve), seed
        assert set(hub.curve) == set(whole.curve)
    assert resumed >= seeds


def test_points_lie_where_the_recipe_says(base: Path, images: Path, tmp_path: Path) -> None:
    hub = Hub()
    given = recipe(optim={"epochs": 4})
    attempt(given, base, images, tmp_path / "run", Machine(hub, tmp_path / "run", random.Random(0), None))
    steps = sorted({step for step, name in hub.curve if name == "train/loss"})
    assert max(later - step for step, later in itertools.pairwise(steps)) <= 5  # 32 steps, 7 points
    assert [step for step, name in sorted(hub.curve) if name == "val/loss"] == [8, 16, 24, 32]


def test_an_interrupted_run_has_put_its_last_step_aside(base: Path, images: Path, tmp_path: Path) -> None:
    listener, saved = Listener(5, Interrupted()), []
    with pytest.raises(Interrupted):
        finetune(
            recipe(),
            base_dir=base,
            data_dir=images,
            work_dir=tmp_path,
            reporter=listener,
            report_seconds=0.0,
            checkpoint_seconds=1e9,
            points=1000,
            on_saved=saved.append,
        )
    assert saved == [listener.reports[-1][0]]


def test_a_parcel_holds_both_phases(tmp_path: Path) -> None:
    for name, content in ((CHECKPOINT, b"a" * 3_000_000), (PROBE_CHECKPOINT, b"b" * 10)):
        (tmp_path / name).write_bytes(content)
    parcel = Parcel(tmp_path)
    raw = b"".join(parcel.pieces())
    assert len(raw) == parcel.size
    for size in (100_003, 1024**2, len(raw)):
        pieces = [raw[place : place + size] for place in range(0, len(raw), size)]
        unpack([raw[:0], *pieces], tmp_path / "out", size=len(raw), sha256=parcel.sha256())
        assert (tmp_path / "out" / CHECKPOINT).read_bytes() == b"a" * 3_000_000
        assert (tmp_path / "out" / PROBE_CHECKPOINT).read_bytes() == b"b" * 10


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x" * 5000,
        b"{}\n",
        b'{"format": 1, "files": [["../../etc/passwd", 3]]}\nabc',
        b'{"format": 1, "files": [["checkpoint.safetensors", 4]]}\nabc',
        b'{"format": 1, "files": [["checkpoint.safetensors", 2]]}\nabc',
        b'{"format": 1, "files": [["checkpoint.safetensors", -1]]}\nabc',
        b'{"format": 2, "files": [["checkpoint.safetensors", 3]]}\nabc',
    ],
)
def test_a_parcel_of_somebody_else_is_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadParcel):
        unpack([raw], tmp_path / "out", size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
    assert not (tmp_path / "out").exists()


def test_a_parcel_that_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    raw = b'{"format": 1, "files": [["checkpoint.safetensors", 3]]}\nabc'
    for size, sha256 in ((len(raw), "0" * 64), (len(raw) - 1, "0" * 64), (len(raw) + 1, "0" * 64)):
        with pytest.raises(BadParcel):
            unpack([raw], tmp_path / "out", size=size, sha256=sha256)
