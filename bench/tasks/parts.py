"""A benchmark in parts that are measured on their own, kept after every seed, and shown on one page."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import report

# After every seed what was found so far.
Part = Callable[[argparse.Namespace, Path], Iterator[dict[str, Any]]]
Runs = list[dict[str, float]]


def kept(page: str) -> dict[str, Any]:
    """What was measured before, by part."""
    path = report.RESULTS / f"{page}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def measure(
    parts: Mapping[str, Part],
    page: str,
    markdown: Callable[[dict[str, Any]], str],
    args: argparse.Namespace,
) -> None:
    """The parts asked for, each with when and where it was measured; the others stay as they were.

    The page is written after every seed: whoever stops it keeps what was measured.
    """
    for name in args.only:
        began, busy = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            for found in parts[name](args, Path(folder)):
                cost = {
                    "minutes": round((time.perf_counter() - began) / 60, 1),
                    "cpu_minutes": round((time.process_time() - busy) / 60, 1),
                }
                whole = {**kept(page), name: {**found, "machine": report.machine(), **cost}}
                report.write(page, whole, markdown(whole))


def run(doc: str, parts: Mapping[str, Part], page: str, markdown: Callable[[dict[str, Any]], str]) -> int:
    """The command line of a benchmark: its parts, its seeds, a quick look, or only the page."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, 24 rows of each split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=list(parts), nargs="+", default=list(parts))
    parser.add_argument("--page", action="store_true", help="write the page anew from the numbers kept")
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(1)
    args.limit = args.epochs = None
    if args.quick:
        args.seeds, args.limit, args.epochs = args.seeds[:1], 24, 1
        page = f"{page}_quick"
    if args.page:
        report.write(page, kept(page), markdown(kept(page)))
    else:
        measure(parts, page, markdown, args)
    return 0


def made_by(command: str, item: Mapping[str, Any]) -> str:
    where = item["machine"]
    return (
        f"Made by `{command}` on {where['when']}:\n"
        f"{where['processor']}, one thread of {where['cores']} cores shared with other work, torch "
        f"{where['torch']};\n{item['cpu_minutes']} minutes of processor time, {item['minutes']} on "
        "the clock."
    )


def mean(runs: Runs, number: str) -> float:
    return statistics.mean(run[number] for run in runs)


def cell(runs: Runs, number: str) -> str:
    """Mean ± standard deviation over the seeds; chrF and BLEU go to 100 as they are."""
    scale, unit = (1.0, "") if number in ("chrf", "bleu") else (100.0, " %")
    values = [scale * run[number] for run in runs]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}{unit}"


def seeds(runs: Runs) -> str:
    found = [run for run in runs if "seed" in run]
    return str(len(found)) if found else "–"


def cost(runs: Runs) -> str:
    seconds = [run["cpu_seconds"] for run in runs if "cpu_seconds" in run]
    return f"{statistics.mean(seconds):.0f} s" if seconds else "–"
