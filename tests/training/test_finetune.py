from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.world import Listener, recipe, write_base, write_images
from training.errors import Canceled, Interrupted, UserError
from training.finetune import CHECKPOINT, FinetuneResult, finetune
from training.recipe import Recipe
from training.weights import load_weights, read_header


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None, **pace: float
) -> FinetuneResult:
    """Reports every step unless told otherwise, so that a curve is a loss sequence."""
    return finetune(
        given,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=listener or Listener(),
        report_seconds=pace.get("report_seconds", 0.0),
        checkpoint_seconds=pace.get("checkpoint_seconds", 1e9),
    )


def weights(result: FinetuneResult) -> dict[str, torch.Tensor]:
    return load_weights(result.model_dir / "model.safetensors")


def assert_same_weights(one: FinetuneResult, other: FinetuneResult) -> None:
    left, right = weights(one), weights(other)
    assert list(left) == list(right)
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def test_the_loss_sequence_at_a_fixed_seed(base: Path, images: Path, tmp_path: Path) -> None:
    listener = Listener()
    result = run(recipe(), base, images, tmp_path, listener)
    losses = [loss for _, loss in listener.losses()]
    # Recorded when the loop was written (torch 2.14, CPU); other builds round a little differently.
    assert losses[:4] == pytest.approx(RECORDED, rel=0.02)
    assert result.history[-1]["train/loss"] < 0.1
    assert result.metrics["val/accuracy"] == 1.0
    assert result.labels == ["cat", "dog"]
    assert [row["epoch"] for row in result.history] == [1, 2]


RECORDED = [0.6716, 0.5156, 0.2954, 0.2318]


def test_two_runs_of_one_recipe_are_the_same(base: Path, images: Path, tmp_path: Path) -> None:
    given = recipe(dataset={"augment": "strong"})
    first, second = Listener(), Listener()
    one = run(given, base, images, tmp_path / "1", first)
    torch.manual_seed(999)
    other = run(given, base, images, tmp_path / "2", second)
    assert first.losses() == second.losses()
    assert_same_weights(one, other)
    third = Listener()
    run(recipe(dataset={"augment": "strong"}, seed=1), base, images, tmp_path / "3", third)
    assert third.losses() != first.losses()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("cut", [3, 8, 12])
def test_an_interrupted_run_ends_as_the_whole_one(
    images: Path, tmp_path: Path, optimizer: str, cut: int
) -> None:
    # A net with batch-norm and dropout in it, and augmentation: everything that draws or drifts.
    base = write_base(tmp_path / "base", "mobilenet_v3_small", "torchvision")
    given = recipe(dataset={"augment": "light"}, optim={"name": optimizer, "grad_accum_steps": 1})
    whole = Listener()
    expected = run(given, base, images, tmp_path / "whole", whole)
    first, second = Listener(cut, Interrupted()), Listener()
    with pytest.raises(Interrupted):
        run(given, base, images, tmp_path / "cut", first)
    result = run(given, base, images, tmp_path / "cut", second)
    assert second.logs[-1] == f"Resuming after step {cut} of 16."
    assert first.losses() + second.losses() == whole.losses()
    assert result.history == expected.history
    assert result.metrics == expected.metrics
    assert_same_weights(result, expected)


def test_a_killed_run_resumes_from_its_last_checkpoint(
    base: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Listener()
    expected = run(recipe(), base, images, tmp_path / "whole", whole)
    monkeypatch.setattr("training.loop.CHECKPOINT_SHARE", 0)
    with pytest.raises(MemoryError):
        run(recipe(), base, images, tmp_path / "cut", Listener(10, MemoryError()), checkpoint_seconds=0)
    second = Listener()
    result = run(recipe(), base, images, tmp_path / "cut", second)
    assert second.losses() == whole.losses()[10:]
    assert_same_weights(result, expected)


def test_cached_features_resume_too(base: Path, images: Path, tmp_path: Path) -> None:
    given = recipe(strategy={"kind": "head"})
    expected = run(given, base, images, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(given, base, images, tmp_path / "cut", Listener(11, Interrupted()))
    assert_same_weights(run(given, base, images, tmp_path / "cut"), expected)


def test_steps_taken_many_at_once_are_the_same_steps(
    base: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(strategy={"kind": "head"})
    expected = run(given, base, images, tmp_path / "single")
    monkeypatch.setattr("training.loop.STRETCH_IMAGES", 3 * given.optim.batch_size)
    listener = Listener()
    many = run(given, base, images, tmp_path / "many", listener, report_seconds=1e-9)
    assert [step for step, _ in listener.losses()][:2] == [3, 6]
    assert_same_weights(many, expected)
    assert [row["val/accuracy"] for row in many.history] == [row["val/accuracy"] for row in expected.history]
    with pytest.raises(Interrupted):
        run(given, base, images, tmp_path / "cut", Listener(2, Interrupted()), report_seconds=1e-9)
    assert (tmp_path / "cut" / CHECKPOINT).exists()
    assert_same_weights(run(given, base, images, tmp_path / "cut", report_seconds=1e-9), expected)


def test_a_checkpoint_of_another_recipe_is_left_alone(base: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(recipe(), base, images, tmp_path, Listener(3, Interrupted()))
    listener = Listener()
    run(recipe(seed=5), base, images, tmp_path, listener)
    assert any("another recipe" in line for line in listener.logs)
    assert listener.reports[0][0] == 1


def test_a_broken_checkpoint_means_starting_anew(base: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"half a checkpoint")
    listener = Listener()
    run(recipe(), base, images, tmp_path, listener)
    assert listener.reports[0][0] == 1


def test_canceling_stops_at_the_next_step(base: Path, images: Path, tmp_path: Path) -> None:
    listener = Listener(2, Canceled())
    with pytest.raises(Canceled):
        run(recipe(), base, images, tmp_path, listener)
    assert [step for step, _ in listener.losses()] == [1, 2]
    assert not (tmp_path / "model").exists()


def test_accumulated_micro_batches_are_one_large_batch(base: Path, images: Path, tmp_path: Path) -> None:
    # Frozen statistics: with batch-norm learning, smaller batches see other statistics by nature.
    small = {"batch_size": 4, "grad_accum_steps": 3, "name": "sgd", "warmup_fraction": 0.0}
    large = {**small, "batch_size": 12, "grad_accum_steps": 1}
    kind = {"strategy": {"kind": "head"}, "dataset": {"augment": "none"}}
    one, other = Listener(), Listener()
    run(recipe(optim=small, **kind), base, images, tmp_path / "1", one)
    run(recipe(optim=large, **kind), base, images, tmp_path / "2", other)
    assert [loss for _, loss in one.losses()] == pytest.approx([loss for _, loss in other.losses()], rel=1e-4)


def test_cached_features_learn_what_the_plain_loop_learns(
    base: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(strategy={"kind": "head"}, optim={"label_smoothing": 0.1, "weight_decay": 0.01})
    cached, plain = Listener(), Listener()
    one = run(given, base, images, tmp_path / "cached", cached)
    assert "features" in cached.stages
    monkeypatch.setattr("training.imageruns.caches_features", lambda recipe: False)
    other = run(given, base, images, tmp_path / "plain", plain)
    assert "features" not in plain.stages
    ours, theirs = ([loss for _, loss in heard.losses()] for heard in (cached, plain))
    assert ours == pytest.approx(theirs, rel=0.02)
    assert one.metrics["val/accuracy"] == other.metrics["val/accuracy"]


@pytest.mark.parametrize(
    ("kind", "augment"),
    [("head", "none"), ("head", "light"), ("last-stages", "none"), ("last-stages", "strong")],
)
def test_frozen_tensors_are_the_bases_own_bytes(
    base: Path, images: Path, tmp_path: Path, kind: str, augment: str
) -> None:
    given = recipe(strategy={"kind": kind}, dataset={"augment": augment})
    result = run(given, base, images, tmp_path)
    old, new = base / "model.safetensors", result.model_dir / "model.safetensors"
    before, after, olds, news = read_header(old), read_header(new), old.read_bytes(), new.read_bytes()
    assert list(before) == list(after)
    learnt = "fc." if kind == "head" else ("fc.", "layer4.")
    for name, entry in before.items():
        same = olds[entry.start : entry.stop] == news[after[name].start : after[name].stop]
        assert same == (not name.startswith(learnt)), name


def test_large_data_leaves_no_scratch_file(
    base: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(recipe(), base, images, tmp_path / "memory")
    monkeypatch.setattr("training.pixels.MEMORY_BYTES", 100)
    assert_same_weights(run(recipe(), base, images, tmp_path / "disk"), expected)
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {"model"}


def test_early_stopping_keeps_the_best_weights(base: Path, images: Path, tmp_path: Path) -> None:
    given = recipe(optim={"epochs": 50}, early_stopping={"patience": 2})
    listener = Listener()
    result = run(given, base, images, tmp_path, listener)
    accuracies = [row["val/accuracy"] for row in result.history]
    best = accuracies.index(max(accuracies))
    assert len(accuracies) == best + 3 < 50
    assert result.metrics["val/loss"] == result.history[best]["val/loss"]
    assert any(line.startswith("Stopping") for line in listener.logs)


def test_a_diverging_run_is_the_users_fault(base: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"choose a smaller optim\.lr") as caught:
        run(recipe(optim={"name": "sgd", "lr": 10.0, "epochs": 30}), base, images, tmp_path)
    assert caught.value.message_id == "train:diverged"


def test_one_class_is_refused(base: Path, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", train=4, kinds=("cat",))
    with pytest.raises(UserError, match="All training images are of one class, 'cat'"):
        run(recipe(), base, data, tmp_path / "work")


def test_batch_statistics_need_two_images(base: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"optim\.batch_size must be at least 2"):
        run(recipe(optim={"batch_size": 1}), base, images, tmp_path)


def test_a_lone_last_image_sits_an_epoch_out(base: Path, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", train=8)
    given = recipe(
        dataset={"validation_fraction": 0.0, "max_train_images": 13}, optim={"batch_size": 4, "epochs": 1}
    )
    listener = Listener()
    result = run(given, base, data, tmp_path / "work", listener)
    assert listener.reports[-1][:2] == (3, 3)
    assert result.metrics == {}


def test_a_validation_split_of_its_own(base: Path, images: Path, tmp_path: Path) -> None:
    listener = Listener()
    run(recipe(dataset={"validation_split": "test"}, optim={"epochs": 1}), base, images, tmp_path, listener)
    assert "64 images to learn from, 16 to validate, 2 classes" in listener.logs


def test_scratch_learns_from_the_architecture_alone(base: Path, images: Path, tmp_path: Path) -> None:
    result = run(recipe(init="scratch"), base, images, tmp_path)
    old, new = load_weights(base / "model.safetensors"), weights(result)
    assert list(read_header(base / "model.safetensors")) == list(
        read_header(result.model_dir / "model.safetensors")
    )
    assert not torch.allclose(old["layer1.0.conv1.weight"], new["layer1.0.conv1.weight"], atol=0.1)


def test_discriminative_rates_shrink_towards_the_input(base: Path, images: Path, tmp_path: Path) -> None:
    def first_move(decay: float) -> torch.Tensor:
        """How far the stem goes in one step over all images."""
        optim = {"name": "sgd", "epochs": 1, "batch_size": 64, "warmup_fraction": 0.0, "lr": 1.0}
        given = recipe(strategy={"lr_decay": decay}, optim=optim)
        result = run(given, base, images, tmp_path / str(decay))
        return weights(result)["conv1.0.weight"] - load_weights(base / "model.safetensors")["conv1.0.weight"]

    # Five stages lie between the stem and the head.
    torch.testing.assert_close(first_move(0.5), first_move(1.0) / 32, rtol=1e-2, atol=1e-7)
