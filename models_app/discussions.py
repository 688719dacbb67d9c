"""Threads about a repo: who may take part, and the reads that pages and wire share.

Whoever may know of a repo may read its threads, also those of a gated one; what a pull request changes is
content, and only shown to whom the gate lets through.
"""

from __future__ import annotations

import re

from django.db.models import QuerySet

from accounts.actor import Actor, Level
from models_app.access import (
    Forbidden,
    LoginRequired,
    NotThere,
    check_repo,
    effective_level,
    too_little,
)
from models_app.files import git_store
from models_app.models import Discussion, DiscussionEvent, DiscussionStatus, Repo
from models_app.storage.errors import RevisionNotFound
from models_app.storage.gitdiff import Diff, diff
from models_app.storage.gitmerge import conflicts_of, merge_base
from models_app.storage.gitstore import GitStore, Ref

# How many events of a thread its page shows at once.
EVENTS_A_PAGE = 60
KINDS = ("all", "discussion", "pull_request")
STATUSES = ("all", "open", "closed")
_OPEN = (DiscussionStatus.OPEN, DiscussionStatus.DRAFT)
_PULL_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})")

# --- references


def pull_request_number(ref: str) -> int | None:
    """The number in `refs/pr/{number}`, or None for any other name."""
    found = _PULL_REF.fullmatch(ref)
    return int(found[1]) if found else None


def full_ref(branch: str) -> str:
    """The full name of a branch, or of a pull request's reference, which is given in full."""
    return branch if pull_request_number(branch) is not None else f"refs/heads/{branch}"


# --- the gate


def access_discussion(actor: Actor, repo: Repo, num: int) -> Discussion:
    """One thread of a repo that came from the gate; NotThere when it has no such thread."""
    check_repo(actor, repo, content=False)
    known = Discussion.objects.select_related("author").filter(repo=repo, num=num)
    found = known.first() if 0 < num < 2**31 else None
    if found is None:
        raise NotThere("Discussion not found")
    found.repo = repo
    return found


def check_participant(actor: Actor, repo: Repo) -> Repo:
    """Leave to open threads and to comment: anybody signed in who sees the repo, by a credential that writes.

    Raises LoginRequired, Forbidden, or the gate's refusals.
    """
    check_repo(actor, repo, content=False)
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    if actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace) < Level.WRITE:
        raise too_little(actor, f"the discussions of {repo.repo_type} {repo.repo_id}", Level.WRITE)
    return repo


def check_contributor(actor: Actor, repo: Repo) -> Repo:
    """Leave to offer changes: a participant who may also read the files."""
    check_repo(actor, repo)
    return check_participant(actor, repo)


def is_writer(actor: Actor, repo: Repo) -> bool:
    """Whether the actor may change the repo itself."""
    return actor.user is not None and effective_level(actor, repo) >= Level.WRITE


def may_manage(actor: Actor, repo: Repo, discussion: Discussion) -> bool:
    """Whether the actor may rename, close and reopen: who opened it, and whoever may write to the repo."""
    is_author = actor.user is not None and discussion.author_id == actor.user.pk
    return is_author or is_writer(actor, repo)


def access_pull_request_push(actor: Actor, repo: Repo, num: int) -> Discussion:
    """The pull request, if the actor may put commits on it: its author, and whoever may write to the repo.

    RevisionNotFound where there is no such pull request; Forbidden also for one that is closed or merged.
    """
    check_contributor(actor, repo)
    found = Discussion.objects.filter(repo=repo, num=num, is_pull_request=True).first()
    if found is None:
        raise RevisionNotFound(f"refs/pr/{num}")
    if not may_manage(actor, repo, found):
        raise Forbidden(f"Only its author, or somebody with write access, may change pull request {num}.")
    if found.status not in _OPEN:
        raise Forbidden(f"Pull request {num} is {found.status}; it takes no more commits.")
    return found


def check_upload(actor: Actor, repo: Repo, revision: str, *, create_pr: bool) -> Level:
    """Leave to send content for a commit to `revision`, or for a new pull request against it.

    Level.WRITE for whoever may write to the repo, Level.READ for a contributor: what such a person may refer
    to is narrower (`actions/contributions.py`). Raises the refusals of the functions above.
    """
    num = pull_request_number(revision)
    if create_pr:
        check_contributor(actor, repo)
    elif num is not None:
        access_pull_request_push(actor, repo, num)
    else:
        check_repo(actor, repo, Level.WRITE)
    return Level.WRITE if is_writer(actor, repo) else Level.READ


# --- reads


def threads_of(
    repo: Repo, *, kind: str = "all", status: str = "all", author: str = ""
) -> QuerySet[Discussion]:
    """The repo's threads, newest first; `open` takes in drafts, `closed` what is merged."""
    rows = Discussion.objects.filter(repo=repo).select_related("author").order_by("-num")
    if kind != "all":
        rows = rows.filter(is_pull_request=kind == "pull_request")
    if status != "all":
        rows = rows.filter(status__in=_OPEN) if status == "open" else rows.exclude(status__in=_OPEN)
    if author:
        rows = rows.filter(author__username__iexact=author) if "\0" not in author else rows.none()
    return rows


def event_path(event: DiscussionEvent) -> str:
    """Where an event can be seen; in a thread of several pages, on the one that it stands on."""
    thread = event.discussion
    is_long = thread.events.count() > EVENTS_A_PAGE
    page = f"?at={event.uuid.hex}" if is_long else ""
    return f"{thread.get_absolute_url()}{page}#event-{event.uuid.hex}"


def open_count(repo: Repo) -> int:
    """How many threads wait for somebody."""
    return Discussion.objects.filter(repo=repo, status__in=_OPEN).count()


def pull_request_refs(repo: Repo) -> list[Ref]:
    """The references of all pull requests, also of closed and merged ones, by number."""
    store = git_store(repo)
    nums = (
        Discussion.objects.filter(repo=repo, is_pull_request=True)
        .order_by("num")
        .values_list("num", flat=True)
    )
    found = ((num, store.ref_oid(f"refs/pr/{num}")) for num in nums)
    return [Ref(str(num), f"refs/pr/{num}", oid) for num, oid in found if oid]


def conflicts(repo: Repo, discussion: Discussion) -> list[str] | bool:
    """Files that keep an open pull request from being merged; True when a side of it is gone."""
    if discussion.status not in _OPEN:
        return []
    store = git_store(repo)
    target, head = _sides(store, discussion)
    if target is None or head is None:
        return True
    return list(conflicts_of(store, ours=target, theirs=head))


def changes(repo: Repo, discussion: Discussion) -> Diff | None:
    """What the pull request changes, or changed; None where its commits are gone."""
    store = git_store(repo)
    if discussion.merge_oid:
        return _merged_changes(store, discussion.merge_oid)
    target, head = _sides(store, discussion)
    if target is None or head is None:
        return None
    base = merge_base(store, target, head)
    return diff(store, base or target, head)


def _merged_changes(store: GitStore, oid: str) -> Diff | None:
    try:
        parents = store.commit(oid).parents
    except KeyError:  # a squashed history has forgotten the merge
        return None
    return diff(store, parents[0], oid) if parents else None


def _sides(store: GitStore, discussion: Discussion) -> tuple[str | None, str | None]:
    return store.ref_oid(f"refs/heads/{discussion.target_branch}"), store.ref_oid(discussion.git_ref)
