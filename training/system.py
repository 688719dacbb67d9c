"""How fast a run learns and what it holds in memory, told beside its losses."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import torch

# Names that begin so are of the machine, not of the model.
SYSTEM = "system/"
_STATM = Path("/proc/self/statm")


class Pace:
    """Rows learned from since the last report; validation and rests do not count."""

    def __init__(self) -> None:
        self.rows, self.began = 0, time.monotonic()

    def add(self, rows: int) -> None:
        self.rows += rows

    def rest(self) -> None:
        """The clock starts anew: what passed was not learning."""
        self.rows, self.began = 0, time.monotonic()

    def told(self) -> dict[str, float]:
        """`system/rows_per_second` since the last call, `system/memory_bytes` of this process now and, with
        a GPU, `system/gpu_memory_bytes` that torch holds there; then the clock starts anew."""
        found = {f"{SYSTEM}memory_bytes": float(memory_bytes())}
        seconds = time.monotonic() - self.began
        if self.rows and seconds > 0:
            found[f"{SYSTEM}rows_per_second"] = self.rows / seconds
        if torch.cuda.is_available():
            found[f"{SYSTEM}gpu_memory_bytes"] = float(torch.cuda.memory_reserved())
        self.rest()
        return found


def memory_bytes() -> int:
    """What this process holds in memory now; where the platform does not tell, the most it ever held."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
