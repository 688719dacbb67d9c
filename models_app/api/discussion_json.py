"""A thread and its events as the wire's JSON (hf-wire section 10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from models_app.api.wire import public_url, wire_time
from models_app.models import Discussion, DiscussionEvent, Repo

HIDDEN = "This comment has been hidden"


def discussion_json(discussion: Discussion, repo: Repo) -> dict[str, Any]:
    """A thread as lists show it; a thread of somebody who is gone has no `author`."""
    return {
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
        "createdAt": wire_time(discussion.created_at),
        "repo": {"name": repo.repo_id, "type": repo.repo_type},
        "url": public_url(f"{repo.get_absolute_url()}/discussions/{discussion.num}"),
        "pinned": discussion.is_pinned,
        "locked": discussion.is_locked,
        "numComments": discussion.comments_count,
        "numReactionUsers": 0,
        "topReactions": [],
        **author_json(discussion.author),
    }


def author_json(user: User | None) -> dict[str, Any]:
    """`{"author": …}`, or nothing: clients read a missing author as `deleted`, and stumble over null."""
    if user is None:
        return {}
    return {
        "author": {
            "_id": str(user.pk),
            "name": user.username,
            "fullname": user.display_name(),
            "type": "user",
            "avatarUrl": "",
            "isPro": False,
            "isHf": False,
            "isMod": False,
        }
    }


def event_json(event: DiscussionEvent) -> dict[str, Any]:
    """One event; the same bytes in the answer to the call that made it and in the thread's details."""
    data = _comment_data(event) if event.type == "comment" else event.data
    return {
        "id": event.uuid.hex,
        "type": event.type,
        "createdAt": wire_time(event.created_at),
        "data": data,
        **author_json(event.author),
    }


def _comment_data(event: DiscussionEvent) -> dict[str, Any]:
    author = author_json(event.author)
    history = [
        {
            "raw": earlier["raw"],
            "html": earlier["html"],
            "updatedAt": wire_time(datetime.fromisoformat(earlier["at"])),
            **author,
        }
        for earlier in event.data["history"]
    ]
    found: dict[str, Any] = {
        "edited": event.edited_at is not None,
        "hidden": event.hidden_at is not None,
        "latest": {**_latest(event), **author},
        "history": history,
        "numEdits": len(history),
        "editors": [event.author.username] if event.author else [],
        "reactions": [],
    }
    if event.hidden_by is not None:
        found["hiddenBy"] = event.hidden_by.username
    return found


def _latest(event: DiscussionEvent) -> dict[str, str]:
    moment = event.hidden_at or event.edited_at or event.created_at
    if event.hidden_at is not None:
        return {"raw": HIDDEN, "html": HIDDEN, "updatedAt": wire_time(moment)}
    return {"raw": event.body, "html": event.data["html"], "updatedAt": wire_time(moment)}
