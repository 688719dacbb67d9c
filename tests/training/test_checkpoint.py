from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from training.checkpoint import load_checkpoint, pack_optimizer, save_checkpoint, unpack_optimizer
from training.preflight_memory import Memory

WRITER = """
import sys
from pathlib import Path
import torch
from training.checkpoint import save_checkpoint
step = 0
while True:
    step += 1
    save_checkpoint(Path(sys.argv[1]), {"w": torch.full((400_000,), float(step))}, {"step": step})
    print(step, flush=True)
"""


def test_tensors_and_state_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.safetensors"
    shared = torch.randn(4, 4)
    tensors = {"a": shared.t(), "b": shared, "n": torch.tensor(3)}
    save_checkpoint(path, tensors, {"step": 3, "history": [{"val/loss": 0.1}]})
    loaded = load_checkpoint(path)
    assert loaded is not None
    assert loaded[1] == {"step": 3, "history": [{"val/loss": 0.1}]}
    assert all(torch.equal(loaded[0][name], tensor) for name, tensor in tensors.items())


def test_no_second_copy_of_everything_is_made(tmp_path: Path) -> None:
    """A run that fits must not die of writing down where it stands."""
    memory = Memory(torch.device("cpu"))
    if not memory.resettable:
        pytest.skip("the system does not reset a process's peak")
    tensors = {f"w{index}": torch.ones(4 * 2**20) for index in range(8)}
    memory.during(lambda: None)
    before = memory.now()["process"] or 0
    peak = memory.during(lambda: save_checkpoint(tmp_path / "checkpoint.safetensors", tensors, {}))
    assert (peak["process"] or 0) - before < 48 * 2**20  # of 128 MiB


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"x" * 500])
def test_what_is_not_a_checkpoint_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.safetensors"
    assert load_checkpoint(path) is None
    path.write_bytes(content)
    assert load_checkpoint(path) is None


def test_a_truncated_checkpoint_is_none(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:-1])
    assert load_checkpoint(path) is None


def test_a_full_disk_leaves_the_last_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(100)}, {"step": 1})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"a": torch.zeros(100)}, {"step": 2})
    loaded = load_checkpoint(path)
    assert loaded is not None
    assert loaded[1] == {"step": 1}
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_kill_in_the_middle_of_writing_leaves_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=env
    ) as child:
        assert child.stdout is not None
        written = [int(child.stdout.readline()) for _ in range(5)][-1]
        time.sleep(0.003)
        child.send_signal(signal.SIGKILL)
        written = max([written, *(int(line) for line in child.stdout.read().split())])
    loaded = load_checkpoint(path)
    assert loaded is not None
    tensors, state = loaded
    assert state["step"] >= written
    assert (tensors["w"] == state["step"]).all()


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_moments_come_back_in_their_parameters_memory_format(kind: type[torch.optim.Optimizer]) -> None:
    def build() -> tuple[torch.nn.Conv2d, torch.optim.Optimizer]:
        torch.manual_seed(0)
        conv = torch.nn.Conv2d(5, 7, 3).to(memory_format=torch.channels_last)
        extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        return conv, kind(conv.parameters(), lr=0.1, fused=True, **extra)

    def step(conv: torch.nn.Conv2d, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        conv(torch.ones(1, 5, 4, 4)).square().sum().backward()
        optimizer.step()

    conv, optimizer = build()
    step(conv, optimizer)
    other, fresh = build()
    other.load_state_dict(conv.state_dict())
    # A file holds plain copies.
    packed = {name: item.contiguous().clone() for name, item in pack_optimizer(optimizer).items()}
    unpack_optimizer(fresh, packed)
    moment = next(value for value in fresh.state[other.weight].values() if value.shape == other.weight.shape)
    assert moment.stride() == other.weight.stride()
    step(conv, optimizer)
    step(other, fresh)
    assert torch.equal(conv.weight, other.weight)
