"""Editing and uploading in the page, differences: routes that every type of repo has.

They stand below a repo's address, so `models_app/urls.py` puts them there, beside its other pages.
"""

from __future__ import annotations

from django.urls import URLPattern

from models_app.views import comparing, editing, moving, uploading
from models_app.views.support import PageView

# The word after the repo's id: the page, and the name of its route. A revision and a path follow.
REPO_PAGES: dict[str, tuple[PageView, str]] = {
    "edit": (editing.edit, "repo-edit"),
    "new": (editing.new, "repo-new-file"),
    "rename": (moving.rename, "repo-rename"),
    "delete": (moving.delete, "repo-delete-file"),
    "upload": (uploading.upload, "repo-upload"),
    "compare": (comparing.compare, "repo-compare"),
    "tensors": (comparing.tensors, "repo-tensors"),
}

urlpatterns: list[URLPattern] = []
