"""What a machine tells of itself: within its container's limits, and of no GPU that PyTorch cannot use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training import machine


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups, with us in /a/b."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "cgroup" / "a" / "b").mkdir(parents=True)
    real = machine._read
    monkeypatch.setattr(
        machine, "_read", lambda path: "0::/a/b" if str(path) == "/proc/self/cgroup" else real(path)
    )
    return tmp_path / "cgroup"


def test_this_machine_is_told_of() -> None:
    told = machine.hardware()
    assert set(told) == {"gpu", "gpu_memory_bytes", "memory_bytes", "cores", "platform"}
    assert 2**26 < told["memory_bytes"] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 <= told["cores"] <= (os.cpu_count() or 1)
    assert os.uname().nodename not in str(told).split()
    assert machine.hardware() is told  # looked at once


def test_the_tightest_limit_above_us_counts(groups: Path) -> None:
    whole = machine.memory_bytes()
    (groups / "a" / "b" / "memory.max").write_text("max\n")
    assert machine.memory_bytes() == whole
    (groups / "a" / "memory.max").write_text("1073741824\n")
    assert machine.memory_bytes() == 2**30
    (groups / "a" / "b" / "memory.max").write_text("2147483648\n")
    assert machine.memory_bytes() == 2**30
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.limit_in_bytes").write_text("536870912\n")  # the older layout
    assert machine.memory_bytes() == 2**29


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", 64), ("150000 100000", 2), ("5000 100000", 1), ("junk", 64), ("1 0", 64)],
)
def test_a_share_of_time_is_as_many_cores(
    groups: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (groups / "a" / "cpu.max").write_text(text)
    assert machine.cores() == cores


def test_without_a_device_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "GPU_NODES", ("/nowhere",))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked"))
    assert machine.find_gpu() == (None, None)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('["NVIDIA H100 80GB HBM3", 85045542912]', ("NVIDIA H100 80GB HBM3", 85045542912)),
        ("a warning\nnull", (None, None)),  # a driver, and a PyTorch that was built without it
        ("", (None, None)),
        ("[1", (None, None)),
        (subprocess.TimeoutExpired("python", 1), (None, None)),
        (subprocess.CalledProcessError(1, "python"), (None, None)),
        (OSError("no memory"), (None, None)),
    ],
)
def test_pytorch_says_what_it_computes_on(
    monkeypatch: pytest.MonkeyPatch, answer: Any, found: tuple[str | None, int | None]
) -> None:
    def ask(command: list[str], **_: Any) -> SimpleNamespace:
        assert command[0] == sys.executable
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(machine, "GPU_NODES", ("/",))
    monkeypatch.setattr(subprocess, "run", ask)
    assert machine.find_gpu() == found


@pytest.mark.gpu
def test_a_real_gpu_is_found() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    gpu, memory = machine.find_gpu()
    assert gpu == torch.cuda.get_device_name(0)
    assert memory == torch.cuda.get_device_properties(0).total_memory
