"""What this machine has, as the hub is told: GPU, memory, cores, within the limits of its container."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
# Device nodes of NVIDIA's and AMD's drivers, and of Windows' GPUs under Linux.
GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_ASK_SECONDS = 120
# Asked in a process of its own: here, CUDA's context would keep some hundred megabytes of the GPU for itself.
_ASK = (
    "import json, torch; gpu = torch.cuda.is_available() and torch.cuda.get_device_properties(0); "
    "print(json.dumps([gpu.name, gpu.total_memory] if gpu else None))"
)


@lru_cache(maxsize=1)
def hardware() -> dict[str, Any]:
    """`{"gpu", "gpu_memory_bytes", "memory_bytes", "cores", "platform"}`; looked at once, which takes seconds
    where there is a GPU. No host name, no user, no path."""
    gpu, gpu_memory = find_gpu()
    return {
        "gpu": gpu,
        "gpu_memory_bytes": gpu_memory,
        "memory_bytes": memory_bytes(),
        "cores": cores(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def find_gpu() -> tuple[str | None, int | None]:
    """Name and memory of the GPU that PyTorch will compute on, or None twice: also where there is one that
    this PyTorch cannot use."""
    if not any(os.path.exists(node) for node in GPU_NODES):
        return None, None
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
        found = json.loads(asked.stdout.strip().splitlines()[-1])
        return (str(found[0])[:120], int(found[1])) if found else (None, None)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None, None


def memory_bytes() -> int:
    """What processes here may use in all: the machine's memory, or its container's where that is less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([whole, *_limits("memory.max"), *_limits("memory/memory.limit_in_bytes")])


def cores() -> int:
    """Processors this process may use, by affinity and by its container's share of time."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [math.ceil(share) for share in _cpu_shares()]
    return max(1, min([given, *shares]))


def _limits(name: str) -> list[int]:
    """Every limit of this name from our control group up to the root; `max` is none."""
    texts = [_read(folder / name) for folder in _groups()]
    return [int(text) for text in texts if text.isdigit()]


def _cpu_shares() -> list[float]:
    shares = []
    for folder in _groups():
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            shares.append(int(words[0]) / int(words[1]))
    return shares


def _groups() -> list[Path]:
    """Our control group and those above it; inside a container usually the root alone is seen."""
    lines = _read(Path("/proc/self/cgroup")).splitlines()
    own = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    folder = CGROUPS / own
    return [folder, *[above for above in folder.parents if above.is_relative_to(CGROUPS)]]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
