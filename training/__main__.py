"""`python -m training`: fine-tune, evaluate, predict, validate; `submit`, `worker` and `demo` for the hub.

Exit status: 0 done; 2 the recipe, data or model cannot be used (standard error says why); 1 anything else.
Of several processes that fail together one says why and has that status; the others end with 0.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from training.errors import Canceled, EngineError, Interrupted, ToldElsewhere, UserError
from training.forecast import told
from training.launch import MODES, leave, require_alone, together
from training.recipe import MAX_TEXT_BYTES, Recipe, RecipeError, dump_recipe, parse_recipe
from training.reporting import ConsoleReporter, JsonlReporter, Reporter, SilentReporter, TeeReporter

DELEGATED = ("worker", "demo", "submit")
COLUMN_OPTIONS = ("image_column", "label_column", "text_column", "target_column")


def main(arguments: list[str] | None = None) -> int:
    # Must be set before torch is loaded. Idle threads that spin take the very cores that others wait for:
    # on a busy machine an epoch took 2.4 times as long (86 s against 36 s).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in DELEGATED:
        return _delegate(given[0], given[1:])
    options = _parser().parse_args(given)
    try:
        if options.run is not _finetune:
            require_alone(given[0])
        return int(options.run(options))
    except RecipeError as error:
        for problem in error.problems:
            print(problem.message, file=sys.stderr)
        return 2
    except UserError as error:
        print(error.message, file=sys.stderr)
        return 2
    except ToldElsewhere:
        # Any other status, and torchrun might end the process that tells before it has spoken.
        return 0
    except (EngineError, Canceled, Interrupted) as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 1


def _delegate(name: str, arguments: list[str]) -> int:
    """Commands that need the hub's client or Celery are imported only when asked for."""
    command: Callable[[list[str]], int | None]
    if name == "worker":
        from training.worker_options import take_options

        arguments = take_options(arguments)
        from training.worker import main as command
    elif name == "submit":
        from training.submit import main as command
    else:
        from training.demo import main as command
    return int(command(arguments) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("finetune", help="run a recipe")
    command.add_argument("recipe", type=Path)
    command.add_argument("--out", type=Path, required=True, help="directory; run again to go on after a stop")
    command.add_argument("--publish", metavar="NAMESPACE/NAME", help="commit the result to this model repo")
    command.add_argument(
        "--parallel",
        choices=MODES,
        default="auto",
        help="with torchrun: whole copies, or a language model in parts",
    )
    command.set_defaults(run=_finetune)

    command = commands.add_parser("study", help="search and repeat a recipe, as its study section says")
    command.add_argument("recipe", type=Path)
    command.add_argument("--out", type=Path, required=True, help="directory for the models and study.json")
    command.set_defaults(run=_study)

    command = commands.add_parser("evaluate", help="measure a model on a split")
    command.add_argument("--model", required=True, help="directory or namespace/name[@revision]")
    command.add_argument("--dataset", required=True, help="directory or namespace/name[@revision]")
    command.add_argument("--split", default="test")
    command.add_argument("--task", default="image-classification", help="of a model without a recipe.yaml")
    for name in COLUMN_OPTIONS:
        command.add_argument("--" + name.replace("_", "-"), help="instead of the one in its recipe.yaml")
    command.add_argument("--json", action="store_true", help="the whole report")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("compare", help="two models on the same rows: is one better?")
    command.add_argument("--models", nargs=2, required=True, metavar="MODEL", help="as in evaluate")
    command.add_argument("--dataset", required=True, help="directory or namespace/name[@revision]")
    command.add_argument("--split", default="test")
    command.add_argument("--json", action="store_true", help="everything")
    command.set_defaults(run=_compare)

    command = commands.add_parser("predict", help="answer one input")
    command.add_argument("--model", required=True, help="directory or namespace/name[@revision]")
    command.add_argument("input", help="a file, or text where the task takes text")
    command.add_argument("--top", type=int, default=5)
    command.set_defaults(run=_predict)

    command = commands.add_parser("preflight", help="foretell memory and time from a few real steps")
    command.add_argument("recipe", type=Path)
    command.add_argument("--limit", type=float, metavar="GIB", help="memory there is: what would fit?")
    command.add_argument("--json", action="store_true", help="everything")
    command.set_defaults(run=_preflight)

    command = commands.add_parser("validate", help="check a recipe and print it in full")
    command.add_argument("recipe", type=Path)
    command.set_defaults(run=_validate)
    for name in DELEGATED:
        commands.add_parser(name, help=f"see python -m training {name} --help")
    return parser


def _read_recipe(path: Path) -> Recipe:
    try:
        with path.open("rb") as file:
            return parse_recipe(file.read(MAX_TEXT_BYTES + 1).decode("utf-8"))
    except OSError:
        raise UserError("recipe:not-found", f"The recipe {path} cannot be read.") from None
    except UnicodeDecodeError:
        raise UserError("recipe:invalid", f"The recipe {path} is not text in UTF-8.") from None


def _finetune(options: argparse.Namespace) -> int:
    from training.local import run_here

    with together(options.parallel) as leads:
        reporter: Reporter = SilentReporter()
        if leads:
            reporter = TeeReporter(ConsoleReporter(), JsonlReporter(options.out / "log.jsonl"))
        recipe = _read_recipe(options.recipe)
        summary = run_here(
            recipe, near=options.recipe.parent, out=options.out, target=options.publish, reporter=reporter
        )
    if leads:
        print(json.dumps({key: value for key, value in summary.items() if key != "history"}, indent=2))
    return 0


def _study(options: argparse.Namespace) -> int:
    from training.local import study_here

    reporter = TeeReporter(ConsoleReporter(), JsonlReporter(options.out / "log.jsonl"))
    recipe = _read_recipe(options.recipe)
    found = study_here(recipe, near=options.recipe.parent, out=options.out, reporter=reporter)
    for name, row in found.summary().items():
        print(f"{name}: {row['mean']:.4f} ± {row['std']:.4f} (n = {row['n']:.0f})")
    for name, value in (found.leave_one_out or {}).items():
        print(f"leave-one-out {name}: {value:.4g}")
    print(f"everything: {options.out / 'study.json'}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from training.sources import resolve_source

    # What is not there is told before torch is loaded.
    model_dir = resolve_source(options.model, "model")
    data_dir = resolve_source(options.dataset, "dataset")
    recipe = _recipe_of(model_dir, options)
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    report = task_kind(recipe.task).evaluate(
        model_dir, data_dir, options.split, recipe=recipe, reporter=SilentReporter()
    )
    plain = report.as_dict()
    if options.json:
        print(json.dumps(plain, indent=2))
        return 0
    interval = f"95 % interval {report.lo:.4f} to {report.hi:.4f}"
    shown = ("n", "value", "lo", "hi", report.metric)
    others = [
        f"{name} {value:.4f}"
        for name, value in plain.items()
        if isinstance(value, float) and name not in shown
    ]
    print(", ".join([f"{report.metric} {report.value:.4f} ({interval})", *others, f"{report.n} rows"]))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from training.sources import resolve_source

    first, second = (resolve_source(model, "model") for model in options.models)
    data_dir = resolve_source(options.dataset, "dataset")
    for model, folder in zip(options.models, (first, second), strict=True):
        if not (folder / "recipe.yaml").is_file():
            text = f"{model} has no recipe.yaml, which says what it does and which columns it reads."
            raise UserError("compare:no-recipe", text)
    recipes = _read_recipe(first / "recipe.yaml"), _read_recipe(second / "recipe.yaml")
    from training.compare import compare_models, told_as_json, told_in_words

    names = options.models[0], options.models[1]
    found = compare_models(
        first, second, data_dir, options.split, recipes=recipes, names=names, reporter=SilentReporter()
    )
    print(told_as_json(found) if options.json else told_in_words(found))
    return 0


def _recipe_of(model_dir: Path, options: argparse.Namespace) -> Recipe:
    """The recipe a model was made by, which names its task and columns; without one it is told by options."""
    path = model_dir / "recipe.yaml"
    if path.is_file():
        recipe = _read_recipe(path)
    else:
        base, data = {"repo": str(model_dir)}, {"repo": options.dataset}
        recipe = parse_recipe({"task": options.task, "base_model": base, "dataset": data})
    columns = {name: value for name in COLUMN_OPTIONS if (value := getattr(options, name)) is not None}
    unknown = [name for name in columns if not hasattr(recipe.dataset, name)]
    if unknown:
        option = "--" + unknown[0].replace("_", "-")
        raise UserError("cli:wrong-option", f"{option} means nothing for the task {recipe.task}.")
    return dataclasses.replace(recipe, dataset=dataclasses.replace(recipe.dataset, **columns))


def _predict(options: argparse.Namespace) -> int:
    from training.sources import resolve_source

    model_dir = resolve_source(options.model, "model")
    task = "image-classification"
    if (model_dir / "recipe.yaml").is_file():
        task = _read_recipe(model_dir / "recipe.yaml").task
    from training.tasks import task_kind

    answer = task_kind(task).predict(model_dir, options.input)
    if isinstance(answer, list) and answer and set(answer[0]) == {"label", "score"}:
        for item in answer[: options.top]:
            print(f"{item['score']:.4f}  {item['label']}")
    else:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _preflight(options: argparse.Namespace) -> int:
    from training.local import preflight_here

    forecast, advice = preflight_here(
        _read_recipe(options.recipe), near=options.recipe.parent, limit_gib=options.limit
    )
    if options.json:
        plain = forecast.as_dict()
        print(json.dumps(plain | {"fits": advice.as_dict() if advice else None}, indent=2))
        return 0
    print(told(forecast, advice))
    return 0


def _validate(options: argparse.Namespace) -> int:
    print(dump_recipe(_read_recipe(options.recipe)), end="")
    return 0


if __name__ == "__main__":
    leave(main())
