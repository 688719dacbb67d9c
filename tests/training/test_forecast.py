"""Computed from a measured step: other epochs, checkpoints, batches, advice; and which runs are alike."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest

from training.forecast import Forecast, fit, told
from training.recipe import parse_recipe
from training.shapes import shape_key

MIB = 2**20
PHASE: dict[str, Any] = {
    "epochs": None,
    "every": None,
    "load": 2.0,
    "features": 0.0,
    "steps_per_epoch": 50,
    "stages": [{"count": 4, "epoch_seconds": 5.0, "peak_process": 1000 * MIB, "peak_gpu": 0}],
    "validation": 1.0,
    "looks_before": 0,
    "save": 0.5,
    "checkpoint": 0.25,
    "peaks": {
        "process": {"load": 400 * MIB, "steps": 1000 * MIB, "run": 1010 * MIB, "checkpoint": 1020 * MIB}
    },
}  # fmt: skip
MEMORY: dict[str, Any] = {
    "live": 300 * MIB,
    "load": 400 * MIB,
    "validation": 450 * MIB,
    "save": 350 * MIB,
    "checkpoint": 500 * MIB,
    "steps": 1000 * MIB,
    "per_row": 20 * MIB,
    "slope_measured": True,
    "of_learning": 120 * MIB,
    "last_stage_share": 0.25,
}
RECIPE: dict[str, Any] = {
    "task": "image-classification",
    "init": "pretrained",
    "strategy": "full",
    "batch_size": 32,
    "grad_accum_steps": 1,
    "image_size": 224,
    "max_tokens": None,
    "mixed": False,
}
MEASURED: dict[str, Any] = {
    "device": "CPU",
    "threads": 2,
    "took": 9.0,
    "at_most": False,
    "checkpoint_seconds": 10.0,
    "rows": {"train": 1600},
    "recipe": RECIPE,
    "phases": [PHASE],
    "memory": {"process": MEMORY, "smallest_batch": 2},
    "evaluate": 3.0,
    "notes": [],
}


def forecast(epochs: int = 1, **changes: Any) -> Forecast:
    """`changes` go into the only phase, or into `recipe` and `memory` where these are dictionaries."""
    measured = copy.deepcopy(MEASURED)
    for name in ("recipe", "memory"):
        place = measured["recipe"] if name == "recipe" else measured["memory"]["process"]
        place |= changes.pop(name, {})
    for name in ("at_most", "notes"):
        if name in changes:
            measured[name] = changes.pop(name)
    measured["phases"][0] |= changes
    return Forecast(measured, epochs)


def test_an_epoch_more_costs_its_steps_and_its_validation() -> None:
    one, two = forecast(1), forecast(1).for_epochs(2)
    assert one.parts == {
        "load": 2.0, "features": 0.0, "steps": 5.0, "validation": 1.0, "save": 0.5, "evaluate": 3.0,
    }  # fmt: skip
    assert one.seconds == 11.5
    assert (two.steps, two.parts["steps"], two.parts["validation"]) == (100, 10.0, 2.0)
    assert two.parts["load"] == 2.0
    assert two.seconds_per_step == 0.1
    assert forecast(1).for_recipe({"optim": {"epochs": 7}}).steps == 350


def test_long_runs_write_checkpoints_and_need_their_memory() -> None:
    """The first after ten seconds; at most a twentieth of the time goes into them."""
    assert forecast(1).peak_memory_bytes == 1010 * MIB
    assert forecast(2).peak_memory_bytes == 1020 * MIB
    # 10 epochs of 6 s: one after 10 s, then one every 10.25 s.
    assert forecast(10).parts["save"] == 0.5 + 5 * 0.25
    slow = forecast(10, checkpoint=1.0)
    assert slow.parts["save"] == 0.5 + 3 * 1.0


def test_what_early_stopping_looks_at_before_the_first_step_is_counted() -> None:
    assert forecast(2, looks_before=1).parts["validation"] == 3.0
    assert forecast(2, at_most=True).at_most
    assert "at most" in told(forecast(2, at_most=True))


def test_gradual_unfreezing_costs_more_with_every_epoch() -> None:
    stages = [
        {"count": 1, "epoch_seconds": 1.0, "peak_process": 500 * MIB, "peak_gpu": 0},
        {"count": 3, "epoch_seconds": 3.0, "peak_process": 900 * MIB, "peak_gpu": 0},
    ]
    given: dict[str, Any] = {"every": 1, "stages": stages}
    assert forecast(1, **given).parts["steps"] == 1.0
    assert forecast(3, **given).parts["steps"] == 1.0 + 2.0 + 3.0
    assert forecast(5, **given).parts["steps"] == 1.0 + 2.0 + 3.0 + 3.0 + 3.0
    # Ten more for validation and saving; checkpoints are not written in so short a time.
    peaks = {"process": {"load": 400 * MIB, "steps": 900 * MIB, "run": 910 * MIB, "checkpoint": 920 * MIB}}
    assert forecast(1, **given, peaks=peaks).peak_memory_bytes == 510 * MIB
    assert forecast(2, **given, peaks=peaks).peak_memory_bytes == 710 * MIB


def test_two_phases_are_added_up() -> None:
    measured = copy.deepcopy(MEASURED)
    probe = copy.deepcopy(PHASE) | {"epochs": 3, "features": 4.0, "steps_per_epoch": 10, "save": 0.0}
    probe["stages"][0]["epoch_seconds"] = 0.1
    measured["phases"] = [probe, measured["phases"][0]]
    found = Forecast(measured, 2)
    assert found.steps == 3 * 10 + 2 * 50
    assert found.parts["features"] == 4.0
    assert found.parts["steps"] == pytest.approx(0.3 + 10.0)
    # The probe's own checkpoint, and one of the second phase.
    assert found.parts["save"] == 0.5 + 0.25 + 0.25


def test_a_forecast_comes_back_from_json() -> None:
    plain = forecast(3).as_dict()
    assert Forecast.from_dict(plain).as_dict() == plain
    assert plain["by_batch"] == {"8": 520 * MIB, "16": 680 * MIB, "32": 1020 * MIB}
    assert plain["gpu_peak_memory_bytes"] is None
    with pytest.raises(ValueError, match="another version"):
        Forecast.from_dict(plain | {"version": 0})


def test_a_smaller_batch_is_the_first_advice() -> None:
    assert fit(forecast(), 2000 * MIB) is None
    advice = fit(forecast(), 800 * MIB)
    assert advice is not None
    assert advice.changes == {"optim.batch_size": 16, "optim.grad_accum_steps": 2}
    assert advice.peak_memory_bytes == 680 * MIB
    assert advice.measured
    assert "optim.batch_size to 16" in advice.text
    again = fit(forecast(), 550 * MIB)
    assert again is not None
    assert again.changes == {"optim.batch_size": 8, "optim.grad_accum_steps": 4}


def test_smaller_inputs_or_less_to_learn_where_batches_are_small() -> None:
    """One picture at once, and still too much: then its size, then what learns."""
    given = {"recipe": {"batch_size": 2}, "memory": {"per_row": 300 * MIB}}
    smaller = fit(forecast(**given), 800 * MIB)
    assert smaller is not None
    assert smaller.changes == {"dataset.image_size": 160}
    head = fit(
        forecast(
            **given,
        ),
        440 * MIB,
    )
    assert head is not None
    assert head.changes == {"strategy.kind": "head"}


def test_texts_become_shorter_and_language_models_get_adapters() -> None:
    recipe = {"task": "text-generation", "batch_size": 2, "image_size": None, "max_tokens": 512}
    given = {"recipe": recipe, "memory": {"per_row": 100 * MIB, "of_learning": 700 * MIB}}
    shorter = fit(forecast(**given), 920 * MIB)
    assert shorter is not None
    assert shorter.changes == {"dataset.max_tokens": 256}
    adapters = fit(forecast(**given), 420 * MIB)
    assert adapters is not None
    assert adapters.changes == {"strategy.kind": "lora"}


def test_nothing_fits_is_said() -> None:
    advice = fit(forecast(), 100 * MIB)
    assert advice is not None
    assert advice.changes == {}
    assert advice.text.startswith("Nothing fits")
    assert advice.peak_memory_bytes > 100 * MIB


def test_no_advice_would_need_more_or_cannot_be_followed() -> None:
    for recipe in ({}, {"batch_size": 1}, {"batch_size": 7, "grad_accum_steps": 256}, {"init": "scratch"}):
        found = forecast(recipe=recipe)
        for advice in found.advice():
            assert advice.peak_memory_bytes < found.peak_memory_bytes
            assert advice.changes.get("optim.grad_accum_steps", 1) <= 256
            assert advice.changes.get("optim.batch_size", 2) >= 2
            if recipe.get("init") == "scratch":
                assert "strategy.kind" not in advice.changes


PLAIN: dict[str, Any] = {
    "base_model": {"repo": "a/base"},
    "dataset": {"repo": "a/data", "image_size": 96},
    "strategy": {"kind": "full"},
    "optim": {"lr": 1e-3, "epochs": 3, "batch_size": 16},
}


def key(oid: str = "1", **sections: Any) -> str:
    plain = {**PLAIN, **{name: {**PLAIN.get(name, {}), **item} if isinstance(item, dict) else item
                         for name, item in sections.items()}}  # fmt: skip
    return shape_key(parse_recipe(plain).as_dict(), base_oid=oid, dataset_oid="2")


@pytest.mark.parametrize(
    "sections",
    [
        {"optim": {"lr": 0.5, "epochs": 30, "schedule": "linear", "weight_decay": 0.1}},
        {"seed": 9},
        {"loss": {"kind": "focal"}},
        {"dataset": {"repo": "another/name"}},
        {"strategy": {"lr_decay": 0.5}},
        {"optim": {"momentum": 0.5}},
    ],
)
def test_alike_in_memory_and_pace(sections: dict[str, Any]) -> None:
    assert key(**sections) == key()


@pytest.mark.parametrize(
    "sections",
    [
        {"optim": {"batch_size": 8}},
        {"optim": {"grad_accum_steps": 2}},
        {"optim": {"name": "sgd"}},
        {"optim": {"ema": 0.9}},
        {"dataset": {"image_size": 128}},
        {"dataset": {"augment": "light"}},
        {"dataset": {"max_train_images": 10}},
        {"strategy": {"kind": "head"}},
        {"strategy": {"kind": "last-stages", "stages": 2}},
        {"precision": "bf16"},
        {"early_stopping": {"patience": 3}},
        {"oid": "3"},
    ],
)
def test_not_alike(sections: dict[str, Any]) -> None:
    assert key(**sections) != key()


def test_a_key_changes_nothing_and_is_a_file_name() -> None:
    plain = parse_recipe(PLAIN).as_dict()
    before = copy.deepcopy(plain)
    found = shape_key(plain, base_oid="1", dataset_oid="2")
    assert plain == before
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")


def test_the_web_may_ask_without_the_engine() -> None:
    """Neither torch nor NumPy comes along."""
    code = (
        "import sys, training.forecast, training.shapes;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'yaml')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
