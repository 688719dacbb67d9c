"""GET /api/quicksearch: a few of everything whose name fits, for a box that searches while one types."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.models import Namespace
from models_app.api.people import owner_json, person_json
from models_app.api.wire import HubAPIView, WireError, query_int
from models_app.models import Repo, RepoType
from models_app.search import MAX_QUERY_CHARS, search_repos

TYPES = {"model": "models", "dataset": "datasets", "space": "spaces", "user": "users", "org": "orgs"}
DEFAULT, HIGHEST = 5, 20


class QuickSearch(HubAPIView):
    """`q`, `limit` (of each kind, at most 20), `type` (repeatable): arrays and, beside each, how many there
    are."""

    def get(self, request: Request) -> JsonResponse:
        text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY_CHARS]
        limit = query_int(request, "limit", default=DEFAULT, lowest=1, highest=HIGHEST)
        wanted = request.GET.getlist("type") or list(TYPES)
        for name in wanted:
            if name not in TYPES:
                raise WireError(400, f"'type' must be one of {', '.join(TYPES)}.")
        found: dict[str, Any] = {"q": text}
        for name in dict.fromkeys(wanted):
            rows, count = self._found(name, text, limit) if text else ([], 0)
            found |= {TYPES[name]: rows, f"{TYPES[name]}Count": count}
        return JsonResponse(found)

    def _found(self, name: str, text: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        if name in RepoType.values:
            repos = search_repos(Repo.objects.visible_to(self.actor).of_type(name), text)
            rows = repos.select_related("namespace")[:limit]
            plain = [
                {"_id": repo.uuid.hex[:24], "id": repo.repo_id, "type": name, "private": repo.private}
                for repo in rows
            ]
            return plain, repos.count()
        people = _people(text) if name == "user" else _organizations(text)
        shown = people.order_by("name").select_related("user", "organization")[:limit]
        return [
            person_json(row.user) if row.user is not None else owner_json(row) for row in shown
        ], people.count()


def _people(text: str) -> Any:
    fits = Q(name__icontains=text) | Q(user__fullname__icontains=text)
    return Namespace.objects.filter(fits, user__isnull=False, user__is_suspended=False)


def _organizations(text: str) -> Any:
    fits = Q(name__icontains=text) | Q(organization__fullname__icontains=text)
    return Namespace.objects.filter(fits, organization__isnull=False)


urlpatterns = [path("api/quicksearch", QuickSearch.as_view())]
