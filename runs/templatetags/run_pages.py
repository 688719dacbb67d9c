"""What other pages show of runs: templates of `models_app` may use it, its code may not import runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from models_app.models import Repo
from runs import diagnoses, reviving
from runs.doctor import Diagnosis
from runs.models import ENDED, Kind, Run, Stage
from runs.patient import Action
from runs.queue import Place, place_of
from runs.timeline import activity_words

register = template.Library()
register.filter(activity_words)
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


@register.inclusion_tag("runs/_under_way.html", takes_context=True)
def under_way(context: dict[str, Any], repo: Repo) -> dict[str, Any]:
    """The run that is going to publish here; None where none is."""
    visible = Run.objects.visible_to(context["request"].actor)
    return {"run": visible.active().filter(target_repo=repo).order_by("-pk").first()}


@register.inclusion_tag("runs/_made_from.html", takes_context=True)
def made_from(context: dict[str, Any], children: Iterable[Repo]) -> dict[str, Any]:
    """Models made from a model, or trained on a data set, each with the run that made it and its score."""
    repos = list(children)
    visible = Run.objects.visible_to(context["request"].actor)
    done = visible.filter(target_repo__in=repos, stage=Stage.COMPLETED).order_by("finished_at")
    made_by = {run.target_repo_id: run for run in done}
    return {"rows": [(repo, made_by.get(repo.pk)) for repo in repos]}


@register.simple_tag
def diagnosis_of(run: Run) -> Diagnosis | None:
    """What a failed run died of."""
    return diagnoses.diagnosis_of(run)


@register.simple_tag
def form_address(run: Run, action: Action) -> str:
    """Where the doctor's change stands in the form."""
    return diagnoses.form_address(run, action)


@register.simple_tag
def ways_again(run: Run) -> dict[str, bool]:
    """Which buttons an ended run has: resume from its checkpoint, retry from the start."""
    failed = run.stage in reviving.FAILED and run.kind == Kind.TRAIN
    return {"resume": not reviving.why_not(run), "retry": failed and run.target_repo_id is not None}


@register.simple_tag
def queue_place(run: Run) -> Place | None:
    """Where a waiting run is in the queue."""
    return place_of(run)
