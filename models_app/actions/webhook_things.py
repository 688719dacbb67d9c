"""Repos, buckets, threads and comments as webhooks show them (hf-wire section 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.models import Namespace, User
from models_app.models import Bucket, Discussion, DiscussionEvent, Event, Repo

MAX_TAGS = 200
MAX_COMMENT_CHARACTERS = 65_536


@dataclass(frozen=True)
class Subject:
    """What an event is about: exactly one repo or one bucket, with every id it goes by in this event."""

    namespace: Namespace
    type: str
    private: bool
    repo: Repo | None = None
    bucket: Bucket | None = None
    names: frozenset[str] = field(default_factory=frozenset)


def thing_json(subject: Subject, *, with_head: bool) -> dict[str, Any]:
    """The payload's `repo`; community events have no head and no tags."""
    found: dict[str, Any] = {
        "type": subject.type,
        "private": subject.private,
        "owner": {"id": str(subject.namespace.user_id or subject.namespace.organization_id)},
    }
    if subject.repo is not None:
        repo = subject.repo
        found |= {"name": repo.repo_id, "id": repo.uuid.hex[:24]}
        found["url"] = urls(repo.get_absolute_url(), _api_path(repo))
        if with_head:
            tags = [row.text for row in repo.tag_rows.all()[:MAX_TAGS]]
            found |= {"headSha": repo.head_oid or None, "tags": tags}
    elif subject.bucket is not None:
        bucket = subject.bucket
        found |= {"name": bucket.bucket_id, "id": bucket.uuid.hex[:24]}
        found["url"] = urls(bucket.get_absolute_url(), f"/api/buckets/{bucket.bucket_id}")
    return found


def discussion_json(discussion: Discussion, repo: Repo) -> dict[str, Any]:
    """The payload's `discussion`, of pull requests with `changes`."""
    page = discussion.get_absolute_url()
    found: dict[str, Any] = {
        "id": f"{discussion.pk:024x}",
        "num": discussion.num,
        "title": discussion.title,
        "url": urls(page, f"{_api_path(repo)}/discussions/{discussion.num}"),
        "status": discussion.status,
        "author": {"id": _person_id(discussion.author)},
        "isPullRequest": discussion.is_pull_request,
        "pinned": discussion.is_pinned,
    }
    if discussion.is_pull_request:
        found["changes"] = {"base": f"refs/heads/{discussion.target_branch or repo.default_branch}"}
        if discussion.merge_oid:
            found["changes"]["mergeCommitId"] = discussion.merge_oid
    return found


def comment_json(comment: DiscussionEvent, discussion: Discussion) -> dict[str, Any]:
    """The payload's `comment`; a hidden one has no content."""
    hidden = comment.hidden_at is not None
    page = f"{settings.HUB_PUBLIC_URL}{discussion.get_absolute_url()}#{comment.uuid.hex}"
    found: dict[str, Any] = {
        "id": comment.uuid.hex,
        "author": {"id": _person_id(comment.author)},
        "hidden": hidden,
        "url": {"web": page},
    }
    if not hidden:
        found["content"] = comment.body[:MAX_COMMENT_CHARACTERS]
    return found


def run_json(event: Event) -> dict[str, Any]:
    """The payload's `run`, ours: its id, where to read more, and the stage it is in now.

    Written from the event alone: this room knows no runs.
    """
    data = event.data
    run: dict[str, Any] = {
        "id": str(data.get("run", "")),
        "url": urls(f"/runs/{data.get('run')}", f"/api/runs/{data.get('run')}"),
        "stage": str(data.get("stage") or "SCHEDULING"),
    }
    for name, key in (("attempt", "attempt"), ("messageId", "message_id"), ("message", "message")):
        if data.get(key):
            run[name] = data[key]
    return run


def _person_id(user: User | None) -> str:
    return str(user.pk) if user is not None else ""


def _api_path(repo: Repo) -> str:
    return f"/api/{repo.repo_type}s/{repo.repo_id}"


def urls(page: str, api: str) -> dict[str, str]:
    """Where people and programs read more, from paths of this hub."""
    return {"web": f"{settings.HUB_PUBLIC_URL}{page}", "api": f"{settings.HUB_PUBLIC_URL}{api}"}
