"""Endpoints below one repo: from the URL's words to the repo, through the gate."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actor import Level
from models_app.access import RepoNotFound, access_repo
from models_app.api.wire import HubAPIView, public_url
from models_app.models import WIRE_TYPES, Repo

# What clients know; then what the portal has besides, whose files and git are served by the same doors.
REPO_TYPES = {
    **{f"{repo_type}s": str(repo_type) for repo_type in WIRE_TYPES},
    "recipes": "recipe",
    "tutorials": "tutorial",
}


def repo_url(repo: Repo) -> str:
    """`{E}/{P}{ns}/{name}`: the exact shape that clients parse a repo id from."""
    return public_url(repo.get_absolute_url())


class RepoAPIView(HubAPIView):
    """Base of endpoints whose URL names `kind` (`models`, `datasets`, …), `namespace` and `name`."""

    def repo(self, need: Level = Level.READ, *, content: bool = False) -> Repo:
        """The repo of this URL, or the gate's refusal; types this hub does not serve have no repos."""
        repo_type = REPO_TYPES.get(self.kwargs["kind"])
        if repo_type is None:
            raise RepoNotFound("Repository not found")
        repo_id = f"{self.kwargs['namespace']}/{self.kwargs['name']}"
        return access_repo(self.actor, repo_type, repo_id, need, content=content)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """405 for a repo that is there. `DELETE /api/models/missing/like` reads as repo `missing/like`, and
        what clients must hear is that there is none."""
        self.repo()
        return super().http_method_not_allowed(cast("Request", request), *args, **kwargs)
