"""A newcomer's way through the five stages: what was chosen, how far it leads, what a change undoes.

`Guide.data` holds what was chosen: `model` and `dataset` ({"pk", "name"}), `task`, `form` (the fields of the
third stage as text), `tries` (runs started so far). A repo may be gone or hidden when it is read again.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from models_app.access import LoginRequired, NotThere, Refusal, check_repo
from models_app.fitting import tasks_for
from models_app.models import Repo
from runs.choices import datasets_for
from runs.models import Guide, GuideStage, Run, Stage

STAGES = tuple(GuideStage.values)
MAX_OPEN = 20
# What nobody has touched for so long leads nowhere any more.
FORGOTTEN = timedelta(days=90)


class TooManyGuides(Refusal):
    """The person has as many open ways as the hub keeps for one."""


@dataclass(frozen=True)
class Way:
    """A guide with what its choices lead to now. `lost`: the first stage whose choice is gone, its name."""

    guide: Guide
    model: Repo | None
    dataset: Repo | None
    task: str
    lost: tuple[str, str] | None = None

    @property
    def run(self) -> Run | None:
        return self.guide.run

    @property
    def reached(self) -> str:
        """The furthest stage that can be opened."""
        run = self.guide.run
        if run is not None:
            return GuideStage.PUBLISH if run.stage == Stage.COMPLETED else GuideStage.EVALUATE
        if self.model is None:
            return GuideStage.MODEL
        return GuideStage.DATA if self.dataset is None else GuideStage.TUNE

    def may_open(self, stage: str) -> bool:
        """Whether everything that the stage needs is there."""
        return STAGES.index(stage) <= STAGES.index(self.reached)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The five, each with what was chosen there."""
        run = self.guide.run
        made = run.target_repo.repo_id if run is not None and run.target_repo is not None else ""
        chosen = {
            GuideStage.MODEL: self.model.repo_id if self.model else "",
            GuideStage.DATA: self.dataset.repo_id if self.dataset else "",
            GuideStage.TUNE: made,
            GuideStage.EVALUATE: "",
            GuideStage.PUBLISH: made if self.guide.finished_at else "",
        }
        return [
            {"stage": stage, "chosen": chosen[GuideStage(stage)], "is_open": self.may_open(stage)}
            for stage in STAGES
        ]


def open_guides(user: User) -> QuerySet[Guide]:
    """Ways that were begun and not finished, the latest first."""
    newer = timezone.now() - FORGOTTEN
    rows = Guide.objects.filter(user=user, finished_at=None, updated_at__gt=newer)
    return rows.select_related("run__target_repo__namespace").order_by("-updated_at", "-pk")


def begin(actor: Actor) -> Guide:
    """A new way. One that nothing was chosen in yet is taken instead, so that a second press makes no second.

    Raises LoginRequired or TooManyGuides.
    """
    if actor.user is None:
        raise LoginRequired("Sign in to begin.")
    with transaction.atomic():
        User.objects.select_for_update().filter(pk=actor.user.pk).first()
        empty = open_guides(actor.user).filter(data={}, run=None).first()
        if empty is not None:
            return empty
        if open_guides(actor.user).count() >= MAX_OPEN:
            raise TooManyGuides(f"You have {MAX_OPEN} open ways; finish or discard one of them first.")
        return Guide.objects.create(user=actor.user)


def access_guide(actor: Actor, uuid: uuids.UUID) -> Guide:
    """The person's own; another's looks missing. Raises LoginRequired or NotThere."""
    if actor.user is None:
        raise LoginRequired("Sign in to go on.")
    rows = Guide.objects.select_related(
        "run__target_repo__namespace", "run__base_repo__namespace", "run__dataset_repo__namespace"
    )
    found = rows.filter(uuid=uuid, user=actor.user).first()
    if found is None:
        raise NotThere("There is no such guide.")
    return found


def way_of(actor: Actor, guide: Guide) -> Way:
    """What the choices lead to, as the actor may see it now."""
    model, dataset = _chosen(actor, guide, "model"), _chosen(actor, guide, "dataset")
    task, lost = str(guide.data.get("task", "")), None
    for stage, name, repo in (("model", "model", model), ("data", "dataset", dataset)):
        if lost is None and repo is None and name in guide.data:
            lost = (stage, str(guide.data[name]["name"]))
    if model is None:
        dataset = None  # what fits follows from the model
    return Way(guide, model, dataset, task, lost)


def _chosen(actor: Actor, guide: Guide, name: str) -> Repo | None:
    kept = guide.data.get(name)
    if not kept:
        return None
    rows = Repo.objects.visible_to(actor).select_related("namespace", "card").prefetch_related("tag_rows")
    return rows.filter(pk=kept["pk"], disabled_at=None).first()


def choose_model(actor: Actor, guide: Guide, model: Repo) -> list[str]:
    """Take this model; returns the stages that this undoes. Raises what the gate raises."""
    check_repo(actor, model)
    if guide.data.get("model", {}).get("pk") == model.pk:
        return []
    tasks = tasks_for(model, getattr(model, "card", None))
    kept = {"model": _kept(model), "tries": guide.data.get("tries", 0)}
    undone = undoes(guide, GuideStage.MODEL)
    task, data = guide.data.get("task", ""), _chosen(actor, guide, "dataset")
    if task in tasks and data is not None:  # the data stay where the new model learns the same from them
        kept |= {"task": task, "dataset": _kept(data)}
        undone = [stage for stage in undone if stage != GuideStage.DATA]
    _keep(guide, kept, GuideStage.DATA)
    return undone


def choose_data(actor: Actor, guide: Guide, task: str, data: Repo) -> list[str]:
    """Learn this task from these data; returns the stages that this undoes. Raises what the gate raises."""
    check_repo(actor, data)
    if guide.data.get("dataset", {}).get("pk") == data.pk and guide.data.get("task") == task:
        return []
    undone = undoes(guide, GuideStage.DATA)
    kept = {name: guide.data[name] for name in ("model", "tries") if name in guide.data}
    _keep(guide, kept | {"task": task, "dataset": _kept(data)}, GuideStage.TUNE)
    return undone


def keep_form(guide: Guide, fields: Mapping[str, str]) -> None:
    """What was filled in so far, so that it is there on any device."""
    _keep(guide, {**guide.data, "form": dict(fields)}, guide.stage, forget_run=False)


def undoes(guide: Guide, stage: str) -> list[str]:
    """The later stages that something was chosen or made in: what a change of this one takes back."""
    later = []
    if stage == GuideStage.MODEL and "dataset" in guide.data:
        later.append(str(GuideStage.DATA))
    if stage in (GuideStage.MODEL, GuideStage.DATA) and "form" in guide.data:
        later.append(str(GuideStage.TUNE))
    if guide.run_id is not None:
        later.append(str(GuideStage.EVALUATE))
    return later


def attach(guide: Guide, run: Run) -> None:
    """The run that this way is about from now on."""
    guide.run, guide.stage, guide.finished_at = run, GuideStage.EVALUATE, None
    # The next run needs a name of its own.
    form = {name: value for name, value in guide.data.get("form", {}).items() if name != "name"}
    guide.data = {**guide.data, "form": form, "tries": int(guide.data.get("tries", 0)) + 1}
    guide.updated_at = timezone.now()
    guide.save(update_fields=["run", "stage", "data", "updated_at", "finished_at"])


def finish(guide: Guide) -> None:
    """It has led where it leads."""
    guide.stage, guide.finished_at = GuideStage.PUBLISH, timezone.now()
    guide.updated_at = guide.finished_at
    guide.save(update_fields=["stage", "finished_at", "updated_at"])


def visited(guide: Guide, stage: str) -> None:
    """Where it will be taken up again."""
    if guide.stage != stage:
        guide.stage, guide.updated_at = stage, timezone.now()
        guide.save(update_fields=["stage", "updated_at"])


def fits_task(actor: Actor, task: str, data: Repo) -> bool:
    """Whether the data are among those that the form will offer for the task."""
    return any(repo.pk == data.pk for repo in datasets_for(actor, task))


def _kept(repo: Repo) -> dict[str, Any]:
    return {"pk": repo.pk, "name": repo.repo_id}


def _keep(guide: Guide, data: dict[str, Any], stage: str, *, forget_run: bool = True) -> None:
    guide.data, guide.stage, guide.updated_at = data, stage, timezone.now()
    if forget_run:
        guide.run, guide.finished_at = None, None
    guide.save(update_fields=["data", "stage", "updated_at", "run", "finished_at"])
