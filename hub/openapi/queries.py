"""What each view reads from the query. `tests/hub/test_openapi.py` compares it with the views' source."""

from __future__ import annotations

from typing import Any

from rest_framework.views import APIView

from hub.openapi.routes import Schema
from models_app.api import access_requests as gates
from models_app.api import (
    bucket_content,
    bucket_feed,
    bucket_tree,
    buckets,
    collections,
    commits,
    discussions,
    files,
    follows,
    git,
    info,
    leaderboards,
    lfs_locks,
    likes,
    listing,
    my_repos,
    page_uploads,
    quicksearch,
    resolve,
    spaces,
    squash,
    xet,
)
from runs import api as runs
from runs import checkpoints_api, jobs_api, run_data_api, sweeps_api

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_FROM_ZERO: Schema = {"type": "integer", "minimum": 0}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_PAGES = {"limit": _COUNT, "cursor": _FROM_ZERO}
_EXPAND = {"expand": _TEXTS, "expand[]": _TEXTS}
_LISTING = {
    "search": _TEXT,
    "author": _TEXT,
    "filter": _TEXTS,
    "filter[]": _TEXTS,
    "tags": _TEXTS,
    "gated": _FLAG,
    "pipeline_tag": _TEXTS,
    "library": _TEXTS,
    "num_parameters": {"type": "string", "examples": ["min:6B,max:128B"]},
    "inference": _TEXTS,
    "inference_provider": _TEXTS,
    "apps": _TEXTS,
    "models": _TEXTS,
    "datasets": _TEXTS,
    "linked": _FLAG,
    "sort": _one_of(
        "lastModified", "last_modified", "createdAt", "created_at", "trendingScore", "trending_score",
        "downloads", "likes",
    ),
    "direction": _one_of("-1", "1"),
    "limit": _COUNT,
    "cursor": _TEXT,
    "full": _FLAG,
    "cardData": _FLAG,
    "config": _FLAG,
    **_EXPAND,
}  # fmt: skip
_THREADS = {
    "type": _one_of("all", "discussion", "pull_request"),
    "status": _one_of("all", "open", "closed"),
    "author": _TEXT,
    "limit": _COUNT,
    "p": _FROM_ZERO,
}
_LOCKS = {"path": _TEXT, "id": _TEXT, **_PAGES}
# For GET; of a view without GET for every method.
QUERIES: dict[type[APIView], dict[str, Any]] = {
    listing.RepoList: _LISTING,
    info.RepoInfo: {"blobs": _FLAG, "securityStatus": _FLAG, **_EXPAND},
    info.Refs: {"include_prs": _FLAG},
    info.Commits: {"p": _FROM_ZERO, "limit": _COUNT, **_EXPAND},
    files.Tree: {"recursive": _FLAG, "expand": _FLAG, **_PAGES},
    commits.Preupload: {"create_pr": _FLAG},
    commits.Commit: {"create_pr": _FLAG},
    page_uploads.UploadParts: {"create_pr": _FLAG},
    resolve.Resolve: {"download": _FLAG},
    discussions.Discussions: _THREADS,
    discussions.DiscussionDetails: {"diff": _FLAG},
    collections.Collections: {
        "owner": _TEXTS,
        "item": _TEXTS,
        "q": _TEXT,
        "sort": _one_of("lastModified", "trending", "upvotes"),
        **_PAGES,
    },
    gates.AccessRequests: _PAGES,
    likes.Likers: _PAGES,
    likes.UserLikes: _PAGES,
    follows.UserFollowers: _PAGES,
    follows.UserFollowing: _PAGES,
    follows.OrganizationMembers: _PAGES,
    follows.OrganizationFollowers: _PAGES,
    my_repos.MyRepositories: _PAGES,
    my_repos.OrganizationRepositories: _PAGES,
    leaderboards.Leaderboard: {"base_model": _FLAG, "task_id": _TEXT},
    quicksearch.QuickSearch: {"q": _TEXT, "type": _TEXTS, "limit": _COUNT},
    spaces.SearchSpaces: {"q": _TEXT, "filter": _TEXTS, "sdk": _TEXTS, "includeNonRunning": _FLAG},
    squash.LfsFiles: _PAGES,
    xet.XetToken: {"create_pr": _FLAG},
    lfs_locks.Locks: _LOCKS,
    git.InfoRefs: {"service": _one_of("git-upload-pack", "git-receive-pack")},
    buckets.Buckets: {"search": _TEXT, **_PAGES},
    bucket_tree.BucketTree: {"recursive": _FLAG, "limit": _COUNT, "cursor": _TEXT},
    bucket_feed.BucketEvents: {"cursor": _FROM_ZERO, "since": {"type": "string", "format": "date-time"}},
    bucket_content.BucketResolve: {"download": _FLAG},
    runs.RunsView: {
        **dict.fromkeys(("target", "base", "dataset"), _TEXT),
        "namespace": _TEXT,
        "stage": _TEXTS,
        "label": _TEXTS,
        "sweep": _TEXT,
        "mine": _FLAG,
        "limit": _COUNT,
        "cursor": _TEXT,
    },
    run_data_api.LogsView: {"since": _TEXT, "limit": _COUNT, "format": _one_of("json", "text", "events")},
    run_data_api.MetricsView: {"name": _TEXTS, "since": _FROM_ZERO, "format": _one_of("json", "csv")},
    sweeps_api.SweepsView: {"namespace": _TEXT, **_PAGES},
    jobs_api.Jobs: {"stage": _TEXTS, "label": _TEXTS, **_PAGES},
    checkpoints_api.CheckpointView: {"attempt": _FROM_ZERO, "step": _FROM_ZERO},
    jobs_api.JobLogs: {"tail": _FROM_ZERO},
}


def queries_of(view: type[APIView], method: str) -> dict[str, Schema]:
    """The parameters that a request of this method may carry, by name."""
    return QUERIES.get(view, {}) if method in ("get", "head") or not hasattr(view, "get") else {}
