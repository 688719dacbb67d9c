"""Locks of git-lfs (git-lfs docs/api/locking.md): create, list, verify, delete."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import View

from accounts.actor import Level
from models_app.actions.locks import NoSuchLock, PathLocked, create_lock, delete_lock, uuids
from models_app.api.lfs_view import MEDIA_TYPE, LfsView
from models_app.api.wire import WireError, json_object, text_field, wire_time
from models_app.models import FileLock

_PAGE = 100
_BODY_BYTES = 64 * 1024


def _row(lock: FileLock) -> dict[str, Any]:
    return {
        "id": lock.uuid.hex,
        "path": lock.path,
        "locked_at": wire_time(lock.locked_at),
        "owner": {"name": lock.owner.username},
    }


def _ref(said: dict[str, Any]) -> str:
    ref = said.get("ref")
    return text_field(ref, "name", limit=250, default="") if isinstance(ref, dict) else ""


def _cut(rows: QuerySet[FileLock], cursor: object, limit: object) -> tuple[list[FileLock], str]:
    """Locks by age after the one that `cursor` names, and the cursor of the next page (empty at the end)."""
    after = _number(cursor, "cursor", 0)
    size = max(1, min(_number(limit, "limit", _PAGE) or _PAGE, _PAGE))
    page = list(rows.select_related("owner").filter(pk__gt=after).order_by("pk")[: size + 1])
    return page[:size], str(page[size - 1].pk) if len(page) > size else ""


def _number(value: object, name: str, default: int) -> int:
    text = "" if value is None else str(value)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise WireError(400, f"{name!r} must be a whole number.")
    return int(text)


def _answer(body: dict[str, Any], next_cursor: str = "", status: int = 200) -> JsonResponse:
    more = {"next_cursor": next_cursor} if next_cursor else {}
    return JsonResponse({**body, **more}, status=status, content_type=MEDIA_TYPE)


class Locks(LfsView):
    """POST and GET …/info/lfs/locks: take a path; the repo's locks, or those of one `path` or `id`."""

    def post(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        repo = self.repo(Level.WRITE)
        said = json_object(request, _BODY_BYTES)
        path = text_field(said, "path", limit=8192)
        try:
            lock = create_lock(self.actor, repo=repo, path=path, ref=_ref(said))
        except PathLocked as error:
            raise WireError(409, error.message, lock=_row(error.lock)) from error
        return _answer({"lock": _row(lock)}, status=201)

    def get(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        repo = self.repo(content=True)
        rows = FileLock.objects.filter(repo=repo)
        path, key = request.GET.get("path", ""), request.GET.get("id", "")
        if "\0" in path + key:
            raise WireError(400, "'path' and 'id' must not contain NUL characters.")
        if path:
            rows = rows.filter(path=path)
        if key:
            rows = rows.filter(uuid__in=uuids(key))
        page, after = _cut(rows, request.GET.get("cursor"), request.GET.get("limit"))
        return _answer({"locks": [_row(lock) for lock in page]}, after)


class VerifyLocks(LfsView):
    """POST …/info/lfs/locks/verify: before a push, whose locks there are."""

    def post(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        repo = self.repo(Level.WRITE)
        said = json_object(request, _BODY_BYTES)
        rows = FileLock.objects.filter(repo=repo)
        page, after = _cut(rows, said.get("cursor"), said.get("limit"))
        mine = self.actor.user.pk if self.actor.user else None
        ours = [_row(lock) for lock in page if lock.owner_id == mine]
        theirs = [_row(lock) for lock in page if lock.owner_id != mine]
        return _answer({"ours": ours, "theirs": theirs}, after)


class Unlock(LfsView):
    """POST …/info/lfs/locks/{id}/unlock: give a path back; `force` takes another's lock away."""

    def post(self, request: HttpRequest, key: str, **_: str) -> HttpResponseBase:
        repo = self.repo(Level.WRITE)
        said = json_object(request, _BODY_BYTES)
        try:
            lock = delete_lock(self.actor, repo=repo, key=key, force=said.get("force") is True)
        except NoSuchLock as error:
            raise WireError(404, error.message) from error
        return _answer({"lock": _row(lock)})


# By what follows `{repo}.git/info/lfs/`.
VIEWS: dict[str, type[View]] = {
    "locks": Locks,
    "locks/verify": VerifyLocks,
    "locks/<str:key>/unlock": Unlock,
}
