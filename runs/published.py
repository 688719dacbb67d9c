"""Finding the commit a run has made: a worker may die between publishing and saying so."""

from __future__ import annotations

from models_app.files import git_store
from models_app.storage.errors import RevisionNotFound
from models_app.storage.githistory import Commit
from runs.models import Run

# A run publishes in one commit, soon after it was submitted; nobody pushes more than this in between.
SEARCH_DEPTH = 200


def marker(run: Run) -> str:
    """The line of the commit message by which a run's commit is known."""
    return f"Run {run.uuid}"


def find_published(run: Run) -> str | None:
    """The oid of the commit this run made in its target repo since submission, or None."""
    repo = run.target_repo
    if repo is None:
        return None
    store = git_store(repo)
    try:
        head = store.resolve(repo.default_branch)
    except RevisionNotFound:
        return None
    for commit in store.history(head, limit=SEARCH_DEPTH):
        if commit.oid == run.target_base_oid:
            return None
        if _carries_marker(commit, run):
            return commit.oid
    return None


def carries_run(run: Run, oid: str) -> bool:
    """Whether the commit is this run's own."""
    return run.target_repo is not None and _carries_marker(git_store(run.target_repo).commit(oid), run)


def _carries_marker(commit: Commit, run: Run) -> bool:
    lines = [commit.title, *commit.message.splitlines()]
    return marker(run) in (line.strip() for line in lines)
