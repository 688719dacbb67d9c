"""Spaces are stored and shown here, never run: what a running one would answer (hf-wire section 17)."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import path, re_path
from rest_framework.request import Request

from accounts.actor import Level
from models_app.api.facts import Facts, gather
from models_app.api.listing import has_tag
from models_app.api.repo_view import RepoAPIView
from models_app.api.summaries import RUNTIME, sdk_of, tags_json
from models_app.api.wire import HubAPIView, WireError, query_words
from models_app.models import Repo
from models_app.search import search_repos

MAX_FOUND = 100
_NO_RUNTIME = "This hub stores spaces and does not run them, so {what} has nothing to act on."


class SpaceRuntime(RepoAPIView):
    """GET …/runtime: stopped, now and always; clients that wait for a space stop waiting."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        self.repo()
        return JsonResponse(RUNTIME)


class SpaceNoValues(RepoAPIView):
    """GET …/variables and …/secrets: none are kept; changing them is refused in words."""

    def get(self, request: Request, what: str, **words: str) -> JsonResponse:
        self.repo(Level.WRITE if what == "secrets" else Level.READ)
        return JsonResponse({})

    def post(self, request: Request, what: str, **words: str) -> JsonResponse:
        self.repo(Level.WRITE)
        raise WireError(400, _NO_RUNTIME.format(what=f"{what!r}"))

    delete = post


class SpaceNoRuntime(RepoAPIView):
    """Everything that would act on a running space."""

    def post(self, request: Request, what: str, **words: str) -> JsonResponse:
        self.repo(Level.READ if request.method == "GET" else Level.WRITE)
        raise WireError(400, _NO_RUNTIME.format(what=f"{what!r}"))

    get = put = delete = post


class SpaceHardware(HubAPIView):
    """GET /api/spaces/hardware: none is offered."""

    def get(self, request: Request) -> JsonResponse:
        return JsonResponse([], safe=False)


class SpaceTemplates(HubAPIView):
    """GET /api/spaces/templates: none are offered."""

    def get(self, request: Request) -> JsonResponse:
        return JsonResponse({"templates": []})


class SearchSpaces(HubAPIView):
    """GET /api/spaces/semantic-search?q=…: this hub's own search, best first, at most 100.

    No space runs here, so `includeNonRunning` changes nothing: all of them are included.
    """

    def get(self, request: Request) -> JsonResponse:
        query = " ".join(query_words(request, "q"))
        if not query:
            raise WireError(400, "'q' must say what to search for.")
        repos = Repo.objects.visible_to(self.actor).of_type("space")
        for tag in query_words(request, "filter"):
            repos = repos.filter(has_tag(tag))
        if sdks := query_words(request, "sdk"):
            repos = repos.filter(card__metadata__sdk__in=sdks)
        unread = ("card__html", "card__search_text", "card__preview", "card__siblings")
        rows = list(search_repos(repos, query).select_related("namespace", "card").defer(*unread)[:MAX_FOUND])
        facts = gather(self.actor, rows, ["tags"])
        found = [_found_json(repo, facts, place) for place, repo in enumerate(rows)]
        return JsonResponse(found, safe=False)


def _found_json(repo: Repo, facts: Facts, place: int) -> dict[str, Any]:
    """An entry; its relevancy follows its place, from 1 down: words are matched here, not meanings."""
    card = getattr(repo, "card", None)
    metadata = card.metadata if card else {}
    return {
        "id": repo.repo_id,
        "author": repo.namespace.name,
        "title": str(metadata.get("title") or repo.name),
        "emoji": metadata.get("emoji") if isinstance(metadata.get("emoji"), str) else None,
        "sdk": sdk_of(card),
        "likes": repo.likes_count,
        "private": repo.private,
        "tags": tags_json(repo, facts),
        "runtime": RUNTIME,
        "ai_short_description": card.summary if card else "",
        "semanticRelevancyScore": round(1 / (1 + place), 4),
        "trendingScore": repo.trending_score,
    }


_SPACE = r"^api/(?P<kind>spaces)/(?P<namespace>[^/]+)/(?P<name>[^/]+)"
_ACTS = "hardware|sleeptime|pause|restart|dev-mode|volumes|storage|reload|logs/build|logs/run|metrics|events"
urlpatterns = [
    path("api/spaces/semantic-search", SearchSpaces.as_view()),
    path("api/spaces/templates", SpaceTemplates.as_view()),
    path("api/spaces/hardware", SpaceHardware.as_view()),
    path("api/spaces/<str:namespace>/<str:name>/runtime", SpaceRuntime.as_view(), {"kind": "spaces"}),
    re_path(rf"{_SPACE}/(?P<what>variables|secrets)$", SpaceNoValues.as_view()),
    re_path(rf"{_SPACE}/(?P<what>{_ACTS})$", SpaceNoRuntime.as_view()),
]
