"""POST of the second stage: files become a data set of one's own, which is chosen at once."""

from __future__ import annotations

from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from models_app.access import Refusal
from models_app.actions.refusals import RepoExists
from models_app.fitting import tasks_for
from models_app.storage.errors import StorageError
from models_app.views.support import HubRequest
from models_app.views.typed import mark_sent
from runs import guide_dataset, guides
from runs.guide_choose import data_page, say
from runs.guide_upload_forms import UploadForm, can_upload
from runs.guide_views import stage, stage_address, tell_undone
from runs.guides import Way
from runs.models import GuideStage


@stage(GuideStage.DATA, "GET", "HEAD", "POST")
def upload(request: HubRequest, way: Way) -> HttpResponseBase:
    """Make the repo and choose it; what is wrong comes back beside its field."""
    assert way.model is not None
    here = stage_address(way.guide.uuid, GuideStage.DATA)
    tasks = tasks_for(way.model, getattr(way.model, "card", None))
    task = request.POST.get("task", "")
    if request.method != "POST" or task not in tasks or not can_upload(task):
        return HttpResponseRedirect(here)
    form = UploadForm(request.actor, task, request.POST, request.FILES)
    if form.is_valid() and (made := _made(request, form)) is not None:
        say(request, list(form.prepared.notes))
        tell_undone(request, guides.choose_data(request.actor, way.guide, task, made))
        return mark_sent(request, HttpResponseRedirect(here))
    return data_page(request, way, task, {"upload": form, "problem": ""}, 422)


def _made(request: HubRequest, form: UploadForm) -> guide_dataset.Repo | None:
    asked = form.cleaned_data
    try:
        return guide_dataset.publish(
            request.actor,
            form.prepared,
            namespace=asked["namespace"],
            name=asked["name"],
            private=asked["is_private"],
            licence=asked["licence"],
            seed=asked["seed"],
        )
    except RepoExists:
        form.add_error("name", gettext("You have a data set of this name already; choose another name."))
    except Refusal as refusal:
        form.add_error("name", refusal.message)
    except StorageError as error:
        form.add_error(None, gettext("The files could not be kept: %(why)s") % {"why": error})
    return None
