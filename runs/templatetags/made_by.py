"""How a model was trained, for its page: the curves of the run that made it, and what its recipe set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext as _

from models_app.models import Repo
from models_app.templatetags.hub import duration, file_size, is_share, metric_label
from runs.curves import first_curves
from runs.models import Kind, Run, Stage
from runs.progress import seconds_taken

register = template.Library()
MAX_CURVES = 2


@register.inclusion_tag("runs/_training.html", takes_context=True)
def training_of(context: dict[str, Any], repo: Repo) -> dict[str, Any]:
    """The newest completed training run that published here, if the reader may see it; two queries."""
    rows = Run.objects.visible_to(context["request"].actor).for_pages()
    made = rows.filter(target_repo=repo, stage=Stage.COMPLETED, kind=Kind.TRAIN)
    run = made.order_by("-finished_at", "-pk").first()
    if run is None:
        return {"run": None}
    curves = [
        {"name": name, "title": _capital(metric_label(name)), "format": "percent" if is_share(name) else ""}
        for name in first_curves(run)[:MAX_CURVES]
    ]
    seen = Repo.objects.visible_to(context["request"].actor).select_related("namespace")
    known = {repo.pk: repo for repo in seen.filter(pk__in=[run.recipe_repo_id or 0, run.base_repo_id or 0])}
    return {
        "run": run,
        "curves": curves,
        "settings": settings_of(run),
        "recipe_repo": known.get(run.recipe_repo_id or 0),
        "base": known.get(run.base_repo_id or 0),
    }


def settings_of(run: Run) -> list[tuple[str, str]]:
    """(words, value) of what people ask first about a recipe."""
    recipe = run.recipe
    optim, strategy = _section(recipe, "optim"), _section(recipe, "strategy")
    rows: list[tuple[str, Any]] = [
        (_("Task"), recipe.get("task")),
        (_("What learned"), strategy.get("kind")),
        (_("Optimizer"), optim.get("name")),
        (_("Learning rate"), optim.get("lr")),
        (_("Schedule"), optim.get("schedule")),
        (_("Epochs"), optim.get("epochs")),
        (_("Batch size"), optim.get("batch_size")),
        (_("Weight decay"), optim.get("weight_decay")),
        (_("Precision"), recipe.get("precision")),
        (_("Seed"), recipe.get("seed")),
        (_("Hardware"), run.flavor),
        (_("Time"), duration(seconds_taken(run))),
        (_("Peak memory"), file_size(_section(run.summary, "resources").get("peak_memory_bytes"))),
    ]
    return [(name, _told(value)) for name, value in rows if value not in (None, "")]


def _section(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _told(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:80]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
