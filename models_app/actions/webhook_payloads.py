"""What a webhook is told of an event: the documented payload, version 3 (hf-wire section 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models_app.actions.webhook_things import Subject, comment_json, discussion_json, run_json, thing_json
from models_app.files import git_store
from models_app.models import Bucket, Discussion, Event, EventTag, Repo

REPO, DISCUSSION, RUN = "repo", "discussion", "run"
# What a webhook hears of that names none, as the public hub has it; runs are ours and must be asked for.
USUAL_DOMAINS = (REPO, DISCUSSION)
DOMAINS = (*USUAL_DOMAINS, RUN)
_NO_COMMIT = "0" * 40

# Event → (action, scope). What is not here is told to nobody: likes, access requests, follows.
_TOLD: dict[str, tuple[str, str]] = {
    EventTag.REPO_CREATE: ("create", "repo"),
    EventTag.REPO_DUPLICATE: ("create", "repo"),
    EventTag.REPO_DELETE: ("delete", "repo"),
    EventTag.REPO_MOVE: ("move", "repo"),
    EventTag.REPO_SETTINGS: ("update", "repo.config"),
    EventTag.REPO_DISABLE: ("update", "repo.config"),
    EventTag.REPO_ENABLE: ("update", "repo.config"),
    EventTag.COMMIT_ADD: ("update", "repo.content"),
    EventTag.BRANCH_CREATE: ("update", "repo.content"),
    EventTag.BRANCH_DELETE: ("update", "repo.content"),
    EventTag.TAG_CREATE: ("update", "repo.content"),
    EventTag.TAG_DELETE: ("update", "repo.content"),
    EventTag.REPO_SQUASH: ("update", "repo.content"),
    EventTag.REPO_PUSH: ("update", "repo.content"),
    EventTag.FILES_DELETE: ("update", "repo.content"),
    EventTag.DISCUSSION_COMMIT: ("update", "repo.content"),
    EventTag.DISCUSSION_OPEN: ("create", "discussion"),
    EventTag.DISCUSSION_COMMENT: ("create", "discussion.comment"),
    EventTag.DISCUSSION_EDIT: ("update", "discussion.comment"),
    EventTag.DISCUSSION_HIDE: ("update", "discussion.comment"),
    EventTag.DISCUSSION_STATUS: ("update", "discussion"),
    EventTag.DISCUSSION_TITLE: ("update", "discussion"),
    EventTag.DISCUSSION_MERGE: ("update", "discussion"),
    EventTag.BUCKET_CREATE: ("create", "repo"),
    EventTag.BUCKET_DELETE: ("delete", "repo"),
    EventTag.BUCKET_CHANGE: ("update", "repo.content"),
    EventTag.BUCKET_SETTINGS: ("update", "repo.config"),
    EventTag.BUCKET_MOVE: ("move", "repo"),
    EventTag.RUN_SUBMIT: ("create", "run"),
    EventTag.RUN_RESUME: ("update", "run"),
    EventTag.RUN_FINISH: ("update", "run"),
}
_WITH_COMMENT = (
    EventTag.DISCUSSION_OPEN,
    EventTag.DISCUSSION_COMMENT,
    EventTag.DISCUSSION_EDIT,
    EventTag.DISCUSSION_HIDE,
)


@dataclass(frozen=True)
class Notice:
    """One message, less the webhook it goes to."""

    domain: str
    payload: dict[str, Any]


def is_told(event: Event) -> bool:
    """Whether webhooks hear of it; asks no database.

    A push is told of once, not again for each reference; those of pull requests are told of by their threads.
    """
    if event.tag == EventTag.REPO_PUSH:
        return bool(_pushed(event))
    return event.tag in _TOLD and not event.data.get("push")


def _pushed(event: Event) -> list[dict[str, Any]]:
    return [one for one in event.data.get("refs", []) if not one["ref"].startswith("refs/pr/")]


def subject_of(event: Event) -> Subject | None:
    """The repo or bucket of an event, also of one that is about to be deleted; None when there is neither."""
    repo = event.repo
    if repo is None and event.tag == EventTag.REPO_DELETE:
        repo = Repo.objects.select_related("namespace").filter(uuid=event.data.get("uuid")).first()
    if repo is not None:
        names = {repo.repo_id, _old_name(event) or repo.repo_id}
        return Subject(repo.namespace, repo.repo_type, repo.private, repo=repo, names=_lowered(names))
    if event.data.get("bucket"):
        bucket = Bucket.objects.select_related("namespace").filter(uuid=event.data["bucket"]).first()
        if bucket is not None:
            names = {bucket.bucket_id, _old_name(event) or bucket.bucket_id}
            return Subject(bucket.namespace, "bucket", bucket.private, bucket=bucket, names=_lowered(names))
    return None


def _old_name(event: Event) -> str:
    """What the thing was called before the event moved it; empty for other events."""
    return str(event.data.get("from_id") or event.data.get("moved_from") or "")


def _lowered(names: set[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def notice(event: Event, subject: Subject) -> Notice:
    """What is told of an event that is told of."""
    action, scope = _TOLD[event.tag]
    if scope.startswith(DISCUSSION):
        return Notice(DISCUSSION, _discussion_payload(event, subject, action, scope))
    if scope == RUN:
        told = {"event": {"action": action, "scope": scope}, "repo": thing_json(subject, with_head=True)}
        return Notice(RUN, told | {"run": run_json(event)})
    return Notice(REPO, _repo_payload(event, subject, action, scope))


# --- repos


def _repo_payload(event: Event, subject: Subject, action: str, scope: str) -> dict[str, Any]:
    told = {"action": action, "scope": scope}
    payload: dict[str, Any] = {"event": told, "repo": thing_json(subject, with_head=True)}
    if action == "move":
        payload["movedTo"] = {"name": payload["repo"]["name"], "owner": payload["repo"]["owner"]}
        payload["repo"]["name"] = _old_name(event) or payload["repo"]["name"]
    if scope == "repo.config":
        changed = event.data.get("changed") or {}
        payload["updatedConfig"] = {"private": changed["private"]} if "private" in changed else {}
    if scope == "repo.content" and subject.repo is not None:
        payload["updatedRefs"] = _updated_refs(event, subject.repo)
    return payload


def _updated_refs(event: Event, repo: Repo) -> list[dict[str, str | None]]:
    """`refs` of the event as it was recorded, or the one reference its other fields tell of."""
    data = event.data
    if refs := _pushed(event) or data.get("rewritten"):
        return [_updated_ref(one["ref"], one.get("old"), one.get("new")) for one in refs]
    ref = _full_ref(data)
    if ref is None:
        return []
    if event.tag in (EventTag.BRANCH_DELETE, EventTag.TAG_DELETE):
        return [_updated_ref(ref, git_store(repo).ref_oid(ref), None)]  # recorded before git forgets it
    return [_updated_ref(ref, data.get("old", data.get("parent")), data.get("new", data.get("oid")))]


def _full_ref(data: dict[str, Any]) -> str | None:
    if data.get("tag_name"):
        return f"refs/tags/{data['tag_name']}"
    name = str(data.get("ref") or data.get("branch") or "")
    if not name:
        return None
    return name if name.startswith("refs/") else f"refs/heads/{name}"


def _updated_ref(ref: str, old: str | None, new: str | None) -> dict[str, str | None]:
    return {"ref": ref, "oldSha": _oid(old), "newSha": _oid(new)}


def _oid(oid: str | None) -> str | None:
    return None if oid in (None, "", _NO_COMMIT) else oid


# --- discussions


def _discussion_payload(event: Event, subject: Subject, action: str, scope: str) -> dict[str, Any]:
    payload = {"event": {"action": action, "scope": scope}, "repo": thing_json(subject, with_head=False)}
    rows = Discussion.objects.filter(repo=subject.repo, num=event.data.get("num"))
    discussion = rows.select_related("author").first()
    if discussion is None or subject.repo is None:
        return payload
    payload["discussion"] = discussion_json(discussion, subject.repo)
    comments = discussion.events.select_related("author").filter(type="comment")
    comment = comments.filter(uuid=event.data.get("event")).first() if event.data.get("event") else None
    if comment is None and event.tag == EventTag.DISCUSSION_OPEN:
        comment = comments.order_by("pk").first()
    if comment is not None and event.tag in _WITH_COMMENT:
        payload["comment"] = comment_json(comment, discussion)
    return payload
