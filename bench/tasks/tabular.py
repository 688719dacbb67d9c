"""House prices and a census: nets for tables against linear models and gradient boosting, on the same rows.

    python -m bench.tasks.tabular            three seeds; writes bench/results/tabular.json and .md
    python -m bench.tasks.tabular --only ames adult    renews these parts, keeps the others
    python -m bench.tasks.tabular --quick    one seed on few rows, to see that it runs

The recipes are recipes/tabular/*.yaml as they stand. Every baseline learns from the same rows in the same
encoding and is measured on the same test rows; what it can choose, it chooses on the same validation rows.
Northern California tells whether a model of the South helps where only 300 rows are at hand.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "tabular"
# Title, asset, recipes by the name of their row, and the measures shown; the first is the one compared.
DATA: list[tuple[str, str, dict[str, str], tuple[str, ...]]] = [
    (
        "California housing",
        "california-housing",
        {"MLP, piecewise-linear embeddings": "california-housing"},
        ("r2", "rmse", "mae"),
    ),
    (
        "Ames, logarithm of the price",
        "ames",
        {"MLP": "ames", "FT-Transformer": "ames-ft-transformer"},
        ("r2_log", "r2", "rmse", "mae"),
    ),
    (
        "Adult census",
        "adult",
        {"MLP, piecewise-linear embeddings": "adult"},
        ("accuracy", "macro_f1", "roc_auc"),
    ),
]
# North of it lies the North: San Francisco, Sacramento, and all beyond Fresno's valley.
BORDER = 36.0
NORTH = ("r2", "rmse", "mae")
REGIONS = {
    "north": "Northern California, 300 rows, without coordinates",
    "north-placed": "Northern California, 300 rows, with coordinates",
}
NORTH_VALIDATION = 200
PARTS = [asset for _, asset, _, _ in DATA] + list(REGIONS)
# From random weights: the recipe's other fields stay.
SCRATCH = {"lr": 2e-3, "epochs": 30}
PLACE = ("Latitude", "Longitude")
SEEDED = ("gradient boosting",)
CHOSEN = """Recipes were chosen on the validation splits with seed 0, in some six trials a data set; "tuned"
gradient boosting takes the best of eight settings on the same validation rows."""
Row = dict[str, Any]


def the_recipe(name: str, data: Path, seed: int, args: argparse.Namespace, **changes: dict[str, Any]) -> Any:
    """The committed recipe on `data`; `changes` by section."""
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    plain["dataset"]["repo"], plain["seed"] = str(data), seed
    if args.quick:
        plain["optim"]["epochs"] = 1
        plain["dataset"]["max_train_rows"] = 300
    for section, fields in changes.items():
        plain[section] = {**plain.get(section, {}), **fields} if isinstance(fields, dict) else fields
    return parse_recipe(plain)


def learned(recipe: Any, data: Path, work: Path, base: Path | None = None) -> tuple[Row, Path]:
    """One run and what the published directory says of the test rows."""
    from training.finetune import finetune
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    began, used, load = time.monotonic(), time.process_time(), os.getloadavg()[0]
    result = finetune(
        recipe,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=SilentReporter(),
        report_seconds=1e9,
        checkpoint_seconds=1e9,
    )
    silent = SilentReporter()
    found: Any = task_kind(recipe.task).evaluate(
        result.model_dir, data, "test", recipe=recipe, reporter=silent
    )
    row = {**found.metrics, "lo": found.lo, "hi": found.hi, "n": found.n, "epochs": len(result.history)}
    return {**row, **_cost(began, used, load), "seed": recipe.seed}, result.model_dir


def compared(recipe: Any, data: Path, work: Path) -> Iterator[tuple[str, Row]]:
    """Every baseline on the rows of the recipe; those without chance in them for seed 0 alone."""
    from training.tabular import baselines

    rows, test = encoded(recipe, data, work)
    for name, fit in baselines.BASELINES.items():
        # On so few rows the library stops nothing early, and nothing else draws.
        drawn = name in SEEDED or recipe.dataset.max_train_rows
        if recipe.seed and not drawn:
            continue
        began, used, load = time.monotonic(), time.process_time(), os.getloadavg()[0]
        found = baselines.measure(rows.target, test, fit(rows, recipe.seed)(test))
        yield name, {**found, **_cost(began, used, load), "seed": recipe.seed}


def encoded(recipe: Any, data: Path, work: Path) -> tuple[Any, Any]:
    """The recipe's rows as a net from scratch would get them, and the test rows in the same encoding."""
    import torch

    from training.reporting import SilentReporter
    from training.tabular import baselines, runs, targets
    from training.tabular.rows import Splits, read_split, rows_of
    from training.tasks.base import Plan

    plan = Plan(recipe, None, data, work, work, torch.device("cpu"), SilentReporter())
    name, transform = recipe.dataset.target_column, recipe.dataset.target_transform
    by_class = recipe.task == "tabular-classification"
    splits = Splits(plan, by_class=by_class)
    encoder, _ = runs.fit_encoder(plan, splits, None)
    tables = [*splits.both, read_split(data, "test", recipe.dataset)]
    if by_class:
        classes = [targets.read_classes(table, name, None) for table in tables]
        target: Any = targets.fit_classes(name, classes[0], None)
        goals = [targets.class_places(target, *pair) for pair in zip(classes, tables, strict=True)]
    else:
        numbers = [targets.read_numbers(table, name) for table in tables]
        target = targets.NumberTarget.fit(name, numbers[0], transform)
        goals = [target.to_learn(part) for part in numbers]
    train, val, test = (rows_of(encoder, *pair) for pair in zip(tables, goals, strict=True))
    return baselines.Rows(encoder, target, train, val), test


def write_regions(folder: Path) -> dict[str, Path]:
    """California housing cut at `BORDER`; the North has few rows to validate on, as to learn from."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from bench.assets import fetch

    found = {name: folder / name for name in ("south", "north")}
    for split in ("train", "validation", "test"):
        [shard] = (fetch("california-housing") / "data").glob(f"{split}-*.parquet")
        table = pq.read_table(shard)
        southern = pc.less(table["Latitude"], BORDER)
        parts = {"south": table.filter(southern), "north": table.filter(pc.invert(southern))}
        if split == "validation":
            parts["north"] = parts["north"].slice(0, NORTH_VALIDATION)
        for name, part in parts.items():
            found[name].mkdir(parents=True, exist_ok=True)
            pq.write_table(part, found[name] / f"{split}.parquet")
    return found


def write_pooled(regions: dict[str, Path], folder: Path, rows: int, seed: int) -> Path:
    """All rows of the South beside those rows of the North that a run with `seed` learns from."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from training.data import thin

    folder.mkdir(parents=True)
    south, north = (pq.read_table(regions[name] / "train.parquet") for name in ("south", "north"))
    taken = thin(range(north.num_rows), [0] * north.num_rows, rows, seed)
    pq.write_table(pa.concat_tables([south, north.take(taken)]), folder / "train.parquet")
    for split in ("validation", "test"):
        (folder / f"{split}.parquet").write_bytes((regions["north"] / f"{split}.parquet").read_bytes())
    return folder


def northern(args: argparse.Namespace, folder: Path, *, with_place: bool) -> Iterator[tuple[str, Row]]:
    """The South's model in the North: as it is, fine-tuned in two ways, and against learning anew."""
    regions = write_regions(folder / "regions")
    first = the_recipe("california-north", regions["north"], 0, args, base_model={"repo": "base"})
    columns = [*first.dataset.columns, *(PLACE if with_place else ())]
    fields = {"columns": columns}
    south = the_recipe("california-housing", regions["south"], 0, args, dataset=fields)
    _, base = learned(south, regions["south"], folder / "south")
    for seed in args.seeds:
        work = folder / f"north-{seed}"

        def north(seed: int = seed, **changes: Any) -> Any:
            few = {"epochs": 1} if args.quick else {}
            changes["optim"] = {**changes.get("optim", {}), **few}
            sections = {"dataset": fields, **changes}
            return the_recipe("california-north", regions["north"], seed, args, **sections)

        tuned, anew = north(), north(init="scratch", optim=SCRATCH)
        head = north(strategy={"kind": "head"}, optim={"lr": 3e-3})
        if seed == 0:
            yield "the South's net as it is", untaught(tuned, regions["north"], base)
        yield "the South's net, its head fine-tuned", learned(head, regions["north"], work / "head", base)[0]
        yield "the South's net, all fine-tuned", learned(tuned, regions["north"], work / "full", base)[0]
        yield "the same net from scratch", learned(anew, regions["north"], work / "scratch", base)[0]
        yield from compared(tuned, regions["north"], work)
        pooled = write_pooled(regions, work / "pooled", tuned.dataset.max_train_rows, seed)
        whole = the_recipe("california-north", pooled, seed, args, dataset=fields | {"max_train_rows": None})
        for name, row in compared(whole, pooled, work):
            if name in SEEDED:
                yield f"{name}, South and North pooled", row


def untaught(recipe: Any, data: Path, base: Path) -> Row:
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    found: Any = task_kind(recipe.task).evaluate(base, data, "test", recipe=recipe, reporter=SilentReporter())
    return {**found.metrics, "lo": found.lo, "hi": found.hi, "n": found.n, "seed": recipe.seed}


def houses_or_people(part: str, args: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Row]]:
    """The recipes of one data set, each beside all baselines."""
    from bench.assets import fetch

    [recipes] = [found for _, asset, found, _ in DATA if asset == part]
    data = fetch(part)
    for seed in args.seeds:
        yield from compared(the_recipe(next(iter(recipes.values())), data, seed, args), data, folder)
        for name, recipe in recipes.items():
            work = folder / f"{recipe}-{seed}"
            yield name, learned(the_recipe(recipe, data, seed, args), data, work)[0]


def measure(part: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rows by model, in the order in which they were made, and what they cost."""
    cost: dict[str, Any] = {}
    found: dict[str, list[Row]] = {}
    with report.clock(cost):
        if part in REGIONS:
            made = northern(args, folder / part, with_place=part == "north-placed")
        else:
            made = houses_or_people(part, args, folder / part)
        for name, row in made:
            found.setdefault(name, []).append(row)
            shown = {key: round(value, 4) for key, value in row.items() if isinstance(value, float)}
            print(f"  {part}, {name}: {shown}", flush=True)
    return {"runs": found, "cost": cost, "machine": report.machine(), "seeds": args.seeds}


def markdown(parts: dict[str, Any], *, quick: bool) -> str:
    tables = []
    for part, found in parts.items():
        title, names = title_of(part)
        head = ["", *names, "95 % interval, seed 0", "processor s"]
        lines = [_line(name, rows, names) for name, rows in found["runs"].items()]
        tables.append(f"### {title}\n\n{report.table(head, lines)}\n")
    where = next(iter(parts.values()))["machine"]
    costs = [found["cost"] for found in parts.values()]
    cpu = f"{sum(cost['cpu_seconds'] for cost in costs):.0f} processor seconds in all"
    load = f"load average {max(cost['load_before'] for cost in costs)} at most"
    machine = f"{where['processor']}, {where['cores']} cores, one thread"
    seeds = max(len(found["seeds"]) for found in parts.values())
    return f"""# Tables: house prices and a census

`python -m bench.tasks.tabular{" --quick" if quick else ""}` · {where["when"]} · {machine} ·
torch {where["torch"]}, Python {where["python"]} · {cpu}, {load}

Mean ± standard deviation over {seeds} seed(s); without ± the model draws nothing and ran once.
RMSE and MAE are in the target's unit (100,000 $ in California, $ in Ames), `r2_log` is R² of the logarithm of
the price. The interval is over the test rows (bootstrap of R² in the target's unit, Wilson for accuracy), the
seconds are a run's processor seconds, files to files. {CHOSEN}

{chr(10).join(tables)}
{verdict(parts)}"""


def title_of(part: str) -> tuple[str, tuple[str, ...]]:
    """A part's heading and the measures shown of it."""
    titles = {asset: (title, names) for title, asset, _, names in DATA}
    return titles[part] if part in titles else (REGIONS[part], NORTH)


def verdict(parts: dict[str, Any]) -> str:
    """Who wins, in figures, whoever it is."""
    lines = []
    for part, found in parts.items():
        title, (name, *_) = title_of(part)
        means = {model: statistics.mean(row[name] for row in rows) for model, rows in _having(found, name)}
        first, second = sorted(means, key=lambda model: -means[model])[:2]
        best, next_best = f"**{first}** ({name} {means[first]:.4f})", f"{second} ({means[second]:.4f})"
        lines.append(f"- {title}: {best}, then {next_best}.")
    return "## Who wins\n\n" + "\n".join(lines) + "\n"


def _having(found: dict[str, Any], name: str) -> list[tuple[str, list[Row]]]:
    """The models that have the measure; the mean of a target has no correlation with anything."""
    return [(model, rows) for model, rows in found["runs"].items() if all(name in row for row in rows)]


def _line(name: str, rows: list[Row], names: tuple[str, ...]) -> list[str]:
    cells = [_cell([row[key] for row in rows if key in row]) for key in names]
    first = rows[0]
    interval = f"{first['lo']:.3f} – {first['hi']:.3f}" if "lo" in first else ""
    times = [row["cpu_seconds"] for row in rows if "cpu_seconds" in row]
    return [name, *cells, interval, f"{statistics.median(times):.1f}" if times else ""]


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    mean = statistics.mean(values)
    digits = 0 if abs(mean) >= 100 else 4
    spread = f" ± {statistics.stdev(values):,.{digits}f}" if len(values) > 1 else ""
    return f"{mean:,.{digits}f}{spread}"


def _cost(began: float, used: float, load: float) -> Row:
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "load": round(load, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed and one epoch on 300 rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args()
    # One core: read when the libraries are loaded, which is later.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    import torch

    torch.set_num_threads(1)
    if args.quick:
        args.seeds = args.seeds[:1]
    name = "tabular_quick" if args.quick else "tabular"
    for part in args.only:
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(part, args, Path(folder))
        # Read again each time: parts may be measured side by side.
        path = report.RESULTS / f"{name}.json"
        known = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.is_file() else {}
        known[part] = measured
        parts = {key: known[key] for key in PARTS if key in known}
        recipes = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RECIPES.glob("*.yaml"))}
        report.write(name, {"recipes": recipes, "parts": parts}, markdown(parts, quick=args.quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
