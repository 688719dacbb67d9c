"""Traffic, air and energy two days ahead: nets, Fracast as it comes, fine-tuned and from scratch, baselines.

    python -m bench.tasks.forecasting            three seeds; writes bench/results/forecasting.json and .md
    python -m bench.tasks.forecasting --series electricity        that part of the page alone
    python -m bench.tasks.forecasting --quick    one seed on few windows, to see that it runs

Every method forecasts from the same origins, which go through the last fifth of each series. Nets are the
committed recipes in recipes/forecasting with the series exchanged; all that learns, learns from the first
70 % of the hours. Packages and data come from bench.assets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import report
from bench.tasks.forecasting_page import markdown

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "forecasting"
CONTEXT, HORIZON, DAY, WEEK = 336, 48, 24, 168
SERIES = {
    "sf-traffic": "occupancy",
    "i94-traffic": "traffic_volume",
    "beijing-pm25": "pm25",
    "electricity": "kilowatts",
}
# What is trained, by the recipe that says how; `only`: the series it is run on (the slow ones: one).
TRAINED: dict[str, dict[str, Any]] = {
    "DLinear from scratch": {"recipe": "electricity"},
    "PatchTST from scratch": {"recipe": "beijing-pm25"},
    "Fracast, head fine-tuned": {"recipe": "sf-traffic"},
    "Fracast, all fine-tuned": {"recipe": "i94-traffic", "only": "sf-traffic"},
    # Four times the rate, as random weights have further to go; no other rate was tried.
    "Fracast from scratch": {"recipe": "i94-traffic", "only": "sf-traffic", "scratch": True, "lr": 2e-3},
}


@dataclass(frozen=True)
class Series:
    """One data set with its test windows; `trained_to`: the step where what may be learned from ends."""

    name: str
    folder: Path
    panel: Any
    windows: Any
    scaler: Any
    trained_to: list[int]


def open_series(name: str, limit: int | None) -> Series:
    from bench.assets import fetch
    from training.series.reading import read_panel
    from training.series.rows import Columns
    from training.series.windows import fit_scaler, make_windows, rolling_stride

    folder, columns = fetch(name), Columns("timestamp", (SERIES[name],))
    panel = read_panel(folder, "test", columns, before=("train", "validation"))
    held = read_panel(folder, "validation", columns, before=("train",))
    stride = rolling_stride(HORIZON, WEEK)
    windows = make_windows(panel, CONTEXT, HORIZON, first=panel.begins, stride=stride).thin(limit)
    return Series(name, folder, panel, windows, fit_scaler(panel, WEEK, held.begins), held.begins)


def baselines(series: Series) -> dict[str, dict[str, Any]]:
    """What costs nothing, and ridge regression on every training window."""
    import torch

    from training.series import baselines as plain
    from training.series.windows import make_windows

    learnt = make_windows(series.panel, CONTEXT, HORIZON, last=series.trained_to)
    whole = torch.arange(len(learnt))[learnt.future(torch.arange(len(learnt)))[1].all(1)]
    ridge = plain.fit_autoregression(learnt.history(whole)[0], learnt.future(whole)[0])
    methods: dict[str, Callable[[Any], Any]] = {
        "last value": lambda past: plain.naive(past, HORIZON),
        "mean of two weeks": lambda past: plain.mean(past, HORIZON),
        "drift": lambda past: plain.drift(past, HORIZON),
        "yesterday's value (24)": lambda past: plain.seasonal_naive(past, HORIZON, DAY),
        "last week's value (168)": lambda past: plain.seasonal_naive(past, HORIZON, WEEK),
        "ridge autoregression": ridge,
    }
    past = series.windows.history(torch.arange(len(series.windows)))[0]
    return {name: numbers(series, method(past).unsqueeze(2), ()) for name, method in methods.items()}


def numbers(series: Series, outputs: Any, quantiles: tuple[float, ...]) -> dict[str, Any]:
    """Measures of forecasts [windows, horizon, outputs] in the series' unit."""
    import torch

    from training.series.scoring import Scores

    values, observed = series.windows.future(torch.arange(len(series.windows)))
    naive = series.scaler.naive[series.windows.series, series.windows.targets]
    ordered = outputs.double().sort(dim=2).values
    arrays = (values.double().numpy(), observed.numpy(), naive.double().numpy(), ordered.numpy())
    scores = Scores(*arrays, quantiles=quantiles)
    return {**scores.metrics(), "by_step": [row["mae"] for row in scores.by_step()]}


def the_recipe(method: str, series: Series, seed: int, base: Path, quick: bool) -> Any:
    """The committed recipe of `method`, on this series."""
    import yaml

    from training.recipe import parse_recipe

    how = TRAINED[method]
    plain = yaml.safe_load((RECIPES / f"{how['recipe']}.yaml").read_text(encoding="utf-8"))
    data = {"repo": str(series.folder), "target_columns": [SERIES[series.name]]}
    # The validation part served to look at learning rates; the run itself leaves it alone.
    plain["dataset"] |= {**data, "validation_split": None, "validation_fraction": 0.0}
    plain["seed"] = seed
    if "base_model" in plain:
        plain["base_model"]["repo"] = str(base)
    if how.get("scratch"):
        plain["init"] = "scratch"
    plain["optim"]["lr"] = how.get("lr", plain["optim"]["lr"])
    if quick:
        plain["dataset"]["max_train_windows"], plain["optim"]["epochs"] = 16, 1
    return parse_recipe(plain)


def run(method: str, series: Series, seed: int, base: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """Train one net and measure it; `model` is where it lies."""
    from training.finetune import finetune
    from training.reporting import SilentReporter

    recipe, began = the_recipe(method, series, seed, base, quick), time.process_time()
    result = finetune(
        recipe,
        base_dir=base if recipe.base_model else None,
        data_dir=series.folder,
        work_dir=folder / f"{series.name}-{method}-{seed}",
        cache_dir=folder / "features",
        reporter=SilentReporter(),
        checkpoint_seconds=1e9,
    )
    trained = time.process_time() - began
    found = measured(result.model_dir, series, folder)
    return {"seed": seed, "cpu_seconds": round(trained, 1), "model": str(result.model_dir), **found}


def measured(model_dir: Path, series: Series, folder: Path) -> dict[str, Any]:
    """A published directory on the test windows; features of Fracast's own body are made only once."""
    import torch

    from training.series.examples import WindowExamples, to_features
    from training.series.fracast import Fracast
    from training.series.published import load_forecaster

    net, about = load_forecaster(model_dir)
    examples: Any = WindowExamples(replace(series.windows, context=about.context), about.scaler)
    learner: Any = net
    if isinstance(net, Fracast):
        cpu = torch.device("cpu")
        learner, examples = net.head, to_features(net, examples, folder / "features", cpu, lambda: None)
    pieces = []
    with torch.inference_mode():
        for rows in torch.arange(len(examples)).split(64):
            inputs, targets = examples.take(rows, torch.device("cpu"))
            scale, level = targets["std"][:, None, None], targets["mean"][:, None, None]
            pieces.append(learner(inputs) * scale + level)
    return numbers(series, torch.cat(pieces), about.quantiles)


def untouched(series: Series, base: Path, folder: Path) -> dict[str, Any]:
    """Fracast as it comes: prepared as for a run, and published without one step."""
    import torch

    from training.reporting import SilentReporter
    from training.tasks import task_kind
    from training.tasks.base import Plan

    recipe = the_recipe("Fracast, all fine-tuned", series, 0, base, quick=False)
    work, cpu = folder / f"{series.name}-zero", torch.device("cpu")
    plan = Plan(recipe, base, series.folder, work, folder / "features", cpu, SilentReporter())
    task_kind(recipe.task).prepare(plan).save(work / "model")
    return measured(work / "model", series, folder)


def package_difference(model_dir: Path, series: Series) -> dict[str, float]:
    """Greatest difference between our forecasts and those of the `fracast` package from the same directory,
    as a share of the range of each history."""
    import numpy as np
    import torch

    from bench.assets.packages import unpacked
    from bench.assets.store import cache_root
    from training.series.examples import WindowExamples
    from training.series.published import load_forecaster

    net, about = load_forecaster(model_dir)
    windows = replace(series.windows, context=about.context).thin(32)
    rows = torch.arange(len(windows))
    history, observed = windows.history(rows)
    inputs, targets = WindowExamples(windows, about.scaler).take(rows, torch.device("cpu"))
    with torch.inference_mode():
        ours = net(inputs) * targets["std"][:, None, None] + targets["mean"][:, None, None]
    given = torch.where(observed, history, torch.nan).numpy()
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "in.npy", given)
        code = (
            "import sys, numpy, fracast\n"
            "model = fracast.FracastModel.from_pretrained(sys.argv[1], weights='fp32')\n"
            "numpy.save(sys.argv[2] + '/out.npy', model.forecast_batch(numpy.load(sys.argv[2] + '/in.npy')))"
        )
        path = {"PYTHONPATH": str(unpacked("fracast", cache_root()))}
        command = [sys.executable, "-c", code, str(model_dir), folder]
        subprocess.run(command, check=True, env={**os.environ, **path})
        theirs = np.load(Path(folder) / "out.npy")
    reach = (np.nanmax(given, 1) - np.nanmin(given, 1))[:, None, None]
    return {"windows": len(windows), "share_of_range": float((np.abs(ours.numpy() - theirs) / reach).max())}


def measure(name: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every method on one series."""
    from bench.assets import fetch

    used, base = time.process_time(), fetch("fracast")
    series = open_series(name, 12 if args.quick else None)
    rows: dict[str, Any] = {method: [one] for method, one in baselines(series).items()}
    rows["Fracast as it comes"] = [untouched(series, base, folder)]
    for method, how in TRAINED.items():
        if how.get("only", name) != name:
            continue
        rows[method] = [run(method, series, seed, base, folder, args.quick) for seed in args.seeds]
        shown = [round(one["mase"], 4) for one in rows[method]]
        print(f"  {name}, {method}: MASE {shown}, load {os.getloadavg()[0]:.1f}", flush=True)
    proof = package_difference(Path(rows["Fracast, head fine-tuned"][0]["model"]), series)
    for one in (one for runs in rows.values() for one in runs):
        one.pop("model", None)
    minutes = round((time.process_time() - used) / 60, 1)
    facts = {"windows": len(series.windows), "target": SERIES[name], "cpu_minutes": minutes}
    return {**facts, "package": proof, "machine": report.machine(), "methods": rows}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, 16 windows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--series", nargs="+", choices=list(SERIES), help="only these; the others stay")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    args.seeds = args.seeds[:1] if args.quick else args.seeds
    name = "forecasting_quick" if args.quick else "forecasting"
    for one in args.series or SERIES:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(one, args, Path(folder))
        before = earlier(name)
        series = {key: found if key == one else before.get(key) for key in SERIES}
        kept = {key: item for key, item in series.items() if item}
        report.write(name, {"series": kept}, markdown(kept))
    return 0


def earlier(name: str) -> dict[str, Any]:
    """What an earlier call wrote, by series."""
    path = report.RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["series"] if path.is_file() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
