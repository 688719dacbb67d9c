"""The page that uploads files into a folder: by parts with a script, by one plain form without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from models_app.actions.page_commits import ChangedMeanwhile, place_content
from models_app.models import Repo
from models_app.storage.errors import BadPath
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import Operation, check_path
from models_app.views.change_form import ChangeForm, carry_out, changing, form_for, told
from models_app.views.places import Place, page_path
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page

# By one form; with a script as many as one page bears.
MAX_FILES = 100
MAX_FILES_IN_PARTS = 5000


@require_http_methods(["GET", "HEAD", "POST"])
@page
def upload(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """Choose files for the folder at this place; a POST is the form without a script."""
    repo, store, place = changing(request, repo_type, namespace, name, rest)
    there = store.entry(place.oid, place.path)
    if there is not None and there.is_file:
        raise Http404
    form = form_for(request, repo, place, _("Upload files"))
    if request.method == "POST" and form.is_valid():
        files = request.FILES.getlist("files")
        problem = _problem(files)
        if problem:
            form.add_error(None, problem)
        else:
            answer = _commit(request, repo, place, form, files)
            if answer is not None:
                return answer
    return render(
        request,
        "repo/upload.html",
        repo_context(request, repo, tab="files") | _context(request, repo, store, place, form),
        status=422 if form.errors else 200,
    )


def _problem(files: Sequence[UploadedFile]) -> str:
    """Why these files cannot be taken, in one sentence; empty where they can."""
    if not files:
        return _("Choose at least one file.")
    if len(files) > MAX_FILES:
        return ngettext(
            "At most %(count)d file can be sent at once this way.",
            "At most %(count)d files can be sent at once this way.",
            MAX_FILES,
        ) % {"count": MAX_FILES}
    names = [file.name or "" for file in files]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        return _("Two of the files are called “%(name)s”: choose one of them.") % {"name": twice}
    limit = settings.HUB_REGULAR_FILE_BYTES
    large = next((file for file in files if (file.size or 0) > limit), None)
    if large is not None:
        words = {"name": large.name, "limit": filesizeformat(limit)}
        return _("“%(name)s” is larger than %(limit)s: this way of sending takes smaller files only.") % words
    return ""


def _commit(
    request: HubRequest, repo: Repo, place: Place, form: Any, files: Sequence[UploadedFile]
) -> HttpResponse | None:
    start = f"{place.path}/" if place.path else ""

    def operations() -> list[Operation]:
        named = [(check_path(f"{start}{file.name}"), file) for file in files]
        return [
            place_content(
                request.actor, repo=repo, branch=place.revision, path=path, size=file.size or 0, body=file
            )
            for path, file in named
        ]

    names = ", ".join(file.name or "" for file in files[:3])
    form.summary_else = _("Upload %(names)s") % {"names": names if len(names) <= 100 else f"{names[:99]}…"}
    try:
        return carry_out(request, repo, place, form, operations, lambda: page_path(repo, "tree", place))
    except BadPath as refusal:
        form.add_error(None, told(refusal))
    except ChangedMeanwhile as changed:
        form.add_error(
            None,
            _("Somebody changed %(path)s since you opened this page. Send the files again to overwrite it.")
            % {"path": changed.paths[0]},
        )
        form.data = form.data.copy()
        form.data["base"] = changed.head
    return None


def _context(
    request: HubRequest, repo: Repo, store: GitStore, place: Place, form: ChangeForm
) -> dict[str, Any]:
    """What the page and its script need: the addresses they send to, and the bounds."""
    kind = f"{repo.repo_type}s"
    return {
        "place": place,
        "form": form,
        "api": f"/api/{kind}/{quote(repo.repo_id)}",
        "back": page_path(repo, "tree", place),
        "max_files": MAX_FILES_IN_PARTS,
        "max_bytes": settings.HUB_MAX_FILE_BYTES,
        "commit_bytes": settings.HUB_COMMIT_BYTES,
        "regular_bytes": settings.HUB_REGULAR_FILE_BYTES,
        "memory_key": f"{repo.repo_type}/{repo.repo_id}/{place.revision}/{place.path}",
    }
