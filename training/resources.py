"""What a run has cost the machine: peak memory, and an estimate of its energy that says how it was made."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

# RAPL's counters for whole processor packages (Linux; often readable by root only).
RAPL = Path("/sys/class/powercap")
# Where nothing measures: a server's core under full load, with its share of memory and board.
ASSUMED_CORE_WATTS = 10.0
SAMPLE_SECONDS = 1.0


class Resources:
    """Measures from its making until `told`."""

    def __init__(self) -> None:
        self.began, self.cpu_began = time.monotonic(), _cpu_seconds()
        self.rapl_began = _rapl_joules()
        self.gpu = _GpuPower() if torch.cuda.is_available() else None
        if self.gpu is not None:
            torch.cuda.reset_peak_memory_stats()

    def told(self) -> dict[str, Any]:
        """`peak_memory_bytes` (of the process), `gpu_peak_memory_bytes`, `cpu_seconds`, `energy`."""
        cpu = _cpu_seconds() - self.cpu_began
        found: dict[str, Any] = {"peak_memory_bytes": peak_bytes(), "cpu_seconds": round(cpu, 2)}
        if self.gpu is not None:
            found["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated()
        found["energy"] = self._energy(cpu)
        return found

    def _energy(self, cpu: float) -> dict[str, Any]:
        rapl = _rapl_joules()
        if rapl is not None and self.rapl_began is not None and rapl >= self.rapl_began:
            joules, method = rapl - self.rapl_began, "processor: RAPL counters of the whole machine"
        else:
            joules = cpu * ASSUMED_CORE_WATTS
            method = f"processor: assumed {ASSUMED_CORE_WATTS:g} W for each busy core"
        if self.gpu is not None:
            watts = self.gpu.stop()
            if watts is None:
                method += "; GPU: not measured"
            else:
                joules += watts * (time.monotonic() - self.began)
                method += "; GPU: sampled by its driver"
        return {"watt_hours": round(joules / 3600, 4), "method": method}


class _GpuPower:
    """Mean power of the first GPU, sampled in the background; None where its driver does not tell."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._sample, name="gpu-power", daemon=True)
        self.thread.start()

    def _sample(self) -> None:
        while not self.done.wait(SAMPLE_SECONDS):
            try:
                self.samples.append(torch.cuda.power_draw() / 1000)
            except Exception:  # no NVML here: the report says that nothing was measured
                return

    def stop(self) -> float | None:
        self.done.set()
        self.thread.join(timeout=5)
        return sum(self.samples) / len(self.samples) if self.samples else None


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _rapl_joules() -> float | None:
    """Energy of all packages so far; None where the counters are missing or not for us."""
    try:
        packages = [path for path in RAPL.glob("intel-rapl:*") if path.name.count(":") == 1]
        readings = [int((path / "energy_uj").read_text()) / 1e6 for path in packages]
    except (OSError, ValueError):
        return None
    return sum(readings) if readings else None
