"""Foretold and true: a preflight in a process of its own, then the run in another, for runs of every task.

    python -m bench.preflight                       all; bench/results/preflight.json and .md
    python -m bench.preflight --only "image head"   those with this in their names; others keep their rows
    python -m bench.preflight --list                names of the cases

The page is written anew after every case. Memory is the resident high-water mark of the whole process,
seconds are those from files to a finished model, and of measuring it where the recipe has a benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import report
from bench.preflight_cases import CASES, directory

NAME = "preflight"
MEMORY_BOUND, TIME_BOUND = 0.10, 0.25
# No case takes so long; one that hangs is told instead of waited for.
PATIENCE = 600
Row = dict[str, Any]


def foretold(plain: Row, made: Path) -> Row:
    """The preflight of a case, in this process."""
    from training.preflight import foretell
    from training.recipe import parse_recipe
    from training.reporting import SilentReporter

    recipe, places = parse_recipe(plain), _places(plain, made)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        forecast = foretell(recipe, work_dir=Path(work), reporter=SilentReporter(), **places)
        left = sorted(path.name for path in Path(work).iterdir())
    return {"took": time.monotonic() - began, "forecast": forecast.as_dict(), "left_behind": left}


def done(plain: Row, made: Path) -> Row:
    """The run of a case, in this process."""
    from training.finetune import finetune
    from training.preflight_memory import Memory, torch
    from training.recipe import parse_recipe
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    class Stages(SilentReporter):
        def __init__(self) -> None:
            self.began: list[tuple[str, float]] = []

        def stage(self, name: str) -> None:
            self.began.append((name, time.monotonic()))

    recipe, places, stages = parse_recipe(plain), _places(plain, made), Stages()
    memory, bench = Memory(torch.device("cuda" if torch.cuda.is_available() else "cpu")), places["data_dir"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        result = finetune(recipe, work_dir=Path(work), reporter=stages, **places)
        if recipe.benchmark is not None:
            stages.stage("evaluate")
            kind, silent = task_kind(recipe.task), SilentReporter()
            kind.evaluate(result.model_dir, bench, recipe.benchmark.split, recipe=recipe, reporter=silent)
        seconds = time.monotonic() - began
    ends = [moment for _, moment in stages.began[1:]] + [began + seconds]
    parts: dict[str, float] = {}
    for (name, moment), end in zip(stages.began, ends, strict=True):
        parts[name] = parts.get(name, 0.0) + end - moment
    return {"seconds": seconds, "parts": parts, "peak": memory.peak(), "finetune": result.seconds}


def _places(plain: Row, made: Path) -> dict[str, Path | None]:
    base = plain.get("base_model")
    return {
        "base_dir": directory(base["repo"], made) if base else None,
        "data_dir": directory(plain["dataset"]["repo"], made),
    }


PARTS = {"foretold": foretold, "done": done}


def in_own_process(part: str, name: str, made: Path) -> Row:
    """One part of a case in a fresh process. Raises RuntimeError with the end of what it said."""
    answer = made / "answer.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.preflight", "--part", part, name, str(made)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if told.returncode or not answer.is_file():
        raise RuntimeError(f"{part}: {told.stderr.strip()[-600:]}")
    found: Row = json.loads(answer.read_text(encoding="utf-8"))
    return found


def one_case(name: str, made: Path) -> Row:
    load = round(os.getloadavg()[0], 2)
    # Made here: neither part is to find libraries loaded that the other one has yet to load.
    _places(CASES[name], made)
    try:
        before = in_own_process("foretold", name, made)
        after = in_own_process("done", name, made)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"case": name, "failed": str(error)}
    forecast = before["forecast"]
    where = "process" if after["peak"]["gpu"] is None else "gpu"
    memory = forecast["peak_memory_bytes" if where == "process" else "gpu_peak_memory_bytes"]
    return {
        "case": name,
        "where": where,
        "memory": [memory, after["peak"][where]],
        "seconds": [forecast["seconds"], after["seconds"]],
        "took": before["took"],
        "left_behind": before["left_behind"],
        "load_before": load,
        "parts": {"foretold": forecast["parts"], "true": after["parts"]},
        "forecast": {key: item for key, item in forecast.items() if key != "parts"},
    }


def off(pair: list[float]) -> float:
    """How far the foretold number lies from the true one, as a share of the true one."""
    return pair[0] / pair[1] - 1


def markdown(found: dict[str, Any]) -> str:
    rows = [row for row in found["rows"] if "failed" not in row]
    memory, seconds = ([off(row[name]) for row in rows] for name in ("memory", "seconds"))
    where = found["machine"]
    lines = [
        [
            row["case"],
            *(f"{value / 2**20:,.0f}" for value in row["memory"]),
            f"{off(row['memory']):+.1%}",
            *(f"{value:.1f}" for value in row["seconds"]),
            f"{off(row['seconds']):+.0%}",
            f"{row['took']:.1f}",
        ]
        for row in rows
    ]
    head = ["case", "foretold MiB", "true MiB", "off", "foretold s", "true s", "off", "preflight s"]
    parts = [
        "A preflight in a fresh process, then the run in another, one after the other; nothing of the first\n"
        "is known to the second. Memory is the process's resident high-water mark, time goes from files to\n"
        "a finished model, and its measurement where the recipe has a benchmark.",
        f"Memory: **{_told(memory, MEMORY_BOUND)}**. Time: **{_told(seconds, TIME_BOUND)}**.\n"
        f"A preflight took {statistics.median([row['took'] for row in rows]):.1f} s in the median.",
        report.table(head, lines),
    ]
    failed = [row for row in found["rows"] if "failed" in row]
    parts += [f"Failed: {row['case']}: `{row['failed'][-200:]}`" for row in failed]
    gpu = where["gpu"] or "no GPU"
    parts.append(
        f"Made by `python -m bench.preflight` on {where['when']}: {where['processor']},\n"
        f"{where['cores']} cores, {gpu}, torch {where['torch']}; {found['minutes']:.0f} minutes."
    )
    return "\n\n".join(parts) + "\n"


def _told(values: list[float], bound: float) -> str:
    within = sum(abs(value) <= bound for value in values)
    median, worst = statistics.median([abs(value) for value in values]), max(values, key=abs)
    return f"{within} of {len(values)} within ±{bound:.0%} (median {median:.1%}, worst {worst:+.1%})"


def keep(row: Row, minutes: float, machine: dict[str, Any], name: str) -> None:
    """Put one row into the results, in the order of the cases, and write the page."""
    path = report.RESULTS / f"{name}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    rows = {item["case"]: item for item in before} | {row["case"]: row}
    found = {"machine": machine, "minutes": minutes, "rows": [rows[case] for case in CASES if case in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if any("failed" not in item for item in found["rows"]):
        path.with_suffix(".md").write_text(markdown(found), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[""], help="cases whose name has one of these in it")
    parser.add_argument("--list", action="store_true", help="names of the cases")
    parser.add_argument("--name", default=NAME, help="of the files in bench/results")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if options.part:
        part, name, made = options.part
        answer = PARTS[part](CASES[name], Path(made))
        (Path(made) / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
        return 0
    chosen = [case for case in CASES if any(word in case for word in options.only)]
    if options.list:
        print("\n".join(chosen))
        return 0
    began, machine = time.monotonic(), report.machine()
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            row = one_case(name, Path(folder))
            keep(row, (time.monotonic() - began) / 60, machine, options.name)
            if "failed" in row:
                print(f"{name}: FAILED {row['failed']}", flush=True)
            else:
                told = [f"{what} {row[what][0]:.4g} / {row[what][1]:.4g} ({off(row[what]):+.1%})"
                        for what in ("memory", "seconds")]  # fmt: skip
                print(f"{name}: {', '.join(told)}; preflight {row['took']:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
