"""Forms that move a file to another path, and that delete a file or a folder."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from models_app.actions.page_commits import ChangedMeanwhile, moved
from models_app.models import Repo
from models_app.storage.gitstore import Entry, GitStore
from models_app.storage.operations import DeleteFile, DeleteFolder
from models_app.views.change_form import ChangeForm, base_of, carry_out, changing, clean_path, form_for
from models_app.views.places import Place, page_path
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page

MAX_COUNTED = 10_000


class RenameForm(ChangeForm):
    """Where the file is to lie."""

    path = forms.CharField(label=gettext_lazy("New path"), max_length=1000)

    def clean_path(self) -> str:
        return clean_path(self.cleaned_data["path"])


@require_http_methods(["GET", "HEAD", "POST"])
@page
def rename(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """Move the file at this place."""
    repo, store, place = changing(request, repo_type, namespace, name, rest)
    entry = _shown_entry(request, store, place)
    if not entry.is_file:
        raise Http404
    summary = _("Rename %(name)s") % {"name": place.name}
    form = form_for(request, repo, place, summary, RenameForm, path=place.path)
    if request.method == "POST" and form.is_valid():
        path = form.cleaned_data["path"]
        after = f"{repo.get_absolute_url()}/blob/{place.quoted_revision}/{quote(path)}"
        shown = base_of(store, place, form.cleaned_data["base"])
        if path == place.path:
            form.add_error("path", _("This is where it lies now."))
        elif store.entry(shown, path) is not None:
            form.add_error("path", _("There is already something at this path."))
        else:
            answer = _carry_out(request, repo, place, form, lambda: moved(entry, path), after)
            if answer is not None:
                return answer
    return _page(request, repo, place, form, {"entry": entry})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def delete(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """Delete the file or the folder at this place."""
    repo, store, place = changing(request, repo_type, namespace, name, rest)
    entry = _shown_entry(request, store, place)
    form = form_for(request, repo, place, _("Delete %(name)s") % {"name": place.name})
    if request.method == "POST" and form.is_valid():
        gone = DeleteFile(place.path) if entry.is_file else DeleteFolder(place.path)
        above = Place(place.revision, place.oid, place.folder)
        answer = _carry_out(request, repo, place, form, lambda: [gone], page_path(repo, "tree", above))
        if answer is not None:
            return answer
    return _page(
        request, repo, place, form, {"entry": entry, "deletes": True, "count": _count(store, place, entry)}
    )


def _shown_entry(request: HubRequest, store: GitStore, place: Place) -> Entry:
    """What the form shows, also where it has gone since."""
    base = base_of(store, place, request.POST.get("base", "")) if request.method == "POST" else place.oid
    entry = store.entry(base, place.path) if place.path else None
    if entry is None:
        raise Http404
    return entry


def _carry_out(
    request: HubRequest, repo: Repo, place: Place, form: Any, operations: Any, after: str
) -> HttpResponse | None:
    try:
        return carry_out(request, repo, place, form, operations, lambda: after)
    except ChangedMeanwhile as changed:
        form.add_error(
            None, _("Somebody changed it since you opened this page. Look at it, then send this again.")
        )
        form.data = form.data.copy()
        form.data["base"] = changed.head
        return None


def _page(request: HubRequest, repo: Repo, place: Place, form: Any, more: dict[str, Any]) -> HttpResponse:
    entry: Entry = more["entry"]
    context = repo_context(request, repo, tab="files") | {
        "place": place,
        "form": form,
        "back": page_path(repo, "blob" if entry.is_file else "tree", place),
        **more,
    }
    return render(request, "repo/move.html", context, status=422 if form.errors else 200)


def _count(store: GitStore, place: Place, entry: Entry) -> int:
    """How many files a deletion takes, as far as they are counted."""
    if entry.is_file:
        return 1
    files = (one for one in store.tree(place.oid, place.path, recursive=True) if one.is_file)
    return sum(1 for _one, _number in zip(files, range(MAX_COUNTED), strict=False))
