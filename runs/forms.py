"""The fine-tune form: its fields are the recipe's fields, and the recipe is what judges them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from django import forms
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.fitting import tasks_for
from models_app.models import Repo
from models_app.views.support import writable_namespaces
from runs.choices import (
    DatasetFacts,
    benchmarks_for,
    datasets_for,
    facts_of,
    free_name,
    own_benchmark,
)
from runs.columns import columns_of
from runs.fields import data_fields, is_first, read_number
from runs.inherited import inherited_fields
from runs.pasting import TargetForm
from runs.plans import STRATEGY_NAMES, has_labels, plans_for, strategy_words, task_title
from training.recipe import TASK_DATA, Problem, RecipeError, parse_recipe
from training.remedies import OF_IMAGES

# Form field → the recipe's field, for what every task has. Numbers travel as text, so that the recipe's own
# words reach the person.
RECIPE_FIELDS = {
    "task": "task",
    "init": "init",
    "strategy": "strategy.kind",
    "stages": "strategy.stages",
    "lr_decay": "strategy.lr_decay",
    "dataset": "dataset.repo",
    "train_split": "dataset.train_split",
    "validation_split": "dataset.validation_split",
    "validation_fraction": "dataset.validation_fraction",
    "optimizer": "optim.name",
    "lr": "optim.lr",
    "weight_decay": "optim.weight_decay",
    "epochs": "optim.epochs",
    "batch_size": "optim.batch_size",
    "grad_accum_steps": "optim.grad_accum_steps",
    "warmup_fraction": "optim.warmup_fraction",
    "schedule": "optim.schedule",
    "label_smoothing": "optim.label_smoothing",
    "patience": "early_stopping.patience",
    "seed": "seed",
}
TEXT_FIELDS = ("dataset", "train_split", "validation_split")
# Problems of a part nobody types on its own belong to the field that chose it.
BELONGS_TO = {"benchmark": "benchmark", "dataset": "dataset", "target": "name", "flavor": "flavor"}
NO_BENCHMARK = ""
_DOTTED = re.compile(r"\b[a-z_]+\.[a-z_]+\b(?!\.\w)")
# A change of these draws the form again, because other fields and suggestions follow from them.
REDRAW = {
    "hx-get": "",
    "hx-trigger": "change",
    "hx-include": "closest form",
    "hx-target": "#finetune-fields",
    "hx-select": "#finetune-fields",
    "hx-swap": "outerHTML",
}
FOLLOWS_DATASET = "name,benchmark,train_split,validation_split,image_size"
FOLLOWS_TASK = "name,benchmark,strategy,lr_decay"


def _redraw(but: str = "") -> dict[str, str]:
    return REDRAW | {"hx-params": ",".join(filter(None, ("not csrfmiddlewaretoken", but)))}


def _number(label: Any, help_text: Any = "", *, initial: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.CharField(
        label=label, help_text=help_text, initial=initial, required=False, max_length=40, widget=widget
    )


def _select(label: Any, choices: list[tuple[str, Any]], help_text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, initial=choices[0][0])


class FinetuneForm(TargetForm):
    """Everything a recipe needs, the rarely changed folded away; an empty number means the computed one."""

    task = forms.ChoiceField(
        label=_("Task"), required=False, widget=forms.Select(attrs=_redraw(FOLLOWS_TASK))
    )
    dataset = forms.ChoiceField(label=_("Dataset"), widget=forms.Select(attrs=_redraw(FOLLOWS_DATASET)))
    strategy = forms.ChoiceField(label=_("What should learn?"), widget=forms.RadioSelect(attrs=_redraw()))
    epochs = _number(_("Epochs"), _("How often every training example is seen."))
    benchmark = forms.ChoiceField(
        label=_("Measure on"),
        required=False,
        help_text=_("The result appears on this benchmark's leaderboard."),
    )

    lr = _number(_("Learning rate"))
    batch_size = _number(_("Batch size"), _("Examples in one step."), initial="32")
    grad_accum_steps = _number(
        _("Accumulation"), _("Batches whose gradients are added up for one step."), initial="1"
    )
    optimizer = _select(_("Optimizer"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgd", "SGD")])
    schedule = _select(
        _("Schedule"),
        [
            ("cosine", _("Warm-up, then cosine")),
            ("linear", _("Warm-up, then linear")),
            ("constant", _("Warm-up, then constant")),
            ("one-cycle", _("One cycle")),
        ],
    )
    warmup_fraction = _number(
        _("Warm-up"), _("Part of the steps in which the learning rate rises."), initial="0.1"
    )
    weight_decay = _number(_("Weight decay"))
    label_smoothing = _number(_("Label smoothing"), initial="0")
    stages = _number(
        _("Stages that learn"), _("For “the last stages”: how many, counted from the head."), initial="1"
    )
    lr_decay = _number(_("Learning rate per stage"), _("Each stage below the head learns this much slower."))
    patience = _number(_("Early stopping"), _("Stop after this many epochs without progress. Empty: never."))
    init = _select(
        _("Start from"),
        [("pretrained", _("The pretrained weights")), ("scratch", _("Random weights (a baseline)"))],
    )
    train_split = forms.CharField(label=_("Training split"), required=False, max_length=100)
    validation_split = forms.CharField(
        label=_("Validation split"),
        required=False,
        max_length=100,
        help_text=_("Empty: a part of the training split."),
    )
    validation_fraction = _number(_("Part held out"), _("When there is no validation split."), initial="0.1")
    seed = _number(_("Seed"), _("The same seed gives the same model."), initial="0")

    def __init__(self, actor: Actor, base: Repo, data: Any = None, wanted: Any = None) -> None:
        """`data` is a submitted form; `wanted` are choices carried by the address (task, dataset, …)."""
        super().__init__(data, initial={})
        self.actor, self.base = actor, base
        given = data if data is not None else (wanted or {})
        fitting = tasks_for(base, getattr(base, "card", None))
        self.is_known, tasks = bool(fitting), fitting or list(TASK_DATA)
        self.current_task: str = given["task"] if given.get("task") in tasks else tasks[0]
        self.offer("task", [(task, task_title(task)) for task in tasks])
        self.plans = plans_for(self.current_task)
        self._add_data_fields()
        self.datasets = {repo.repo_id: repo for repo in datasets_for(actor, self.current_task)}
        self.benchmarks = benchmarks_for(actor, self.current_task)
        self.offer("strategy", [(kind, STRATEGY_NAMES[kind]) for kind in self.plans])
        self.offer_targets(actor)
        titles = [(name, facts_of(repo).title(self.current_task)) for name, repo in self.datasets.items()]
        self.offer("dataset", titles)
        nothing = (NO_BENCHMARK, pgettext("benchmark", "Nothing, only the validation part"))
        self.offer("benchmark", [*((b.key, b.title) for b in self.benchmarks), nothing])
        self._suggest(given)

    def _add_data_fields(self) -> None:
        """The fields of the task's own data; numbers of images only where there are some."""
        self.data_fields = {field.name: field for field in data_fields(self.current_task)}
        self.fields |= {name: field.form_field() for name, field in self.data_fields.items()}
        if not has_labels(self.current_task):
            del self.fields["label_smoothing"]

    def _suggest(self, given: Mapping[str, str]) -> None:
        """Fill in what follows from the data set and the strategy, where nothing else was chosen."""
        self.facts = self._facts(given.get("dataset"))
        kind = given.get("strategy") if given.get("strategy") in self.plans else next(iter(self.plans))
        plan = self.plans[str(kind)]
        names = ("epochs", "lr", "lr_decay", "weight_decay")
        self.automatic: dict[str, Any] = {name: getattr(plan, name) for name in names}
        owner = given.get("namespace") or next(iter(writable_namespaces(self.actor)), "")
        self.initial.update(namespace=owner, task=self.current_task, strategy=kind)
        if self.facts is not None:
            self.automatic["train_split"] = self.facts.train_split
            # A shared recipe that names no size means the base's own.
            if self.current_task in OF_IMAGES and not given.get("follows"):
                self.automatic["image_size"] = self.facts.suggested_size(plan)
            self.initial.update(self._following(self.facts))
        self.initial["name"] = free_name(owner, self.base, self.facts.repo if self.facts else None)
        if not self.is_bound:
            data = self.facts.repo if self.facts else None
            own = inherited_fields(self.actor, self.base, self.current_task, self.data_fields, data)
            self.initial.update(own)
            chosen = {"task": self.current_task, "strategy": kind}
            carried = {name: given[name] for name in given if self._takes(name, given[name])}
            self.initial.update(carried | chosen)
        for name, value in self.automatic.items():
            text = gettext("automatic: %(value)s") % {"value": _shown(value)}
            self.fields[name].widget.attrs["placeholder"] = text

    def _takes(self, name: str, value: str) -> bool:
        """Whether the field is there and, of choices, offers this one: another task has other boards."""
        field = self.fields.get(name)
        if isinstance(field, forms.ChoiceField):
            return field.valid_value(value)
        return field is not None

    def _following(self, facts: DatasetFacts) -> dict[str, str]:
        own = own_benchmark(facts, self.benchmarks)
        return {
            "dataset": facts.repo.repo_id,
            "benchmark": own.key if own else NO_BENCHMARK,
            "validation_split": facts.validation_split,
        }

    @property
    def column_names(self) -> list[str]:
        """Names of the chosen data set's columns, to be suggested; empty where they cannot be told."""
        return columns_of(self.actor, self.facts.repo) if self.facts else []

    def _facts(self, wanted: str | None) -> DatasetFacts | None:
        repo = self.datasets.get(wanted or "") or next(iter(self.datasets.values()), None)
        return facts_of(repo) if repo is not None else None

    @property
    def strategies(self) -> list[tuple[Any, Any]]:
        """Each radio button of the strategy with what it means for this task."""
        return [(radio, strategy_words(self.current_task, radio.data["value"])) for radio in self["strategy"]]

    @property
    def folded_wrong(self) -> bool:
        """Whether something is wrong inside the folded part, which then stands open."""
        return any(field.errors for field in self.folded())

    def first(self) -> list[forms.BoundField]:
        """The task's own fields that stand in the open."""
        fields = self.data_fields.values()
        return [self[field.name] for field in fields if is_first(self.current_task, field)]

    def folded(self) -> list[forms.BoundField]:
        """The fields that are rarely changed, in the order shown."""
        own = [field.name for field in self.data_fields.values() if not is_first(self.current_task, field)]
        names = (
            "lr", "batch_size", "grad_accum_steps", *own, "optimizer", "schedule", "warmup_fraction",
            "weight_decay", "label_smoothing", "patience", "stages", "lr_decay", "init", "seed",
            "train_split", "validation_split", "validation_fraction", "flavor",
        )  # fmt: skip
        return [self[name] for name in names if name in self.fields]

    def clean_task(self) -> str:
        """A form without the field is about the base's first task."""
        return str(self.cleaned_data.get("task") or self.current_task)

    def clean(self) -> dict[str, Any]:
        """Build the recipe; every problem goes beside the field it is about."""
        cleaned = super().clean() or {}
        try:
            self.recipe = parse_recipe(self.plain(cleaned))
        except RecipeError as error:
            self.add_problems(error.problems)
        return cleaned

    def as_yaml(self) -> str:
        """What is filled in so far as a recipe's text, right or wrong."""
        return yaml.safe_dump(self.so_far(), sort_keys=False, allow_unicode=True)

    def so_far(self) -> dict[str, Any]:
        """What is filled in as a recipe's mapping, right or wrong."""
        given = {name: self[name].value() for name in self.fields}
        return self.plain({name: value for name, value in given.items() if value is not None})

    def plain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe as a mapping, from texts by form field; what is empty is computed or left out."""
        plain: dict[str, Any] = {"task": self.current_task, "base_model": {"repo": self.base.repo_id}}
        plain["dataset"] = {"repo": given.get("dataset") or self.data.get("dataset", "")}
        for name, path in RECIPE_FIELDS.items():
            value = given.get(name, "")
            value = _read(name, value) if value != "" else self.automatic.get(name, "")
            if value != "" and name in self.fields:
                section, _dot, leaf = path.rpartition(".")
                (plain.setdefault(section, {}) if section else plain)[leaf] = value
        for name, field in self.data_fields.items():
            value = given.get(name, "")
            if value == "" or value is None:
                value = self.automatic.get(name, "")
            if value != "" and value != field.default:
                plain["dataset"][name] = field.read(value)
        chosen = next((b for b in self.benchmarks if b.key == given.get("benchmark")), None)
        if chosen:
            plain["benchmark"] = {"repo": chosen.repo_id, "task_id": chosen.task_id, "split": chosen.split}
        return plain

    def add_problems(self, problems: list[Problem]) -> None:
        """Put each problem beside its field, in the field's own name instead of the recipe's."""
        for problem in problems:
            name = self.field_of(problem.field)
            if name not in self.errors:
                self.add_error(name, self.words_of(problem))

    @property
    def by_path(self) -> dict[str, str]:
        """The form's field for each field of the recipe that has one here."""
        paths = {path: name for name, path in RECIPE_FIELDS.items()}
        paths |= {f"dataset.{name}": name for name in self.data_fields}
        return {path: name for path, name in paths.items() if name in self.fields}

    def field_of(self, path: str) -> str | None:
        """The form's field for a field of the recipe, or for the part it belongs to; None without one."""
        name = self.by_path.get(path) or BELONGS_TO.get(path.split(".")[0])
        return name if name in self.fields else None

    def words_of(self, problem: Problem) -> str:
        """The problem's sentence with the form's labels for the recipe's names."""
        labels = {path: str(self.fields[name].label) for path, name in self.by_path.items()}
        text = problem.message.removeprefix(f"{problem.field}: ")
        text = _DOTTED.sub(lambda found: labels.get(found[0], found[0]), text)
        name = self.field_of(problem.field)
        if name is not None:
            text = text.replace(problem.field, str(self.fields[name].label), 1)
        return text[:1].upper() + text[1:]


def _read(name: str, value: Any) -> Any:
    return value if name in TEXT_FIELDS else read_number(value)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
