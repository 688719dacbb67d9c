"""What endpoints of git-lfs below a repo share: its media type, its `message`, its way to ask who it is."""

from __future__ import annotations

import json

from django.http import HttpResponseBase, JsonResponse

from models_app.api.repo_view import RepoAPIView

MEDIA_TYPE = "application/vnd.git-lfs+json"


class LfsView(RepoAPIView):
    """Base of those endpoints."""

    def refuse(self, error: Exception) -> HttpResponseBase:
        """As everywhere, in the form that git-lfs shows to its user and asks for a password after."""
        response = super().refuse(error)
        if response.status_code == 401:
            response["LFS-Authenticate"] = 'Basic realm="Access tokens", charset="UTF-8"'
        if isinstance(response, JsonResponse):
            told = json.loads(response.content)
            told["message"] = told.get("error", "")
            response.content = json.dumps(told).encode()
            response["Content-Type"] = MEDIA_TYPE
        return response
