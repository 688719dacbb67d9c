"""Every remedy at a fixed seed: its loss sequence, and that an interrupted run ends as the whole one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.test_finetune import assert_same_weights, run, weights
from tests.training.world import Listener, recipe, write_base, write_images
from training import finetune, loop
from training.averages import Average
from training.batches import Batches
from training.checkpoint import load_checkpoint
from training.errors import Interrupted, UserError
from training.stepping import short_of_memory
from training.tasks.image_classification import SoftmaxTask
from training.weights import load_weights

# Recorded when each was written (torch 2.14, CPU); other builds round a little differently.
VARIANTS: dict[str, tuple[dict[str, Any], list[float]]] = {
    "focal": ({"loss": {"kind": "focal", "gamma": 1.0}}, [0.3526, 0.1772, 0.0379, 0.03487]),
    "weighed": ({"loss": {"class_weights": "balanced"}}, [0.7302, 0.5475, 0.1527, 0.15]),
    "effective": (
        {"loss": {"kind": "focal", "class_weights": "effective"}},
        [0.1422, 0.0556, 0.008451, 0.007146],
    ),
    "balanced": ({"sampling": "balanced"}, [0.6693, 0.5422, 0.07815, 0.09857]),
    "randaugment": ({"dataset": {"augment": "randaugment"}}, [0.6678, 0.6448, 0.2532, 0.4208]),
    "mixup": ({"dataset": {"mix": "mixup"}}, [0.6995, 0.4642, 0.1569, 0.1707]),
    "cutmix": (
        {"dataset": {"augment": "light", "mix": "cutmix", "mix_alpha": 0.5}},
        [0.6666, 0.5487, 0.1656, 0.272],
    ),
    "linear": ({"optim": {"schedule": "linear"}}, [0.6996, 0.4625, 0.1852, 0.172]),
    "one-cycle": (
        {"optim": {"schedule": "one-cycle", "warmup_fraction": 0.3}},
        [0.6996, 0.6627, 0.2323, 0.2703],
    ),
    "one-cycle-sgd": ({"optim": {"schedule": "one-cycle", "name": "sgd"}}, [0.6996, 0.6421, 0.4313, 0.4479]),
    "one-cycle-head": (
        {"optim": {"schedule": "one-cycle"}, "strategy": {"kind": "head"}},
        [0.6951, 0.6612, 0.4309, 0.5288],
    ),
    "ema": ({"optim": {"ema": 0.9}}, [0.6996, 0.4625, 0.159, 0.1511]),
    "ema-head": ({"optim": {"ema": 0.9}, "strategy": {"kind": "head"}}, [0.6951, 0.6612, 0.4301, 0.5284]),
    "gradual": ({"optim": {"epochs": 4}, "strategy": {"kind": "gradual"}}, [0.6951, 0.6763, 0.2402, 0.1549]),
    "lp-ft": (
        {"strategy": {"kind": "lp-ft", "probe_epochs": 1, "probe_lr": 0.01}},
        [0.6951, 0.6612, 0.1233, 0.1447],
    ),
    "l2-sp": ({"optim": {"weight_decay": 0.1}, "strategy": {"l2_sp": 0.5}}, [0.6996, 0.4626, 0.168, 0.1559]),
    "metric": (
        {"optim": {"epochs": 4}, "early_stopping": {"patience": 1, "metric": "loss"}},
        [0.6996, 0.5341, 0.04359, 0.2848],
    ),
}


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cats for every dog."""
    folder = write_images(tmp_path_factory.mktemp("uneven"), train=24, test=4)
    for path in sorted((folder / "train" / "dog").iterdir())[8:]:
        path.unlink()
    return folder


@pytest.fixture(scope="session")
def normed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net with batch-norm and dropout in it: everything that draws or drifts."""
    return write_base(tmp_path_factory.mktemp("normed"), "mobilenet_v3_small", "torchvision")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_loss_sequence_at_a_fixed_seed(name: str, base: Path, uneven: Path, tmp_path: Path) -> None:
    sections, recorded = VARIANTS[name]
    listener = Listener()
    result = run(recipe(**sections), base, uneven, tmp_path, listener)
    losses = listener.with_means(result.history)
    assert losses[:2] + losses[-2:] == pytest.approx(recorded, rel=0.02)


@pytest.mark.parametrize("name", VARIANTS)
def test_an_interrupted_run_ends_as_the_whole_one(
    name: str, normed: Path, uneven: Path, tmp_path: Path
) -> None:
    given = recipe(**VARIANTS[name][0])
    whole = Listener()
    expected = run(given, normed, uneven, tmp_path / "whole", whole)
    for cut in (2, 5):
        first, second = Listener(cut, Interrupted()), Listener()
        with pytest.raises(Interrupted):
            run(given, normed, uneven, tmp_path / f"cut{cut}", first)
        torch.manual_seed(99)
        result = run(given, normed, uneven, tmp_path / f"cut{cut}", second)
        assert first.losses() + second.losses() == whole.losses()
        assert result.history == expected.history
        assert result.metrics == expected.metrics
        assert_same_weights(result, expected)
    assert weights(expected)


def test_averaged_weights_are_the_ones_measured_and_kept(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(optim={"ema": 0.9})
    plain = run(recipe(), base, uneven, tmp_path / "plain")
    averages: list[Average] = []
    made = loop.Average

    def remember(*args: Any) -> Average:
        averages.append(made(*args))
        return averages[-1]

    monkeypatch.setattr(loop, "Average", remember)
    result = run(given, base, uneven, tmp_path / "ema")
    kept = weights(result)
    for name, mean in averages[0].mean.items():
        assert torch.equal(kept[name], mean), name
    assert not torch.equal(kept["fc.weight"], weights(plain)["fc.weight"])
    # The steps themselves are the plain run's: averaging looks on.
    assert [row["train/loss"] for row in result.history] == [row["train/loss"] for row in plain.history]
    assert result.metrics["val/loss"] != plain.metrics["val/loss"]


def test_gradual_unfreezing_moves_a_stage_more_each_epoch(base: Path, uneven: Path, tmp_path: Path) -> None:
    before = load_weights(base / "model.safetensors")
    moved = []
    for epochs in (2, 3):
        # A schedule that does not depend on the length of the run, to look at it after each epoch.
        optim = {"epochs": epochs, "schedule": "constant", "warmup_fraction": 0.0}
        given = recipe(strategy={"kind": "gradual"}, optim=optim)
        listener = Listener()
        after = weights(run(given, base, uneven, tmp_path / str(epochs), listener))
        changed = {name for name in before if name in after and not torch.equal(before[name], after[name])}
        moved.append({name.split(".")[0] for name in changed})
        assert listener.logs[-1] == f"Epoch {epochs}: {epochs} of 6 stages learn."
    assert moved == [{"layer4", "fc"}, {"layer3", "layer4", "fc"}]


def test_lp_ft_fine_tunes_from_the_probed_head(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optim = {"epochs": 2, "name": "sgd", "lr": 1e-9}
    strategy = {"kind": "lp-ft", "probe_epochs": 3, "probe_lr": 0.02}
    listener = Listener()
    result = run(recipe(strategy=strategy, optim=optim), base, uneven, tmp_path / "lp-ft", listener)
    probe = {"epochs": 3, "name": "sgd", "lr": 0.02}
    probed = run(recipe(strategy={"kind": "head"}, optim=probe), base, uneven, tmp_path / "probe")
    # With almost no second learning rate the head is the probe's.
    torch.testing.assert_close(weights(result)["fc.weight"], weights(probed)["fc.weight"])
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4, 5]
    assert [row["train/loss"] for row in result.history[:3]] == [row["train/loss"] for row in probed.history]
    steps = [step for step, _, _ in listener.reports]
    assert steps == list(range(1, len(steps) + 1))
    assert {total for _, total, _ in listener.reports} == {len(steps)}
    assert listener.stages.count("train") == 2


def test_l2_sp_keeps_the_body_near_the_base(base: Path, uneven: Path, tmp_path: Path) -> None:
    before = load_weights(base / "model.safetensors")
    distances = []
    for alpha in (0.0, 10.0):
        given = recipe(strategy={"l2_sp": alpha})
        after = weights(run(given, base, uneven, tmp_path / str(alpha)))
        body = [name for name in before if name.endswith("weight") and not name.startswith("fc")]
        distances.append(sum(float((after[name] - before[name]).square().sum()) for name in body))
    assert distances[1] < 0.8 * distances[0]


def test_balanced_sampling_shows_rare_classes_as_often(base: Path, uneven: Path, tmp_path: Path) -> None:
    shown: list[torch.Tensor] = []
    real = Batches.take

    def count(self: Batches, rows: torch.Tensor, device: torch.device, seed: int | None = None) -> Any:
        if seed is not None:
            shown.append(self.targets[rows])
        return real(self, rows, device, seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "take", count)
        run(recipe(sampling="balanced"), base, uneven, tmp_path)
    cats, dogs = torch.bincount(torch.cat(shown)).tolist()
    assert abs(cats - dogs) <= 1


def test_early_stopping_watches_what_it_is_told(base: Path, uneven: Path, tmp_path: Path) -> None:
    stopping = {"patience": 2, "metric": "loss"}
    listener = Listener()
    result = run(
        recipe(optim={"epochs": 40, "lr": 0.03}, early_stopping=stopping), base, uneven, tmp_path, listener
    )
    found = [row["val/loss"] for row in result.history]
    best = found.index(min(found))
    assert len(found) == best + 3 < 40
    assert result.metrics["val/loss"] == min(found)
    assert f"Stopping: no better val/loss since epoch {best + 1}." in listener.logs


def test_a_metric_that_is_not_measured_is_told_before_the_first_step(
    base: Path, uneven: Path, tmp_path: Path
) -> None:
    listener = Listener()
    with pytest.raises(UserError, match="'macro_fl'; did you mean macro_f1"):
        run(recipe(early_stopping={"patience": 1, "metric": "macro_fl"}), base, uneven, tmp_path, listener)
    assert listener.reports == []


class ShortOfMemory:
    """Stands in for a task whose net fits `rows` rows at once and no more."""

    def __init__(self, rows: int) -> None:
        self.rows, self.sizes = rows, list[int]()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        real = SoftmaxTask.step

        def step(task: SoftmaxTask, learner: Any, inputs: Any, targets: Any) -> Any:
            self.sizes.append(len(targets))
            if len(targets) > self.rows:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return real(task, learner, inputs, targets)

        patch.setattr(SoftmaxTask, "step", step)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_failures(error: RuntimeError, short: bool) -> None:
    assert short_of_memory(error) == short


def test_the_cpus_own_words_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert short_of_memory(caught.value)


PLAIN = {"strategy": {"kind": "head"}, "dataset": {"augment": "none"}}


def test_out_of_memory_is_answered_by_smaller_pieces(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On features, so that no batch statistics tell small pieces from large ones.
    given = recipe(loss={"kind": "cross-entropy"}, optim={"name": "sgd"}, **PLAIN)
    monkeypatch.setattr("training.loop.Run._head_step", lambda self: None)
    roomy, tight = Listener(), Listener()
    expected = run(given, base, uneven, tmp_path / "roomy", roomy)
    short = ShortOfMemory(3)
    short.install(monkeypatch)
    result = run(given, base, uneven, tmp_path / "tight", tight)
    assert [line for line in tight.logs if line.startswith("Out of memory")] == [
        "Out of memory with 8 rows at once: going on with 4, and 2 accumulation steps for the same update.",
        "Out of memory with 4 rows at once: going on with 2, and 4 accumulation steps for the same update.",
    ]
    # Tried once each, and not again at the next step.
    assert short.sizes[:3] == [8, 4, 2]
    assert set(short.sizes[2:]) <= {1, 2}
    assert [step for step, _ in tight.losses()] == [step for step, _ in roomy.losses()]
    assert [loss for _, loss in tight.losses()] == pytest.approx(
        [loss for _, loss in roomy.losses()], rel=1e-4
    )
    torch.testing.assert_close(weights(result)["fc.weight"], weights(expected)["fc.weight"])


def test_an_interrupted_run_remembers_how_much_fitted(
    normed: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(dataset={"augment": "light"})
    short = ShortOfMemory(4)
    short.install(monkeypatch)
    whole = Listener()
    expected = run(given, normed, uneven, tmp_path / "whole", whole)
    first, second = Listener(3, Interrupted()), Listener()
    with pytest.raises(Interrupted):
        run(given, normed, uneven, tmp_path / "cut", first)
    result = run(given, normed, uneven, tmp_path / "cut", second)
    assert not any(line.startswith("Out of memory") for line in second.logs)
    assert first.losses() + second.losses() == whole.losses()
    assert_same_weights(result, expected)


def test_where_nothing_fits_the_user_is_told(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ShortOfMemory(0).install(monkeypatch)
    listener = Listener()
    with pytest.raises(UserError, match="even with 2 rows at once; choose a smaller") as caught:
        run(recipe(), base, uneven, tmp_path, listener)
    assert caught.value.message_id == "train:out-of-memory"
    assert sum(line.startswith("Out of memory") for line in listener.logs) == 2


def test_validation_takes_smaller_pieces_too(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(dataset={"validation_split": "test"})
    expected = run(given, base, uneven, tmp_path / "roomy")
    real = Batches.take

    def take(self: Batches, rows: torch.Tensor, device: torch.device, seed: int | None = None) -> Any:
        if seed is None and len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, rows, device, seed)

    monkeypatch.setattr(Batches, "take", take)
    monkeypatch.setattr("training.batches.EVAL_BATCH", 8)
    listener = Listener()
    result = run(given, base, uneven, tmp_path / "tight", listener)
    assert "Out of memory while validating: going on with 2 rows at once." in listener.logs
    assert result.metrics == pytest.approx(expected.metrics, rel=1e-4)


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.loop.CHECKPOINT_SHARE", 0)
    real, count = SoftmaxTask.step, 0

    def step(task: SoftmaxTask, learner: Any, inputs: Any, targets: Any) -> Any:
        nonlocal count
        count += 1
        result = real(task, learner, inputs, targets)
        return replace(result, loss=result.loss * math.nan) if count > 3 else result

    monkeypatch.setattr(SoftmaxTask, "step", step)
    pace = {"report_seconds": 1e9, "checkpoint_seconds": 0.0}
    with pytest.raises(
        UserError, match=r"choose a smaller optim\.lr, or set optim\.grad_clip to 1"
    ) as caught:
        run(recipe(), base, uneven, tmp_path, **pace)
    assert caught.value.message_id == "train:diverged"
    kept = load_checkpoint(tmp_path / finetune.CHECKPOINT)
    assert kept is not None
    assert kept[1]["progress"]["step"] == 3
    assert all(torch.isfinite(item).all() for item in kept[0].values())
