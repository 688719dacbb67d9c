"""What the start page shows of fine-tuning: models that came out of runs lately."""

from __future__ import annotations

from typing import Any

from django import template

from models_app.models import Repo
from runs.models import Run, Stage

register = template.Library()
SHOWN = 4
# So many of the last runs are looked through: several may have made the same model.
_READ = 40


@register.inclusion_tag("runs/_tuned.html", takes_context=True)
def recently_tuned(context: dict[str, Any], most: int = SHOWN) -> dict[str, Any]:
    """The last runs that made a model which the reader may see, one for each model."""
    rows = Run.objects.training().filter(stage=Stage.COMPLETED, target_repo__isnull=False)
    runs = list(rows.for_pages().order_by("-finished_at", "-pk")[:_READ])
    actor = context["request"].actor
    wanted = {run.target_repo_id for run in runs if run.target_repo_id is not None}
    seen = set(Repo.objects.visible_to(actor).filter(pk__in=wanted).values_list("pk", flat=True))
    found: dict[int, Run] = {}
    for run in runs:
        if run.target_repo_id is not None and run.target_repo_id in seen and len(found) < most:
            found.setdefault(run.target_repo_id, run)
    return {"runs": list(found.values())}
