"""Pull requests: drafts, requests that begin with a commit, merges. `repo` arguments come from the gate."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts.actor import Actor, Level
from models_app.actions.after import ref_moved
from models_app.actions.authors import author_of, email_of
from models_app.actions.commits import CommitDone, commit_message, stage_operations
from models_app.actions.discussions import say, set_status, start_thread
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput, MergeRefused
from models_app.actions.threads import checked_comment, checked_title, lock_thread, title_of_commit
from models_app.discussions import check_contributor
from models_app.files import git_store
from models_app.models import Discussion, DiscussionStatus, EventTag, Repo
from models_app.storage import gitcommit
from models_app.storage.errors import RevisionNotFound
from models_app.storage.gitmerge import is_ancestor, merge, new_commits, write_merge
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import Operation

MAX_COMMITS_TOLD = 50


def open_draft(actor: Actor, *, repo: Repo, title: str, description: str = "") -> Discussion:
    """A pull request without changes: a draft whose reference stands where the default branch does."""
    title = checked_title(title)
    with transaction.atomic():
        row = check_contributor(actor, lock_repo(actor, repo, Level.READ))
        store = git_store(row)
        head = _branch_head(store, row.default_branch)
        draft = Discussion(
            title=title,
            status=DiscussionStatus.DRAFT,
            is_pull_request=True,
            target_branch=row.default_branch,
        )
        made = start_thread(actor, row, draft, description)
        _point(store, made.git_ref, head)
    return made


def open_with_commit(
    actor: Actor,
    *,
    repo: Repo,
    branch: str,
    operations: Iterable[Operation],
    summary: str,
    description: str = "",
    parent: str | None = None,
) -> tuple[Discussion, CommitDone]:
    """A pull request against `branch` with one commit; the branch stays where it is.

    The commit is made on `parent` (5 to 40 hex digits, a commit of the branch) or on the branch's head.
    Raises RevisionNotFound for an unknown branch or parent, and what `commits.commit` raises.
    """
    message = commit_message(summary, description)
    staged = stage_operations(actor, repo, operations)
    store = git_store(repo)
    with transaction.atomic():
        row = check_contributor(actor, lock_repo(actor, repo, Level.READ))
        staged.check_again(row)
        base = _base(store, branch, parent)
        oid = staged.write(actor, row, parent=base, message=message)
        request = Discussion(title=title_of_commit(summary), is_pull_request=True, target_branch=branch)
        made = start_thread(actor, row, request, description)
        ref_moved(actor, row, ref=made.git_ref, old=None, new=oid)
        _point(store, made.git_ref, oid)
    return made, CommitDone(oid, made.git_ref)


def merge_pull_request(actor: Actor, *, repo: Repo, num: int, text: str = "") -> str:
    """Merge an open pull request into its branch, which moves last; the merge commit's oid.

    Raises InvalidInput for anything but an open pull request, MergeRefused where both sides changed the same
    files, RevisionNotFound where a side is gone, StaleParent, or the gate's refusals.
    """
    text = checked_comment(text) if text.strip() else ""
    with transaction.atomic():
        lock_repo(actor, repo)
        row, request = lock_thread(actor, repo, num)
        _need_open(request)
        store = git_store(row)
        target, head = _branch_head(store, request.target_branch), _head(store, request)
        oid = _merge_commit(actor, store, request, target, head)
        if text:
            say(actor, row, request, text)
        request.merge_oid = oid
        request.save(update_fields=["merge_oid"])
        set_status(actor, request, DiscussionStatus.MERGED)
        branch = request.target_branch
        ref_moved(actor, row, ref=f"refs/heads/{branch}", old=target, new=oid)
        title = f"{request.title} (#{num})"[:200]
        record_event(
            actor, EventTag.COMMIT_ADD, repo=row, branch=branch, oid=oid, parent=target, summary=title
        )
        gitcommit.move_branch(store, branch, old=target, new=oid)
    return oid


def _need_open(request: Discussion) -> None:
    if not request.is_pull_request:
        raise InvalidInput("This is a discussion, not a pull request: there is nothing to merge.")
    if request.status == DiscussionStatus.DRAFT:
        raise InvalidInput("This pull request is a draft; open it before it is merged.")
    if request.status != DiscussionStatus.OPEN:
        raise InvalidInput(f"This pull request is {request.status}; it cannot be merged.")


def _merge_commit(actor: Actor, store: GitStore, request: Discussion, target: str, head: str) -> str:
    merged = merge(store, ours=target, theirs=head)
    if merged.conflicts:
        names = ", ".join(merged.conflicts[:5]) + (" and others" if len(merged.conflicts) > 5 else "")
        raise MergeRefused(
            f"Pull request {request.num} conflicts with {request.target_branch}: both changed {names}."
        )
    return write_merge(
        store,
        tree=merged.tree,
        parents=[target, head],
        author=author_of(actor),
        message=_merge_message(actor, store, request, target, head),
    )


def _merge_message(actor: Actor, store: GitStore, request: Discussion, target: str, head: str) -> str:
    """As the public hub words it: the title with the number, the commits, and who else wrote them."""
    commits = new_commits(store, head, [target], MAX_COMMITS_TOLD)
    mine = getattr(actor.user, "username", "")
    others = dict.fromkeys(commit.author for commit in commits if commit.author != mine)
    lines = [f"- {commit.title} ({commit.oid})" for commit in commits]
    credit = [f"Co-authored-by: {name} <{email_of(name)}>" for name in others]
    parts = [f"{request.title} (#{request.num})", "\n".join(lines), "\n".join(credit)]
    return "\n\n".join(part for part in parts if part)


def _base(store: GitStore, branch: str, parent: str | None) -> str:
    head = _branch_head(store, branch)
    if parent is None:
        return head
    base = store.resolve(parent)
    # A commit that the branch does not show is none to build on: it may hold what was taken away.
    if not is_ancestor(store, base, head):
        raise RevisionNotFound(parent)
    return base


def _branch_head(store: GitStore, branch: str) -> str:
    head = store.ref_oid(f"refs/heads/{branch}")
    if head is None:
        raise RevisionNotFound(branch)
    return head


def _head(store: GitStore, request: Discussion) -> str:
    head = store.ref_oid(request.git_ref)
    if head is None:
        raise RevisionNotFound(request.git_ref)
    return head


def _point(store: GitStore, ref: str, oid: str) -> None:
    """Make the reference of a new pull request, over one that a transaction rolled back left behind."""
    if store.ref_oid(ref) is not None:
        gitcommit.delete_ref(store, ref)
    gitcommit.create_ref(store, ref, oid)
