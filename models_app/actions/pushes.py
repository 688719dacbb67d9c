"""A push by git: received apart, checked as the hub's own commits are; then all references move at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pygit2
from django.conf import settings
from django.db import transaction

from accounts.actor import Actor, Level
from models_app.access import LoginRequired, Refusal, check_repo
from models_app.actions.after import ref_moved
from models_app.actions.branches import MAX_REFERENCES
from models_app.actions.contributions import referable_sizes
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.discussions import access_pull_request_push, check_contributor, is_writer, pull_request_number
from models_app.files import git_store
from models_app.models import Discussion, EventTag, Repo
from models_app.storage.errors import StorageError
from models_app.storage.gitcheck import Findings, inspect
from models_app.storage.gitpush import PushReport, PushRequest, RefUpdate, raw_refs
from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import Pointer
from models_app.storage.quarantine import BadPack, Quarantine, move_refs, quarantine
from models_app.storage.streams import Body, discard

DECLINED = "pre-receive hook declined"
_RULE = "-" * 73
_MAX_REFS_LOGGED = 100
_SPACES = ("refs/heads/", "refs/tags/", "refs/convert/")
_STALE = "it is not where you believe it to be; fetch first"


def check_pusher(actor: Actor, repo: Repo) -> Repo:
    """The repo, to somebody who may move at least one of its references; else the refusal for writing.

    Whoever has a pull request in it may push to that, or is told why not.
    """
    if is_writer(actor, repo):
        return repo
    own = Discussion.objects.filter(repo=repo, is_pull_request=True, author=actor.user)
    if actor.user is None or not own.exists():
        return check_repo(actor, repo, Level.WRITE)
    return check_contributor(actor, repo)


def receive_push(actor: Actor, *, repo: Repo, request: PushRequest, body: Body) -> PushReport:
    """Take the pack that `body` still holds, and move what references may move; of a bad push nothing stays.

    What the person should read is in the report. Raises LoginRequired, BadPackRequest, or what reading the
    body raises; then nothing has happened.
    """
    if actor.user is None:
        raise LoginRequired("Pushing needs a signed-in user.")
    updates = request.updates
    with quarantine(git_store(repo), settings.HUB_TMP_DIR) as held:
        try:
            if request.brings_pack:
                held.take_pack(body, settings.HUB_PUSH_BYTES)
        except BadPack as error:
            # The client reads no answer before it has sent everything.
            discard(body, 4 * settings.HUB_PUSH_BYTES)
            return PushReport(_all(updates, "unpacker error"), [error.message], unpack=error.message)
        try:
            found = _findings(repo, held, updates)
            if words := _complaints(actor, repo, found):
                return PushReport(_all(updates, DECLINED), words)
            return _move(actor, repo, request, held, found)
        except (Refusal, StorageError) as error:
            return PushReport(_all(updates, error.message), [error.message])


def _all(updates: Iterable[RefUpdate], reason: str) -> dict[str, str]:
    return {update.ref: reason for update in updates}


# --- content


def _findings(repo: Repo, held: Quarantine, updates: Sequence[RefUpdate]) -> Findings:
    tips = {update.new for update in updates if update.new is not None}
    if not tips:
        return Findings()
    known = set(raw_refs(git_store(repo)).values())
    return inspect(held.store, held.new_objects(sorted(tips), sorted(known)), settings.HUB_REGULAR_FILE_BYTES)


def _complaints(actor: Actor, repo: Repo, found: Findings) -> list[str]:
    """What is wrong with the content, in lines for the person at the other end; nothing when all is well."""
    if found.too_large:
        limit = settings.HUB_REGULAR_FILE_BYTES // 1024**2
        why = [f"Your push was rejected because it contains files larger than {limit} MiB."]
        return _framed(
            [*why, "Please use https://git-lfs.github.com/ to store larger files."], found.too_large
        )
    if found.refused:
        return _framed(
            ["Your push was rejected because it contains what this hub does not keep."], found.refused
        )
    if missing := _unknown_pointers(actor, repo, found.pointers):
        why = ["Your push was rejected because it names large files that were never uploaded to this repo."]
        return _framed([*why, "Please run `git lfs push --all origin` and push again."], missing)
    return []


def _unknown_pointers(actor: Actor, repo: Repo, pointers: Mapping[Pointer, str]) -> list[str]:
    sizes = referable_sizes(actor, repo, list({pointer.sha256 for pointer in pointers}))
    return [
        f"{path} ({pointer.sha256}, {pointer.size} bytes)"
        for pointer, path in pointers.items()
        if sizes.get(pointer.sha256) != pointer.size
    ]


def _framed(sentences: Sequence[str], offending: Sequence[str]) -> list[str]:
    shown = [f"  - {name[:400]}" for name in offending[:20]]
    more = [f"  and {len(offending) - 20} more"] if len(offending) > 20 else []
    return [_RULE, *sentences, _RULE, "Offending files:", *shown, *more]


# --- references


@dataclass
class _Judge:
    """Decides on every reference under the repo's lock; `refusals` are its reasons by name."""

    actor: Actor
    repo: Repo
    objects: GitStore
    current: dict[str, str]
    refusals: dict[str, str] = field(default_factory=dict)

    def decide(self, updates: Sequence[RefUpdate], atomic: bool) -> list[RefUpdate]:
        """The updates that may go ahead."""
        seen: set[str] = set()
        for update in updates:
            try:
                reason = "it is named twice" if update.ref in seen else self._reason(update)
            except (Refusal, StorageError) as error:
                reason = error.message
            if reason:
                self.refusals[update.ref] = reason
            seen.add(update.ref)
        if atomic and self.refusals:
            self.refusals = _all(updates, "atomic push failed") | self.refusals
        return [update for update in updates if update.ref not in self.refusals]

    def _reason(self, update: RefUpdate) -> str:
        """Why this one may not; empty when it may."""
        num = pull_request_number(update.ref)
        if num is not None:
            access_pull_request_push(self.actor, self.repo, num)
        elif not is_writer(self.actor, self.repo):
            return "you may push to your own pull requests only"
        if reason := _bad_name(update.ref) if num is None else "":
            return reason
        if self.current.get(update.ref) != update.old:
            return _STALE
        if update.new is None:
            return self._deletion(update, num)
        if update.old is None and (num is not None or len(self.current) >= MAX_REFERENCES):
            return f"at most {MAX_REFERENCES} references are kept" if num is None else "it does not exist"
        return self._bad_target(update)

    def _deletion(self, update: RefUpdate, num: int | None) -> str:
        if update.old is None:
            return "there is no such reference"
        if num is not None:
            return "a pull request is closed, not deleted"
        if update.ref == f"refs/heads/{self.repo.default_branch}":
            return "the default branch cannot be deleted"
        return ""

    def _bad_target(self, update: RefUpdate) -> str:
        target = self.objects.repository[pygit2.Oid(hex=update.new or "")]
        if isinstance(target, pygit2.Commit):
            return ""
        if not update.ref.startswith("refs/tags/"):
            return "a branch leads to a commit"
        try:
            target.peel(pygit2.Commit)
        except (pygit2.GitError, ValueError):
            return "a tag leads to a commit"
        return ""


def _bad_name(ref: str) -> str:
    space = next((prefix for prefix in _SPACES if ref.startswith(prefix)), None)
    if space is None:
        return "only branches (refs/heads), tags (refs/tags) and refs/convert can be pushed"
    name = ref.removeprefix(space)
    if name.startswith("refs/") or name in ("HEAD", "") or len(ref.encode()) > 250:
        return "this name is not allowed"
    return "" if pygit2.reference_is_valid_name(ref) else "this name is not allowed"


def _move(actor: Actor, repo: Repo, request: PushRequest, held: Quarantine, found: Findings) -> PushReport:
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.READ)
        now = Actor(actor.user, actor.token)  # what the person is now counts, not when the push began
        # Asked again: an old, unused permission may have been collected while the body arrived.
        if words := _complaints(now, row, found):
            return PushReport(_all(request.updates, DECLINED), words)
        judge = _Judge(now, row, held.store, raw_refs(git_store(row)))
        going = judge.decide(request.updates, "atomic" in request.capabilities)
        if going:
            held.migrate()
            store, known = git_store(row), set(judge.current.values())
            for update in going:
                _follow(now, row, store, update, known)
            _log(now, row, going)
            # Last, so that a failure above leaves git untouched; a failure here rolls the rows back.
            move_refs(store, going)
    return PushReport(judge.refusals)


def _follow(actor: Actor, repo: Repo, store: GitStore, update: RefUpdate, known: set[str]) -> None:
    """The rows after one reference: as if a branch, tag or commit had been made through the API.

    `push` marks events that webhooks hear of by the push as a whole.
    """
    old, new = _commit_of(store, update.old), _commit_of(store, update.new)
    branch = update.ref.removeprefix("refs/heads/") if update.ref.startswith("refs/heads/") else ""
    tag = update.ref.removeprefix("refs/tags/") if update.ref.startswith("refs/tags/") else ""
    if branch and new is None:
        record_event(actor, EventTag.BRANCH_DELETE, repo=repo, branch=branch, push=True)
    elif branch and old is None:
        record_event(actor, EventTag.BRANCH_CREATE, repo=repo, branch=branch, oid=new, push=True)
    elif tag and new is None:
        record_event(actor, EventTag.TAG_DELETE, repo=repo, tag_name=tag, push=True)
    elif tag:
        record_event(actor, EventTag.TAG_CREATE, repo=repo, tag_name=tag, oid=new, push=True)
    ref_moved(actor, repo, ref=update.ref, old=old, new=new)
    if branch and new is not None and new not in known:
        summary = store.commit(new).title[:200]
        record_event(
            actor,
            EventTag.COMMIT_ADD,
            repo=repo,
            branch=branch,
            oid=new,
            parent=old,
            summary=summary,
            push=True,
        )


def _commit_of(store: GitStore, oid: str | None) -> str | None:
    return None if oid is None else str(store.repository[pygit2.Oid(hex=oid)].peel(pygit2.Commit).id)


def _log(actor: Actor, repo: Repo, updates: Sequence[RefUpdate]) -> None:
    # What happens to pull requests is told of in their threads.
    told = [
        {"ref": update.ref, "old": update.old, "new": update.new}
        for update in updates
        if pull_request_number(update.ref) is None
    ]
    if told:
        record_event(actor, EventTag.REPO_PUSH, repo=repo, refs=told[:_MAX_REFS_LOGGED], count=len(told))
