"""The fine-tune form: its fields are the recipe's fields, and the recipe is what judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.repos import check_repo_name
from models_app.models import Repo
from models_app.views.support import writable_namespaces
from runs.choices import (
    PLANS,
    DatasetFacts,
    benchmarks_for,
    datasets_for,
    facts_of,
    flavors_served,
    free_name,
    own_benchmark,
)
from runs.flavors import DEFAULT_FLAVOR
from training.recipe import Problem, Recipe, RecipeError, parse_recipe

# Form field → the recipe's field. Numbers travel as text, so that the recipe's own words reach the person.
RECIPE_FIELDS = {
    "init": "init",
    "strategy": "strategy.kind",
    "stages": "strategy.stages",
    "lr_decay": "strategy.lr_decay",
    "dataset": "dataset.repo",
    "train_split": "dataset.train_split",
    "validation_split": "dataset.validation_split",
    "validation_fraction": "dataset.validation_fraction",
    "image_size": "dataset.image_size",
    "max_train_images": "dataset.max_train_images",
    "augment": "dataset.augment",
    "optimizer": "optim.name",
    "lr": "optim.lr",
    "weight_decay": "optim.weight_decay",
    "epochs": "optim.epochs",
    "batch_size": "optim.batch_size",
    "warmup_fraction": "optim.warmup_fraction",
    "schedule": "optim.schedule",
    "label_smoothing": "optim.label_smoothing",
    "patience": "early_stopping.patience",
    "seed": "seed",
}
# Problems of a part nobody types on its own belong to the field that chose it.
BELONGS_TO = {"benchmark": "benchmark", "dataset": "dataset", "target": "name", "flavor": "flavor"}
NO_BENCHMARK = ""
# A change of these draws the form again, because other suggestions follow from them.
REDRAW = {
    "hx-get": "",
    "hx-trigger": "change",
    "hx-include": "closest form",
    "hx-target": "#finetune-fields",
    "hx-select": "#finetune-fields",
    "hx-swap": "outerHTML",
}
FOLLOWS_DATASET = "name,benchmark,train_split,validation_split,image_size"


def _number(label: Any, help_text: Any = "", *, initial: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.CharField(
        label=label, help_text=help_text, initial=initial, required=False, max_length=40, widget=widget
    )


def _select(label: Any, choices: list[tuple[str, Any]], help_text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, initial=choices[0][0])


class FinetuneForm(forms.Form):
    """Everything a recipe needs, the rarely changed folded away; an empty number means the computed one."""

    dataset = forms.ChoiceField(
        label=_("Dataset"),
        widget=forms.Select(attrs=REDRAW | {"hx-params": f"not csrfmiddlewaretoken,{FOLLOWS_DATASET}"}),
    )
    strategy = forms.ChoiceField(
        label=_("What should learn?"),
        widget=forms.RadioSelect(attrs=REDRAW | {"hx-params": "not csrfmiddlewaretoken"}),
        initial="head",
        choices=[
            ("head", _("Only the head")),
            ("last-stages", _("The last stages")),
            ("full", _("Everything")),
        ],
    )
    epochs = _number(_("Epochs"), _("How often every image is seen."))
    benchmark = forms.ChoiceField(
        label=_("Measure on"),
        required=False,
        help_text=_("The result appears on this benchmark's leaderboard."),
    )
    namespace = forms.ChoiceField(label=_("Owner"), widget=forms.Select(attrs={"aria-label": _("Owner")}))
    name = forms.CharField(label=_("Name of the result"), max_length=96)
    is_private = forms.BooleanField(label=_("Only I, or my organization, may see the result"), required=False)

    lr = _number(_("Learning rate"))
    batch_size = _number(_("Batch size"), _("Images in one step."), initial="32")
    image_size = _number(_("Image size"), _("Edge in pixels the images are brought to."))
    optimizer = _select(_("Optimizer"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgd", "SGD")])
    schedule = _select(
        _("Schedule"), [("cosine", _("Warm-up, then cosine")), ("constant", _("Warm-up, then constant"))]
    )
    warmup_fraction = _number(
        _("Warm-up"), _("Part of the steps in which the learning rate rises."), initial="0.1"
    )
    weight_decay = _number(_("Weight decay"))
    label_smoothing = _number(_("Label smoothing"), initial="0")
    augment = _select(
        _("Augmentation"),
        [
            ("none", _("None")),
            ("light", _("Light: shift, scale")),
            ("strong", _("Strong: also colour, erase")),
        ],
    )
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
    max_train_images = _number(_("Use at most"), _("Training images. Empty: all of them."))
    seed = _number(_("Seed"), _("The same seed gives the same model."), initial="0")
    flavor = forms.ChoiceField(label=_("Hardware"))

    def __init__(self, actor: Actor, base: Repo, data: Any = None, wanted: Any = None) -> None:
        """`data` is a submitted form; `wanted` are choices carried by the address (dataset, strategy, …)."""
        super().__init__(data, initial={})
        self.actor, self.base = actor, base
        self.datasets = {repo.repo_id: repo for repo in datasets_for(actor)}
        self.benchmarks = benchmarks_for(actor)
        self._offer("dataset", [(name, facts_of(repo).title) for name, repo in self.datasets.items()])
        self._offer("namespace", [(name, name) for name in writable_namespaces(actor)])
        self._offer("flavor", [(f.name, f"{f.title}: {f.hardware}") for f in flavors_served()])
        nothing = (NO_BENCHMARK, pgettext("benchmark", "Nothing, only the validation part"))
        self._offer("benchmark", [*((b.key, b.title) for b in self.benchmarks), nothing])
        self._suggest(data if data is not None else (wanted or {}))

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def _suggest(self, given: Mapping[str, str]) -> None:
        """Fill in what follows from the data set and the strategy, where nothing else was chosen."""
        self.facts = self._facts(given.get("dataset"))
        plan = PLANS.get(given.get("strategy") or "head", PLANS["head"])
        names = ("epochs", "lr", "lr_decay", "weight_decay")
        self.automatic: dict[str, Any] = {name: getattr(plan, name) for name in names}
        owner = given.get("namespace") or next(iter(writable_namespaces(self.actor)), "")
        self.initial.update(namespace=owner, flavor=DEFAULT_FLAVOR)
        if self.facts is not None:
            size = self.facts.suggested_size(plan)
            self.automatic |= {"image_size": size, "train_split": self.facts.train_split}
            self.initial.update(self._following(self.facts))
        self.initial["name"] = free_name(owner, self.base, self.facts.repo if self.facts else None)
        if not self.is_bound:
            self.initial.update({name: given[name] for name in given if name in self.fields})
        for name, value in self.automatic.items():
            text = gettext("automatic: %(value)s") % {"value": _shown(value)}
            self.fields[name].widget.attrs["placeholder"] = text

    def _following(self, facts: DatasetFacts) -> dict[str, str]:
        own = own_benchmark(facts, self.benchmarks)
        return {
            "dataset": facts.repo.repo_id,
            "benchmark": own.key if own else NO_BENCHMARK,
            "validation_split": facts.validation_split,
        }

    def _facts(self, wanted: str | None) -> DatasetFacts | None:
        repo = self.datasets.get(wanted or "") or next(iter(self.datasets.values()), None)
        return facts_of(repo) if repo is not None else None

    @property
    def folded_wrong(self) -> bool:
        """Whether something is wrong inside the folded part, which then stands open."""
        return any(field.errors for field in self.folded())

    def folded(self) -> list[forms.BoundField]:
        """The fields that are rarely changed, in the order shown."""
        names = (
            "lr", "batch_size", "image_size", "optimizer", "schedule", "warmup_fraction", "weight_decay",
            "label_smoothing", "augment", "patience", "stages", "lr_decay", "init", "seed", "train_split",
            "validation_split", "validation_fraction", "max_train_images", "flavor",
        )  # fmt: skip
        return [self[name] for name in names]

    def clean_name(self) -> str:
        """The rule of repo names, told together with everything else."""
        try:
            return check_repo_name(self.cleaned_data["name"])
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean(self) -> dict[str, Any]:
        """Build the recipe; every problem goes beside the field it is about."""
        cleaned = super().clean() or {}
        try:
            self.recipe: Recipe = parse_recipe(self._plain(cleaned))
        except RecipeError as error:
            self.add_problems(error.problems)
        return cleaned

    def _plain(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = {"base_model": {"repo": self.base.repo_id}}
        for name, path in RECIPE_FIELDS.items():
            value = cleaned.get(name, "")
            value = _read(value) if value != "" else self.automatic.get(name, "")
            if value != "":
                section, _dot, leaf = path.rpartition(".")
                (plain.setdefault(section, {}) if section else plain)[leaf] = value
        plain["dataset"]["repo"] = cleaned.get("dataset") or self.data.get("dataset", "")
        chosen = next((b for b in self.benchmarks if b.key == cleaned.get("benchmark")), None)
        if chosen:
            plain["benchmark"] = {"repo": chosen.repo_id, "task_id": chosen.task_id, "split": chosen.split}
        return plain

    def add_problems(self, problems: list[Problem]) -> None:
        """Put each problem beside its field, in the field's own name instead of the recipe's."""
        by_path = {path: name for name, path in RECIPE_FIELDS.items()}
        for problem in problems:
            name = by_path.get(problem.field) or BELONGS_TO.get(problem.field.split(".")[0])
            if name in self.errors:
                continue
            text = problem.message.removeprefix(f"{problem.field}: ")
            if name is not None:
                text = text.replace(problem.field, str(self.fields[name].label), 1)
            self.add_error(name, text[:1].upper() + text[1:])


def _read(text: Any) -> Any:
    """A number if it is one; else the text as it is, so that the recipe can say what is wrong with it."""
    if not isinstance(text, str):
        return text
    for reader in (int, float):
        try:
            return reader(text.replace(",", ".") if reader is float else text)
        except ValueError:
            continue
    return text


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
