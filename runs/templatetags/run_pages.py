"""What other pages show of runs: templates of `models_app` may use it, its code may not import runs."""

from __future__ import annotations

from typing import Any

from django import template

from models_app.models import Repo
from runs.models import ENDED, Run
from runs.queue import Place, place_of

register = template.Library()
SHOWN = 4


@register.inclusion_tag("runs/_latest.html", takes_context=True)
def latest_runs(context: dict[str, Any]) -> dict[str, Any]:
    """Runs going on now, then those that ended last."""
    runs = Run.objects.visible_to(context["request"].actor).for_pages()
    live = list(runs.active()[:SHOWN])
    return {"runs": [*live, *runs.filter(stage__in=ENDED).order_by("-finished_at")[: SHOWN + 1 - len(live)]]}


@register.inclusion_tag("runs/_of_repo.html", takes_context=True)
def runs_of(context: dict[str, Any], repo: Repo) -> dict[str, Any]:
    """The run that made this model (or is making it), newest first; `tuned`: how many began with it."""
    visible = Run.objects.visible_to(context["request"].actor).for_pages()
    tuned = visible.training().filter(base_repo=repo).count()
    return {"runs": visible.filter(target_repo=repo)[:SHOWN], "repo": repo, "tuned": tuned}


@register.simple_tag
def queue_place(run: Run) -> Place | None:
    """Where a waiting run is in the queue."""
    return place_of(run)
