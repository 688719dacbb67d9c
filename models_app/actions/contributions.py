"""What somebody without write access may refer to: content they sent themselves, or that the repo shows.

The row of `RepoFile` is enough for people who may write to a repo. Others reach commits by pull requests, and
for them a hash must not become a key to content that was uploaded but never shown, or was taken away
(decision 0004).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accounts.actor import Actor
from models_app.actions.content import batches
from models_app.discussions import is_writer
from models_app.files import git_store
from models_app.models import Contribution, LargeFile, Repo

MAX_REFS_SEARCHED = 100
_BATCH = 500


def note_contribution(actor: Actor, repo: Repo, sha256s: Iterable[str]) -> None:
    """Remember that the actor proved to hold this content; nothing is noted of people who may write."""
    if actor.user is None or is_writer(actor, repo):
        return
    for batch in batches(list(sha256s), _BATCH):
        ids = LargeFile.objects.filter(sha256__in=batch).values_list("pk", flat=True)
        rows = [Contribution(repo=repo, user=actor.user, file_id=pk) for pk in ids]
        Contribution.objects.bulk_create(rows, _BATCH, ignore_conflicts=True)


def contributed(actor: Actor, repo: Repo, sha256s: Sequence[str]) -> set[str]:
    """Those of the objects that the actor has sent to this repo."""
    found: set[str] = set()
    if actor.user is None:
        return found
    for batch in batches(sha256s, _BATCH):
        rows = Contribution.objects.filter(repo=repo, user=actor.user, file__sha256__in=batch)
        found.update(rows.values_list("file__sha256", flat=True))
    return found


def kept_sizes(repo: Repo, sha256s: Sequence[str]) -> dict[str, int]:
    """{sha256: bytes} of the objects that the repo has the permission to refer to."""
    sizes: dict[str, int] = {}
    for batch in batches(sha256s, _BATCH):
        rows = LargeFile.objects.filter(repo_files__repo=repo, sha256__in=batch)
        sizes.update(rows.values_list("sha256", "size"))
    return sizes


def referable_sizes(actor: Actor, repo: Repo, sha256s: Sequence[str]) -> dict[str, int]:
    """{sha256: bytes} of the objects that a commit by this actor may point at."""
    sizes = kept_sizes(repo, sha256s)
    if not sizes or is_writer(actor, repo):
        return sizes
    unproven = set(sizes) - contributed(actor, repo, list(sizes))
    hidden = unproven - _shown(repo, unproven) if unproven else unproven
    return {sha256: size for sha256, size in sizes.items() if sha256 not in hidden}


def _shown(repo: Repo, wanted: set[str]) -> set[str]:
    """Those of the objects that a branch or tag points at now, so that any reader has them."""
    store = git_store(repo)
    branches, tags = store.refs()
    found: set[str] = set()
    for oid in dict.fromkeys(ref.oid for ref in [*branches, *tags][:MAX_REFS_SEARCHED]):
        pointers = (entry.pointer for entry in store.files(oid) if entry.pointer)
        found.update(pointer.sha256 for pointer in pointers if pointer.sha256 in wanted)
        if found == wanted:
            break
    return found
