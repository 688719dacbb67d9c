"""What every benchmark says about where and how it ran, and where its numbers go."""

from __future__ import annotations

import json
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, memory, versions: what a reader needs to judge the numbers."""
    import torch
    import torchvision

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    extras = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16", "bf16") if f" {flag} " in f"{flags} "]
    return f"{names[0] if names else 'unknown'} ({', '.join(extras) or 'no bf16'})"


@contextmanager
def clock(into: dict[str, Any]) -> Iterator[None]:
    """Wall and processor seconds of the block, page faults, and how busy the machine was before it."""
    into["load_before"] = round(os.getloadavg()[0], 2)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    yield
    after = resource.getrusage(resource.RUSAGE_SELF)
    into["seconds"] = time.perf_counter() - began
    into["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    into["page_faults"] = after.ru_minflt - before.ru_minflt


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; numbers in the way they were formatted by the caller."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(name: str, data: dict[str, Any], markdown: str) -> None:
    """`bench/results/<name>.json` and `.md`; the Markdown is printed too."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(markdown.rstrip() + "\n", encoding="utf-8")
    print(markdown)
    print(f"\nWritten: bench/results/{name}.json and .md")
