"""How much memory this process held at most, and since when: read where the system tells it, and reset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from training.allocator import give_back_memory
from training.resources import peak_bytes

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# proc(5): writing 5 sets the peak resident set size ("high water mark") to the size as it is now.
RESET_PEAK = "5"
Reading = dict[str, int | None]


class Memory:
    """`process`: resident bytes; `gpu`: bytes in tensors on the device, None without one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.resettable = self.reset()

    def reset(self) -> bool:
        """Count the peak from now on; False where the system cannot, so that it counts from the start."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            return False
        return True

    def peak(self) -> Reading:
        """The most since the last reset."""
        return {
            "process": _status("VmHWM") or peak_bytes(),
            "gpu": self._gpu(torch.cuda.max_memory_allocated),
        }

    def now(self) -> Reading:
        """What is held at this moment."""
        return {"process": _status("VmRSS") or peak_bytes(), "gpu": self._gpu(torch.cuda.memory_allocated)}

    def during(self, action: Callable[[], object]) -> Reading:
        """The peak of `action` alone, on memory that was given back before."""
        give_back_memory()
        self.reset()
        action()
        return self.peak()

    def _gpu(self, ask: Callable[[torch.device], int]) -> int | None:
        return ask(self.device) if self.device.type == "cuda" else None


def _status(name: str) -> int | None:
    """A line of proc(5)'s status in bytes; None where there is no such file."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return int(found.split()[1]) * 1024 if found else None
