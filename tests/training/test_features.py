"""Frozen features: every image once, in order, the body untouched; tables on disk that are never half."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.errors import Canceled, EngineError, UserError
from training.features import FeatureKey, cached_features, frozen_features, micro_batch_size
from training.inference import disagreement

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def small_body() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 12, 3, stride=2)
    )


def compute(body: nn.Module, batches: Iterable[Tensor], n: int, **more: object) -> Tensor:
    quiet: dict[str, object] = {"progress": lambda done, total: None, "check": lambda: None, **more}
    return frozen_features(body, batches, n=n, device=CPU, **quiet)  # type: ignore[arg-type]


def plain_features(body: nn.Module, images: Tensor) -> Tensor:
    twin = copy.deepcopy(body).eval()
    with torch.no_grad():
        return twin(images).mean(dim=(2, 3))


@pytest.mark.parametrize("n", [1, 5, 47, 48, 131])
@pytest.mark.parametrize("batch", [1, 7, 64, 200])
def test_every_image_once_in_order_whatever_the_batches(n: int, batch: int) -> None:
    body = small_body()
    images = torch.rand(n, 3, 96, 96) * torch.rand(n, 1, 1, 1)
    table = compute(body, images.split(batch), n)
    assert table.shape == (n, 12)
    assert table.dtype == torch.float32
    expected = plain_features(body, images)
    assert disagreement(table, expected) < 0.1
    nearest = torch.cdist(table, expected).argmin(dim=1)
    assert float((nearest == torch.arange(n)).float().mean()) > 0.8


def test_batches_of_any_size_give_the_same_bits() -> None:
    body, images = small_body(), torch.rand(100, 3, 96, 96)
    one = compute(body, images.split(100), 100)
    assert torch.equal(one, compute(body, images.split(9), 100))


def test_the_callers_body_is_left_as_it_was() -> None:
    body = small_body().train()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    compute(body, torch.rand(64, 3, 64, 64).split(16), 64)
    assert all(module.training for module in body.modules())
    assert all(parameter.requires_grad for parameter in body.parameters())
    for name, tensor in body.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype
    body(torch.rand(2, 3, 64, 64)).sum().backward()


def test_flat_features_and_uint8_images_are_taken_too() -> None:
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))
    images = torch.randint(0, 255, (60, 3, 4, 4), dtype=torch.uint8)
    with torch.no_grad():
        expected = body(images.float())
    assert disagreement(compute(body, images.split(8), 60), expected) < 0.1


def test_progress_counts_images_and_check_can_stop() -> None:
    seen: list[tuple[int, int]] = []
    compute(small_body(), torch.rand(70, 3, 224, 224).split(32), 70, progress=lambda *at: seen.append(at))
    assert seen == [(16, 70), (32, 70), (48, 70), (64, 70), (70, 70)]

    calls = iter([None, Canceled()])

    def stop_at_second() -> None:
        error = next(calls)
        if error:
            raise error

    with pytest.raises(Canceled):
        compute(small_body(), torch.rand(70, 3, 224, 224).split(32), 70, check=stop_at_second)


@pytest.mark.parametrize("n", [9, 11])
def test_more_or_fewer_images_than_announced_is_refused(n: int) -> None:
    with pytest.raises(EngineError, match="images"):
        compute(small_body(), torch.rand(10, 3, 32, 32).split(4), n)


def test_no_images_mixed_sizes_and_odd_outputs_are_refused() -> None:
    with pytest.raises(EngineError, match="no images"):
        compute(small_body(), [], 0)
    with pytest.raises(EngineError, match="same size"):
        compute(small_body(), [torch.rand(2, 3, 32, 32), torch.rand(2, 3, 16, 32)], 4)
    with pytest.raises(EngineError, match="dimensions"):
        compute(nn.Flatten(2), [torch.rand(2, 3, 8, 8)], 2)


@pytest.mark.parametrize("n", [8, 64])
def test_a_broken_model_is_named_as_such(n: int) -> None:
    body = small_body()
    with torch.no_grad():
        next(body.parameters())[0] = float("nan")
    with pytest.raises(UserError, match="not finite") as refused:
        compute(body, torch.rand(n, 3, 32, 32).split(8), n)
    assert refused.value.message_id == "model:not-finite"


def test_micro_batches_hold_about_the_same_number_of_pixels() -> None:
    assert micro_batch_size(224, 224, 1000, CPU) == 16
    assert micro_batch_size(64, 64, 1000, CPU) == 128
    assert micro_batch_size(2048, 2048, 1000, CPU) == 4
    assert micro_batch_size(8, 8, 100, CPU) == 100


def key(**changes: object) -> FeatureKey:
    what: dict[str, object] = {"preprocessing": {"size": 64}, "images": "demo/mnist@abc/train", "device": CPU}
    body = changes.pop("body", None) or small_body()
    return FeatureKey.of(body, **{**what, **changes})  # type: ignore[arg-type]


def test_the_key_changes_with_everything_the_table_depends_on() -> None:
    body = small_body()
    same = key(body=body)
    assert key(body=copy.deepcopy(body)).digest() == same.digest()
    nudged = copy.deepcopy(body)
    with torch.no_grad():
        next(nudged.parameters()).view(-1)[0] += 1e-7
    reshaped = nn.Sequential(*copy.deepcopy(body), nn.Tanh())
    others = [
        key(body=nudged),
        key(body=reshaped),
        key(body=body, preprocessing={"size": 96}),
        key(body=body, images="demo/mnist@def/train"),
        key(body=body, layer="stage3"),
    ]
    assert len({same.digest(), *(other.digest() for other in others)}) == 6


class Counted:
    """A computation that counts how often it is asked."""

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.calls = 0

    def __call__(self) -> Tensor:
        self.calls += 1
        return self.table


def test_a_table_is_computed_once_and_read_bit_for_bit(tmp_path: Path) -> None:
    work, name = Counted(torch.randn(20, 7)), key()
    first = cached_features(name, tmp_path / "new" / "cache", work)
    again = cached_features(name, tmp_path / "new" / "cache", work)
    assert work.calls == 1
    assert torch.equal(first, work.table)
    assert torch.equal(again, work.table)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def absurd_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 64)


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_bit, absurd_header])
def test_a_damaged_file_is_computed_again_and_healed(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    work, name = Counted(torch.randn(20, 7)), key()
    cached_features(name, tmp_path, work)
    damage(next(tmp_path.glob("*.safetensors")))
    assert torch.equal(cached_features(name, tmp_path, work), work.table)
    assert work.calls == 2
    cached_features(name, tmp_path, work)
    assert work.calls == 2


def test_a_table_under_another_keys_name_is_not_believed(tmp_path: Path) -> None:
    mine, other = key(), key(layer="stage3")
    cached_features(other, tmp_path, Counted(torch.zeros(3, 2)))
    os.rename(tmp_path / f"{other.digest()}.safetensors", tmp_path / f"{mine.digest()}.safetensors")
    work = Counted(torch.ones(3, 2))
    assert torch.equal(cached_features(mine, tmp_path, work), work.table)


def test_the_least_recently_used_tables_make_room(tmp_path: Path) -> None:
    body = small_body()
    keys = [key(body=body, images=f"set {number}") for number in range(3)]
    table = torch.zeros(64, 64)
    bound = int(2.5 * table.nbytes)
    for age, name in zip((300, 200), keys[:2], strict=True):
        cached_features(name, tmp_path, Counted(table), max_bytes=bound)
        stamp = time.time() - age
        os.utime(tmp_path / f"{name.digest()}.safetensors", (stamp, stamp))
    cached_features(keys[0], tmp_path, Counted(table), max_bytes=bound)
    cached_features(keys[2], tmp_path, Counted(table), max_bytes=bound)
    kept = {path.stem for path in tmp_path.iterdir()}
    assert kept == {keys[0].digest(), keys[2].digest()}


def test_a_table_larger_than_the_bound_is_returned_but_not_kept(tmp_path: Path) -> None:
    work = Counted(torch.zeros(64, 64))
    assert cached_features(key(), tmp_path, work, max_bytes=100).shape == (64, 64)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_dies_leaves_nothing_to_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object, **how: object) -> None:
        raise OSError(28, "No space left on device")

    work, name = Counted(torch.randn(5, 3)), key()
    with monkeypatch.context() as patched:
        patched.setattr("training.featurecache.os.replace", die)
        assert torch.equal(cached_features(name, tmp_path, work), work.table)
    assert list(tmp_path.iterdir()) == []
    old = tmp_path / ".part-dead"
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    cached_features(name, tmp_path, work)
    assert not old.exists()
    assert work.calls == 2
