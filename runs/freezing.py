"""From a recipe's names to these commits of these repos, with everything checked that the hub can see."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from accounts.actor import Actor
from models_app.access import Refusal, RepoDisabled, RepoGated, access_repo
from models_app.files import git_store
from models_app.models import Benchmark, Repo
from models_app.storage.errors import RevisionNotFound
from runs.column_check import column_problems
from training.measured import metrics_of
from training.recipe import (
    COMMAND,
    BaseModelSpec,
    BenchmarkSpec,
    Problem,
    Recipe,
    RecipeError,
    parse_recipe,
)


@dataclass(frozen=True)
class Frozen:
    """The recipe with every repo id in its stored case and every revision a commit oid."""

    recipe: Recipe
    base: Repo
    base_oid: str
    dataset: Repo
    dataset_oid: str
    benchmark: Repo | None = None
    benchmark_oid: str = ""


def freeze(actor: Actor, recipe: Recipe, problems: list[Problem]) -> Frozen | None:
    """Look up everything the recipe names, as `actor`; notes every problem, and is None when there is one."""
    if recipe.base_model is None:
        text = f"base_model is missing: runs on a hub begin with a model of it; {COMMAND} runs without one."
        problems.append(Problem("base_model", text))
        return None
    base = _pin(actor, "model", recipe.base_model.repo, recipe.base_model.revision, "base_model", problems)
    data = _pin(actor, "dataset", recipe.dataset.repo, recipe.dataset.revision, "dataset", problems)
    spec = recipe.benchmark
    bench = spec and _pin(actor, "dataset", spec.repo, spec.revision, "benchmark", problems)
    if base:
        _check_base(recipe, *base, problems)
    if spec and bench:
        _check_benchmark(recipe, spec, bench[0], problems)
    if data:
        problems.extend(column_problems(recipe, *data))
    if base is None or data is None or (spec and bench is None) or problems:
        return None
    exact = _exact(recipe, base, data, bench or None, problems)
    if exact is None:
        return None
    return Frozen(exact, *base, *data, *(bench or (None, "")))


def _pin(
    actor: Actor, repo_type: str, repo_id: str, revision: str | None, field: str, problems: list[Problem]
) -> tuple[Repo, str] | None:
    """The repo and the commit, or None and a problem; what the actor may not see is as good as missing."""
    if repo_id.count("/") != 1 or repo_id.startswith((".", "/", "~")):
        text = f"{field}.repo must be a {repo_type} of this hub, like namespace/name, got {repo_id[:60]!r}."
        problems.append(Problem(f"{field}.repo", text))
        return None
    try:
        repo = access_repo(actor, repo_type, repo_id)
    except (RepoGated, RepoDisabled) as refusal:
        problems.append(Problem(f"{field}.repo", f"{field}.repo: {refusal.message}"))
        return None
    except Refusal:
        text = f"{field}.repo: there is no {repo_type} {repo_id} on this hub that you may read."
        problems.append(Problem(f"{field}.repo", text))
        return None
    wanted = revision or repo.default_branch
    try:
        return repo, git_store(repo).resolve(wanted)
    except RevisionNotFound:
        problems.append(
            Problem(f"{field}.revision", f"{field}.revision: {repo_id} has no revision {wanted[:60]!r}.")
        )
        return None


def _check_base(recipe: Recipe, base: Repo, oid: str, problems: list[Problem]) -> None:
    store = git_store(base)

    def lacking(*names: str) -> list[str]:
        return [name for name in names if store.entry(oid, name) is None]

    if recipe.task == "multimodal-classification":
        missing = (
            [] if len(lacking("image/config.json", "text/config.json")) < 2 else ["image or text folder"]
        )
    elif not lacking("model.keras"):
        missing = []  # it describes itself
    else:
        weights = ("model.safetensors",) if recipe.init == "pretrained" else ()
        # Large language models lie in several files, which this one names.
        shards = not lacking("model.safetensors.index.json")
        missing = lacking("config.json", *(() if shards else weights))
    if missing:
        lacks = " and no ".join(missing)
        text = f"base_model.repo: {base.repo_id} has no {lacks}, so it cannot be fine-tuned here."
        problems.append(Problem("base_model.repo", text))


def _check_benchmark(recipe: Recipe, spec: BenchmarkSpec, repo: Repo, problems: list[Problem]) -> None:
    """The task must exist, its metric must be one that the run is measured by, and the split must be the one
    it is measured on, else the number means nothing."""
    row = Benchmark.objects.filter(repo=repo).first()
    tasks = {task.get("id"): task for task in row.tasks} if row else {}
    if not tasks:
        text = f"benchmark.repo: {repo.repo_id} is not a benchmark (it has no valid eval.yaml)."
        problems.append(Problem("benchmark.repo", text))
        return
    if spec.task_id not in tasks:
        known = ", ".join(str(name) for name in tasks)
        text = f"benchmark.task_id: {repo.repo_id} has no task {spec.task_id!r}; it has {known}."
        problems.append(Problem("benchmark.task_id", text))
        return
    metric = str(tasks[spec.task_id].get("metric") or "accuracy")
    measured = metrics_of(recipe.task, recipe.as_dict()["dataset"])
    if measured and metric not in measured:
        text = (
            f"benchmark.task_id: task {spec.task_id} of {repo.repo_id} is ranked by {metric}, but a run of "
            f"{recipe.task} is measured by {', '.join(measured)}."
        )
        problems.append(Problem("benchmark.task_id", text))
    split = tasks[spec.task_id].get("split")
    if split and split != spec.split:
        text = f"benchmark.split: task {spec.task_id} of {repo.repo_id} is measured on the split {split!r}."
        problems.append(Problem("benchmark.split", text))


def _exact(
    recipe: Recipe,
    base: tuple[Repo, str],
    data: tuple[Repo, str],
    bench: tuple[Repo, str] | None,
    problems: list[Problem],
) -> Recipe | None:
    """The recipe with ids and oids put in; checked again: two spellings of one id hide a contradiction."""
    changed = dataclasses.replace(
        recipe,
        base_model=BaseModelSpec(repo=base[0].repo_id, revision=base[1]),
        dataset=dataclasses.replace(recipe.dataset, repo=data[0].repo_id, revision=data[1]),
        benchmark=recipe.benchmark
        and bench
        and dataclasses.replace(recipe.benchmark, repo=bench[0].repo_id, revision=bench[1]),
    )
    try:
        return parse_recipe(changed.as_dict())
    except RecipeError as error:
        problems.extend(error.problems)
        return None
