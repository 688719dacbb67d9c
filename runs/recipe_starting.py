"""Where a recipe begins: the first text of a new one, and a shared one made ready for other data."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from accounts.actor import Actor
from models_app.access import Refusal, access_repo
from models_app.files import git_store
from models_app.fitting import tasks_for
from models_app.models import Repo, RepoType
from models_app.storage.errors import RevisionNotFound
from runs.again import form_of, without_commits
from runs.choices import benchmarks_for, facts_of, own_benchmark
from runs.columns import columns_of
from runs.fields import data_fields
from runs.forms import FinetuneForm
from runs.pasting import RecipeForm, TargetForm
from runs.plans import plans_for
from runs.recipe_source import Source, text_at
from runs.recipe_text import text_of
from training.recipe import TASK_DATA, WITHOUT_BASE, RecipeError, parse_recipe

MAX_BASES = 200
# Their nets stand beside a base; of other tasks `network` is in its place.
_BESIDE = ("multimodal-classification", "semantic-segmentation", "object-detection")

_BEGINNING = """# What this recipe is for, in a line.
task: {task}
base_model:
  repo:
dataset:
  repo:
{data}strategy:
  kind: {kind}
optim:
  lr: {lr}
  epochs: {epochs}
"""


def starting_text(task: str) -> str:
    """A recipe to be filled in, with the numbers that are usual for the task."""
    known = task if task in TASK_DATA else "image-classification"
    kind, plan = next(iter(plans_for(known).items()))
    data = "  target_column:\n" if known in WITHOUT_BASE[:2] else ""
    return _BEGINNING.format(task=known, data=data, kind=kind, lr=f"{plan.lr:g}", epochs=plan.epochs)


def text_of_model(actor: Actor, repo_id: str) -> str:
    """The recipe that made a model, for the newest commits; empty without one. Raises the gate's refusals."""
    repo = access_repo(actor, RepoType.MODEL, repo_id)
    text, _oid = text_at(repo, repo.default_branch)
    try:
        return text_of(without_commits(parse_recipe(text or "").as_dict()))
    except RecipeError:
        return ""


def bases_for(actor: Actor, task: str) -> list[Repo]:
    """Models that can be fine-tuned for the task, of the newest two hundred: the actor's own first."""
    seen = Repo.objects.visible_to(actor).models().filter(disabled_at=None).for_lists()
    rows = seen.defer("card__html", "card__siblings", "card__search_text").order_by("-last_modified", "-pk")
    fitting = [repo for repo in rows[:MAX_BASES] if task in tasks_for(repo, getattr(repo, "card", None))]
    return sorted(fitting, key=lambda repo: repo.namespace_id not in actor.namespace_levels)


def adapted(actor: Actor, source: Source, base: Repo, data: Repo) -> dict[str, Any]:
    """The recipe for another base and other data: what names things that are not there is left out."""
    spec = without_commits(copy.deepcopy(source.facts.spec))
    task = str(spec["task"])
    spec["base_model"] = {"repo": base.repo_id, "revision": None}
    if task not in _BESIDE:
        spec["network"] = None
    spec["study"] = None
    facts = facts_of(data)
    dataset = spec["dataset"]
    if dataset["repo"].lower() != data.repo_id.lower():
        _drop_columns(dataset, task, columns_of(actor, data))
        if facts.splits and dataset["train_split"] not in facts.splits:
            dataset["train_split"] = facts.train_split
        if facts.splits and dataset["validation_split"] not in facts.splits:
            dataset["validation_split"] = None if dataset["folds"] else facts.validation_split or None
        board = own_benchmark(facts, benchmarks_for(actor, task))
        spec["benchmark"] = board and {"repo": board.repo_id, "task_id": board.task_id, "split": board.split}
    dataset["repo"] = data.repo_id
    return spec


def _drop_columns(dataset: dict[str, Any], task: str, known: list[str]) -> None:
    """Columns that the data have not got back to their defaults; nothing where it cannot be told."""
    for field in data_fields(task):
        value = dataset.get(field.name)
        if not known or not field.names_columns or value is None:
            continue
        names = value if isinstance(value, list) else [value]
        if not all(name in known for name in names):
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            dataset[field.name] = "" if field.is_required else default


def started(actor: Actor, source: Source, base: Repo, data: Repo) -> TargetForm:
    """The fine-tune form filled in by a shared recipe, or its text where the form has no field for it."""
    spec = adapted(actor, source, base, data)
    beside = {"follows": f"{source.recipe_id}@{source.oid}"}
    form: TargetForm | None = form_of(actor, base, spec, beside)
    if form is None:
        plain = FinetuneForm(actor, base, wanted={"dataset": data.repo_id})
        kept = {name: plain[name].value() for name in ("namespace", "name", "flavor")}
        form = RecipeForm(actor, initial={**kept, **beside, "text": text_of(spec)})
    return form


def followed(actor: Actor, text: str) -> tuple[Repo | None, str]:
    """The shared recipe that a form names as `namespace/name@commit`, and the commit; (None, "") for one that
    is gone, or hidden by now: that is no reason to refuse the run."""
    recipe_id, _, oid = text.partition("@")
    if recipe_id.count("/") != 1:
        return None, ""
    try:
        repo = access_repo(actor, RepoType.RECIPE, recipe_id)
        return repo, git_store(repo).resolve(oid or repo.default_branch)
    except (Refusal, RevisionNotFound):
        return None, ""


def first_of(rows: list[Repo], wanted: str) -> Mapping[str, Repo]:
    """By id, the wanted one first where it is among them."""
    return {repo.repo_id: repo for repo in sorted(rows, key=lambda repo: repo.repo_id != wanted)}
