"""What the log and the webhooks missed: a commit whose rows were lost with the process that made it."""

from __future__ import annotations

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.authors import email_of
from models_app.actions.discussions import set_status
from models_app.actions.events import record_event
from models_app.files import git_store
from models_app.models import Discussion, DiscussionStatus, Event, EventTag, Repo
from models_app.storage.githistory import Commit


def tell_of_lost(repo: Repo, *, before: str, oid: str) -> None:
    """Record that the default branch has moved from `before` to the commit `oid`, unless the log has it.

    Call inside a transaction, with the locked row. The oid tells it exactly once, whoever notices first.
    """
    if Event.objects.filter(repo=repo, tag=EventTag.COMMIT_ADD, data__oid=oid).exists():
        return
    commit = git_store(repo).commit(oid)
    actor = Actor(_author(commit))
    _settle_merge(actor, repo, commit)
    record_event(
        actor,
        EventTag.COMMIT_ADD,
        repo=repo,
        branch=repo.default_branch,
        oid=oid,
        parent=before or None,
        summary=commit.title[:200],
    )


def _settle_merge(actor: Actor, repo: Repo, commit: Commit) -> None:
    """Call the pull request merged that this commit has merged."""
    store = git_store(repo)
    waiting = Discussion.objects.filter(
        repo=repo, is_pull_request=True, status=DiscussionStatus.OPEN, target_branch=repo.default_branch
    )
    for request in waiting if len(commit.parents) == 2 else ():
        # Only the hub's own words say so: people merge a request's branch by git and leave it open.
        if store.ref_oid(request.git_ref) == commit.parents[1] and commit.title.endswith(f"(#{request.num})"):
            request.merge_oid = commit.oid
            request.save(update_fields=["merge_oid"])
            set_status(actor, request, DiscussionStatus.MERGED)


def _author(commit: Commit) -> User | None:
    """The hub's user who made it; None for what git brought, whose authors anybody may write."""
    if commit.email != email_of(commit.author):
        return None
    return User.objects.filter(username=commit.author).first()
