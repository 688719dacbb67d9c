"""Locks of git-lfs: taken and given back by people who may write. `repo` comes from the gate."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from models_app.access import Forbidden
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput
from models_app.models import EventTag, FileLock, Repo
from models_app.storage.operations import check_path

MAX_LOCKS = 10_000
MAX_PATH_CHARACTERS = 1000


class PathLocked(InvalidInput):
    """Somebody has the path already; `lock` says who."""

    def __init__(self, lock: FileLock) -> None:
        super().__init__("already created lock")
        self.lock = lock


class NoSuchLock(InvalidInput):
    """The repo has no lock of this id."""


def create_lock(actor: Actor, *, repo: Repo, path: str, ref: str = "") -> FileLock:
    """Take a path; PathLocked when it is taken (also by oneself), BadPath or InvalidInput for none."""
    check_path(path)
    if len(path) > MAX_PATH_CHARACTERS or len(ref) > 250 or "\0" in ref:
        raise InvalidInput(f"A path to lock has at most {MAX_PATH_CHARACTERS} characters, a reference 250.")
    with transaction.atomic():
        row = lock_repo(actor, repo)
        taken = FileLock.objects.select_related("owner").filter(repo=row, path=path).first()
        if taken is not None:
            raise PathLocked(taken)
        if FileLock.objects.filter(repo=row).count() >= MAX_LOCKS:
            raise InvalidInput(f"A repo may have at most {MAX_LOCKS} locks.")
        assert actor.user is not None  # nobody writes anonymously
        made = FileLock.objects.create(repo=row, path=path, ref=ref, owner=actor.user)
        record_event(actor, EventTag.LOCK_CHANGE, repo=row, path=path, locked=True)
    return made


def delete_lock(actor: Actor, *, repo: Repo, key: str, force: bool) -> FileLock:
    """Give a path back; another's only with `force`. Raises NoSuchLock or Forbidden."""
    with transaction.atomic():
        row = lock_repo(actor, repo)
        known = FileLock.objects.select_related("owner").filter(repo=row, uuid__in=uuids(key))
        lock = known.first()
        if lock is None:
            raise NoSuchLock("There is no such lock.")
        if lock.owner_id != (actor.user.pk if actor.user else None) and not force:
            raise Forbidden(f"The lock is {lock.owner.username}'s; unlock with --force to take it away.")
        record_event(actor, EventTag.LOCK_CHANGE, repo=row, path=lock.path, locked=False)
        FileLock.objects.filter(pk=lock.pk).delete()
    return lock


def uuids(key: str) -> list[str]:
    """The id as a UUID's 32 digits, or nothing when it cannot be one."""
    plain = key.replace("-", "").lower()
    return [plain] if len(plain) == 32 and set(plain) <= set("0123456789abcdef") else []
