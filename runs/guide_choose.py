"""The first two stages: a model, then data that it can learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.fitting import tasks_for
from models_app.models import Repo
from models_app.views.support import HubRequest
from runs import guides
from runs.choices import MAX_OFFERED, datasets_for, facts_of
from runs.guide_bases import bases_to_begin_with
from runs.guide_report import report_of
from runs.guide_upload_forms import UploadForm, can_upload
from runs.guide_views import shown, stage, stage_address, tell_undone
from runs.guides import Way
from runs.models import GuideStage
from runs.plans import task_title

SHOWN = 12
LONGEST_QUERY = 100


@dataclass(frozen=True)
class Choice:
    """One repo to choose; `words` is what is known of it, `children` how many were made from it."""

    repo: Repo
    words: str
    is_chosen: bool
    children: int = 0


@stage(GuideStage.MODEL)
def model(request: HubRequest, way: Way) -> HttpResponse:
    """Models that can be fine-tuned here; POST takes one."""
    problem = ""
    if request.method == "POST":
        found = _repo(request.actor, request.POST.get("model", ""), "model")
        problem = _why_not(found)
        if found is not None and not problem:
            try:
                tell_undone(request, guides.choose_model(request.actor, way.guide, found))
                return HttpResponseRedirect(stage_address(way.guide.uuid, GuideStage.DATA))
            except Refusal as refusal:
                problem = refusal.message
    asked = _asked(request)
    wanted = request.POST.get("model") or request.GET.get("model") or str(way.model.pk if way.model else "")
    choices = _models(request.actor, asked, wanted)
    context = {"choices": choices, "query": asked, "problem": problem, "is_cut": len(choices) >= SHOWN}
    return shown(request, way, GuideStage.MODEL, context, status=422 if problem else 200)


def _why_not(found: Repo | None) -> str:
    if found is None:
        return gettext("Choose one of the models.")
    if not tasks_for(found, getattr(found, "card", None)):
        return gettext("Its card does not say what it does, so it is not known what it could learn.")
    return ""


def _models(actor: Actor, asked: str, wanted: str) -> list[Choice]:
    found = bases_to_begin_with(actor, asked, SHOWN)
    chosen = _repo(actor, wanted, "model")
    if chosen is not None and chosen not in [repo for repo, _children in found]:
        found.insert(0, (chosen, 0))
    return [Choice(repo, _model_words(repo), str(repo.pk) == wanted, children) for repo, children in found]


def _model_words(repo: Repo) -> str:
    tasks = tasks_for(repo, getattr(repo, "card", None))
    return " · ".join(task_title(task).rpartition(" (")[0] or task for task in tasks[:3])


@stage(GuideStage.DATA)
def data(request: HubRequest, way: Way) -> HttpResponse:
    """Data that fit the model's tasks, each with what is known of it; POST takes one."""
    assert way.model is not None  # the guard has seen to it
    tasks = tasks_for(way.model, getattr(way.model, "card", None))
    given = request.POST if request.method == "POST" else request.GET
    task = next((one for one in (given.get("task"), way.task) if one in tasks), tasks[0] if tasks else "")
    problem = ""
    if request.method == "POST":
        found = _repo(request.actor, request.POST.get("dataset", ""), "dataset")
        problem = gettext("Choose one of the data sets, or upload your own.") if found is None else ""
        if found is not None:
            problem = _unfit(request.actor, found, task)
        if found is not None and not problem:
            try:
                tell_undone(request, guides.choose_data(request.actor, way.guide, task, found))
                return HttpResponseRedirect(stage_address(way.guide.uuid, GuideStage.TUNE))
            except Refusal as refusal:
                problem = refusal.message
    upload = UploadForm(request.actor, task)
    return data_page(request, way, task, {"problem": problem, "upload": upload}, 422 if problem else 200)


def data_page(request: HubRequest, way: Way, task: str, context: dict[str, Any], status: int) -> HttpResponse:
    """The second stage, with what else it has to tell."""
    assert way.model is not None
    tasks = tasks_for(way.model, getattr(way.model, "card", None))
    asked = _asked(request)
    wanted = request.POST.get("dataset") or request.GET.get("dataset") or ""
    wanted = wanted or str(way.dataset.pk if way.dataset else "")
    found = _datasets(request.actor, task, asked, wanted)
    chosen = next((choice.repo for choice in found if choice.is_chosen), None)
    more = {
        "task": task,
        "tasks": [(one, task_title(one)) for one in tasks],
        "choices": found,
        "query": asked,
        "report": report_of(request.actor, chosen, task) if chosen is not None else None,
        "can_upload": can_upload(task),
        "is_cut": len(found) >= SHOWN,
    }
    return shown(request, way, GuideStage.DATA, more | context, status)


def _unfit(actor: Actor, repo: Repo, task: str) -> str:
    if not guides.fits_task(actor, task, repo):
        return gettext("This data set does not fit the task: its card names another.")
    report = report_of(actor, repo, task)
    return next((line.words for line in report.lines if line.kind == "bad"), "")


def _datasets(actor: Actor, task: str, asked: str, wanted: str) -> list[Choice]:
    found = datasets_for(actor, task)[: MAX_OFFERED * 2]
    low = asked.lower()
    rows = [repo for repo in found if low in repo.repo_id.lower() or str(repo.pk) == wanted]
    rows.sort(key=lambda repo: str(repo.pk) != wanted)
    return [
        Choice(repo, facts_of(repo).title(task).partition(" · ")[2], str(repo.pk) == wanted)
        for repo in rows[:SHOWN]
    ]


def _asked(request: HubRequest) -> str:
    return request.GET.get("q", "").strip().replace("\0", "")[:LONGEST_QUERY]


def _repo(actor: Actor, pk: str, repo_type: str) -> Repo | None:
    if not pk.isdecimal() or len(pk) > 18:
        return None
    rows = Repo.objects.visible_to(actor).of_type(repo_type).filter(pk=int(pk), disabled_at=None)
    return rows.select_related("namespace", "card").prefetch_related("tag_rows").first()


def say(request: HubRequest, notes: list[str]) -> None:
    """Tell what an upload left out."""
    for note in notes:
        messages.info(request, note)
