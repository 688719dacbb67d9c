"""The pages. The wire's routes come before these in hub/urls.py; `/{namespace}` comes last of all."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from models_app import portal_urls
from models_app.portal_urls import files as portal_files
from models_app.portal_urls import talk
from models_app.views import (
    buckets,
    collections,
    file_page,
    files,
    gating,
    history,
    home,
    leaderboards,
    lists,
    new_repo,
    people,
    profiles,
    repo,
    repo_settings,
    webhooks,
)

_NAME = r"(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)"
_REPO_PAGES = {
    "tree": (files.folder, "repo-files"),
    "blob": (file_page.file, "repo-file"),
    "commits": (history.commits, "repo-commits"),
    "commit": (history.commit, "repo-commit"),
    **portal_files.REPO_PAGES,
}


def _repo_routes(repo_type: str, prefix: str) -> list[URLPattern]:
    """Files and commits of one type of repo; names are shared, the type tells them apart."""
    extra = {"repo_type": repo_type}
    routes = [
        re_path(rf"^{prefix}{_NAME}/{word}/(?P<rest>.+)$", view, extra, name=name)
        for word, (view, name) in _REPO_PAGES.items()
    ]
    return [
        *routes,
        re_path(rf"^{prefix}{_NAME}/tree/?$", files.folder, extra),
        re_path(rf"^{prefix}{_NAME}/commits/?$", history.commits, extra),
        *talk.thread_routes(rf"{prefix}{_NAME}", extra),
        re_path(rf"^{prefix}{_NAME}/settings$", repo_settings.repo_settings, extra, name="repo-settings"),
        re_path(rf"^{prefix}{_NAME}/settings/access$", gating.access_settings, extra, name="repo-access"),
        re_path(rf"^{prefix}{_NAME}/like$", people.like, extra, name="repo-like"),
    ]


urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    *portal_urls.urlpatterns,
    path("models", lists.models, name="models"),
    path("datasets", lists.datasets, name="datasets"),
    path("spaces", lists.spaces, name="spaces"),
    path("kernels", lists.kernels, name="kernels"),
    path("leaderboards", leaderboards.leaderboards, name="leaderboards"),
    re_path(rf"^leaderboards/{_NAME}$", leaderboards.board, name="leaderboard"),
    path("new", new_repo.new_repo, name="repo-new"),
    path("settings/webhooks", webhooks.webhooks, name="webhooks"),
    path("settings/webhooks/<str:key>", webhooks.webhook, name="webhook"),
    path("users/<str:name>/follow", people.follow, name="follow"),
    path("collections/<str:namespace>/<str:slug>", collections.collection, name="collection"),
    re_path(rf"^buckets/{_NAME}$", buckets.bucket, name="bucket"),
    re_path(rf"^buckets/{_NAME}/tree(?:/(?P<rest>.*))?$", buckets.bucket, name="bucket-folder"),
    *_repo_routes("dataset", "datasets/"),
    re_path(rf"^datasets/{_NAME}$", repo.dataset, name="dataset"),
    *_repo_routes("space", "spaces/"),
    re_path(rf"^spaces/{_NAME}$", repo.stored, {"repo_type": "space"}, name="space"),
    *_repo_routes("kernel", "kernels/"),
    re_path(rf"^kernels/{_NAME}$", repo.stored, {"repo_type": "kernel"}, name="kernel"),
    *_repo_routes("recipe", "recipes/"),
    *_repo_routes("tutorial", "tutorials/"),
    *_repo_routes("model", ""),
    re_path(rf"^{_NAME}$", repo.model, name="model"),
    re_path(r"^(?P<namespace>[\w.-]+)$", profiles.profile, name="profile"),
]
