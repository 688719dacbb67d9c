"""GET /api/datasets/{id}/leaderboard (hf-wire section 14)."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.models import Namespace
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError
from models_app.leaderboards import Row, leaderboard, task_of
from models_app.models import Benchmark


class Leaderboard(RepoAPIView):
    """An array, best first. As the public hub does, models that name a base model are left out unless
    `base_model=false`. `task_id` chooses a task other than the first."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo()
        benchmark = Benchmark.objects.filter(repo=repo).first()
        if benchmark is None:
            raise WireError(404, f"The dataset {repo.repo_id} has no leaderboard: it has no eval.yaml.")
        task = task_of(benchmark, request.GET.get("task_id"))
        if task is None:
            known = ", ".join(str(task["id"]) for task in benchmark.tasks)
            raise WireError(404, f"This benchmark has no such task; its tasks are: {known}.")
        roots_only = request.GET.get("base_model", "").lower() not in ("false", "0")
        rows = leaderboard(benchmark, str(task["id"]), self.actor, roots_only=roots_only)
        return JsonResponse([_row_json(row) for row in rows], safe=False)


def _row_json(row: Row) -> dict[str, Any]:
    result = row.result
    found: dict[str, Any] = {
        "rank": row.rank,
        "modelId": row.repo.repo_id,
        "value": result.value,
        "filename": result.filename,
        "verified": result.verified,
        "author": _author_json(row.repo.namespace),
    }
    if result.source.get("url"):
        found["source"] = result.source
    if result.notes:
        found["notes"] = result.notes
    return found


def _author_json(namespace: Namespace) -> dict[str, Any]:
    kind = "user" if namespace.organization_id is None else "org"
    return {"type": kind, "name": namespace.name, "fullname": namespace.display_name(), "avatarUrl": ""}


urlpatterns = [
    path("api/datasets/<str:namespace>/<str:name>/leaderboard", Leaderboard.as_view(), {"kind": "datasets"})
]
