"""GET /api/models-tags-by-type and /api/datasets-tags-by-type: what one may filter by (hf-wire section 5)."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from models_app.api.wire import HubAPIView
from models_app.content.vocabulary import LICENSES, PIPELINE_TAGS, SIZE_CATEGORIES
from models_app.models import Repo, RepoTag, RepoType

MAX_OF_A_KIND = 1000
_MODEL_KINDS = ("dataset", "language", "license", "arxiv", "base_model")
_DATASET_KINDS = (
    "task_categories", "task_ids", "size_categories", "language", "license", "multilinguality",
    "language_creators", "annotations_creators", "source_datasets", "arxiv",
)  # fmt: skip


class TagsByType(HubAPIView):
    """Type of tag → tags, the most used first: those of the repos the caller may see, and the known words."""

    def get(self, request: Request, repo_type: str) -> JsonResponse:
        repos = Repo.objects.visible_to(self.actor).of_type(repo_type)
        is_model = repo_type == RepoType.MODEL
        answer = {kind: _of_kind(repos, kind) for kind in (_MODEL_KINDS if is_model else _DATASET_KINDS)}
        # A model's languages are plain tags.
        plain = {"language"} if is_model else set()
        found = {
            kind: [_tag(kind, value, f"{kind}:{value}" if kind not in plain else value) for value in values]
            for kind, values in answer.items()
        }
        found["license"] = _with_known(found["license"], "license", LICENSES, "license:")
        if is_model:
            found["library"] = [_tag("library", name, name) for name in _libraries(repos)]
            found["pipeline_tag"] = _with_known(_pipelines(repos), "pipeline_tag", PIPELINE_TAGS, "")
        else:
            tasks, sizes = found["task_categories"], found["size_categories"]
            found["task_categories"] = _with_known(
                tasks, "task_categories", PIPELINE_TAGS, "task_categories:"
            )
            found["size_categories"] = _with_known(
                sizes, "size_categories", SIZE_CATEGORIES, "size_categories:"
            )
        found["other"] = [_tag("other", value, value) for value in _of_kind(repos, "tag")]
        return JsonResponse(found)


def _tag(kind: str, label: str, tag_id: str) -> dict[str, Any]:
    return {"id": tag_id, "label": label, "type": kind}


def _of_kind(repos: Any, kind: str) -> list[str]:
    rows = RepoTag.objects.filter(kind=kind, repo__in=repos).values("value").annotate(uses=Count("pk"))
    return list(rows.order_by("-uses", "value").values_list("value", flat=True)[:MAX_OF_A_KIND])


def _column(repos: Any, column: str) -> list[str]:
    rows = repos.exclude(**{column: ""}).exclude(**{f"{column}__isnull": True}).order_by()
    counted = rows.values(column).annotate(uses=Count("pk")).order_by("-uses", column)
    return list(counted.values_list(column, flat=True)[:MAX_OF_A_KIND])


def _libraries(repos: Any) -> list[str]:
    return _column(repos, "card__library_name")


def _pipelines(repos: Any) -> list[dict[str, Any]]:
    return [_tag("pipeline_tag", name, name) for name in _column(repos, "card__pipeline_tag")]


def _with_known(
    found: list[dict[str, Any]], kind: str, known: tuple[str, ...], prefix: str
) -> list[dict[str, Any]]:
    """The tags in use, and after them the words of the vocabulary that nobody uses yet."""
    used = {tag["id"] for tag in found}
    return found + [_tag(kind, word, prefix + word) for word in known if prefix + word not in used]


urlpatterns = [
    path("api/models-tags-by-type", TagsByType.as_view(), {"repo_type": RepoType.MODEL.value}),
    path("api/datasets-tags-by-type", TagsByType.as_view(), {"repo_type": RepoType.DATASET.value}),
]
