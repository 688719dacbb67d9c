"""The page of bench.tasks.forecasting: a table a series, and in words who wins."""

from __future__ import annotations

import statistics
from typing import Any

from bench import report

TITLES = {
    "sf-traffic": "San Francisco traffic (road occupancy, 0 to 1)",
    "i94-traffic": "I-94 traffic (cars an hour)",
    "beijing-pm25": "Beijing PM2.5 (µg/m³)",
    "electricity": "Electricity (kW)",
}
LAST_WEEK = "last week's value (168)"
SHOWN_STEPS = (1, 6, 24, 48)
LEARNED = ("DLinear", "PatchTST", "Fracast", "ridge")
MEASURES = ("mae", "rmse", "mase", "wape", "wql")


def markdown(series: dict[str, Any]) -> str:
    """`series`: what was measured, by name."""
    parts = [_intro(series)]
    parts += [_section(name, item) for name, item in series.items()]
    first = next(iter(series.values()))
    where, minutes = first["machine"], sum(item["cpu_minutes"] for item in series.values())
    parts.append(
        f"Made by `python -m bench.tasks.forecasting` on {where['when']}: {where['processor']},\n"
        f"one thread of {where['cores']} cores shared with other work, torch {where['torch']};\n"
        f"{minutes:.1f} minutes of processor time in all."
    )
    return "\n\n".join(parts) + "\n"


def verdict(item: dict[str, Any]) -> str:
    """Who wins by MAE, and everything that last week's value beats."""
    mae = {name: _mean(runs, "mae") for name, runs in item["methods"].items()}
    order = sorted(mae, key=lambda name: mae[name])
    beaten = [name for name in order if mae[name] > mae[LAST_WEEK]]
    if order[0] == LAST_WEEK:
        return f"**Last week's value wins**: nothing that learns beats it here. {_fine_tuning(mae)}"
    ahead = [name for name in order if mae[name] < mae[LAST_WEEK]]
    gain = 100 * (1 - mae[order[0]] / mae[LAST_WEEK])
    text = f"**{order[0]}** wins, {gain:.0f} % below last week's value. Ahead of last week's value: "
    learned = [name for name in beaten if name.startswith(LEARNED)]
    tail = f" **Last week's value beats** {_list(learned)}." if learned else ""
    return f"{text}{_list(ahead)}.{tail} {_fine_tuning(mae)}"


def _fine_tuning(mae: dict[str, float]) -> str:
    """What learning did to Fracast on this series."""
    before, after = mae["Fracast as it comes"], mae["Fracast, head fine-tuned"]
    if after < before:
        return f"Fine-tuning its head takes {100 * (1 - after / before):.0f} % off Fracast's error."
    return (
        f"Fine-tuning its head does not help Fracast: the error grows by {100 * (after / before - 1):.0f} %."
    )


def _intro(series: dict[str, Any]) -> str:
    proof = [item["package"] for item in series.values()]
    worst, histories = max(one["share_of_range"] for one in proof), sum(one["windows"] for one in proof)
    seeds = len(next(iter(series.values()))["methods"]["DLinear from scratch"])
    return f"""48 hours ahead, hourly, rolling over the last fifth of each series: the origins are 53 hours
apart, so that they go through the hours of the week, and the same for every method. All that learns, learns
from the first 70 %. Two learning rates each of DLinear, PatchTST and Fracast's head were looked at on the
10 % between, for one or two of the series; nothing was chosen by the test part. MASE is relative to last
week's value over the training part (below 1 is better); WAPE is Σ|error| / Σ|value|; WQL is the weighted
quantile loss over nine quantiles. Trained rows are mean ± standard deviation over {seeds} seeds. That is not
the doubt that so few windows leave: a lead of a few per cent is none.

Budgets are small on purpose: "from scratch" means at this budget, not in the limit. Fracast's head learns
from 300 windows. {_slow(series)}
Its pretraining data may hold these public series, so "as it comes" is not proven to be zero-shot. No
covariates (weather, holidays) are used.

The fine-tuned directories, loaded by the `fracast` package itself, give the same quantiles: on {histories}
histories the greatest difference is {worst:.1e} of a history's range."""


def _slow(series: dict[str, Any]) -> str:
    """What is said of the arms that are run on one series, for time."""
    if any("Fracast from scratch" in item["methods"] for item in series.values()):
        return "All of it learns from 96, fine-tuned and from scratch, on San Francisco only, for time."
    return "All of it, fine-tuned and from scratch, was left out of this run, for time."


def _section(name: str, item: dict[str, Any]) -> str:
    methods = item["methods"]
    order = sorted(methods, key=lambda method: _mean(methods[method], "mae"))
    head = ["", "MAE", "RMSE", "MASE", "WAPE", "WQL", "CPU s a run"]
    rows = [
        [
            method if len(methods[method]) == 1 else f"*{method}*",
            *(_cell(methods[method], measure) for measure in MEASURES),
            _seconds(methods[method]),
        ]
        for method in order
    ]
    steps = [
        [
            method,
            *(
                _cell([{"at": run["by_step"][step - 1]} for run in methods[method]], "at")
                for step in SHOWN_STEPS
            ),
        ]
        for method in order
    ]
    ahead = report.table(["MAE at hours ahead", *map(str, SHOWN_STEPS)], steps)
    title = f"### {TITLES[name]}, {item['windows']} windows"
    said = verdict(item) + (f"\n\n{item['note']}" if "note" in item else "")
    return f"{title}\n\n{said}\n\n{report.table(head, rows)}\n\n{ahead}"


def _cell(runs: list[dict[str, Any]], measure: str) -> str:
    if measure not in runs[0]:
        return "–"
    mean = _mean(runs, measure)
    digits = 4 if mean < 10 else 1
    spread = f" ± {statistics.stdev(run[measure] for run in runs):.{digits}f}" if len(runs) > 1 else ""
    return f"{mean:,.{digits}f}{spread}"


def _seconds(runs: list[dict[str, Any]]) -> str:
    return f"{_mean(runs, 'cpu_seconds'):.0f}" if "cpu_seconds" in runs[0] else "–"


def _mean(runs: list[dict[str, Any]], measure: str) -> float:
    return statistics.mean(run[measure] for run in runs)


def _list(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else "nothing"
