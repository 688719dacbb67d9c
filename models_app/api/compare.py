"""GET …/compare/{a..b}: what changed between two revisions, as a diff (hf-wire section 6)."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request

from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError
from models_app.files import git_store
from models_app.storage.gitcompare import diff_text
from models_app.storage.gitmerge import merge_base


class Compare(RepoAPIView):
    """`a..b` compares two revisions; `a...b` compares b with where it left a. Always plain text."""

    def get(self, request: Request, compare: str, **words: str) -> HttpResponse:
        store = git_store(self.repo(content=True))
        dots = "..." if "..." in compare else ".."
        old, found, new = compare.partition(dots)
        if not found or not old or not new:
            raise WireError(400, "Name two revisions with two dots between them: main..dev.")
        base, head = store.resolve(old), store.resolve(new)
        if dots == "...":
            base = merge_base(store, base, head) or base
        return HttpResponse(
            diff_text(store, base, head),
            content_type="text/plain; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff", "X-Repo-Commit": head},
        )


urlpatterns = [
    path("api/<str:kind>/<str:namespace>/<str:name>/compare/<str:compare>", Compare.as_view()),
]
