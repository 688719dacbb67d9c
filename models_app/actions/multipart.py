"""A large LFS object in parts: each by a PUT of its own, then one word that they are all there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

from django.conf import settings

from accounts.actor import Actor
from models_app.actions.content import ContentMismatch
from models_app.actions.refusals import InvalidInput
from models_app.actions.uploads import held_objects, store_lfs_object
from models_app.discussions import is_writer
from models_app.models import Repo
from models_app.storage.lfs import Pointer
from models_app.storage.parts import PartStore
from models_app.storage.streams import Body

MAX_PARTS = 10_000
# Twice as long as links to parts live: nobody can still be sending.
KEEP_SECONDS = 48 * 3600
_ETAG = re.compile(r'(?:W/)?"?([0-9a-f]{64})"?')


def part_store() -> PartStore:
    """Where parts wait."""
    return PartStore(settings.HUB_PARTS_DIR)


def part_bytes(size: int) -> int:
    """How long each part but the last of an object of `size` bytes is."""
    return max(settings.HUB_MULTIPART_PART_BYTES, ceil(size / MAX_PARTS))


def part_count(size: int, part_size: int) -> int:
    """How many parts an object has (an empty one has none)."""
    return ceil(size / part_size)


def store_part(actor: Actor, *, repo: Repo, pointer: Pointer, number: int, part_size: int, body: Body) -> str:
    """Keep part `number` (from 1) of the object; its ETag. Raises BodyCutShort, and then keeps nothing."""
    before = (number - 1) * part_size
    return part_store().put(_key(actor, repo, pointer), number, body, min(part_size, pointer.size - before))


def held_parts(actor: Actor, *, repo: Repo, pointer: Pointer, part_size: int) -> dict[int, list[str]]:
    """{number: ETags} of the parts of this length that the actor has sent already: an upload that was cut off
    goes on after them."""
    found: dict[int, list[str]] = {}
    for number, kept in part_store().held(_key(actor, repo, pointer)).items():
        wanted = min(part_size, pointer.size - (number - 1) * part_size)
        etags = [digest for digest, size in kept if size == wanted]
        if etags:
            found[number] = etags
    return found


def complete_parts(
    actor: Actor, *, repo: Repo, pointer: Pointer, part_size: int, parts: Sequence[tuple[int, str]]
) -> None:
    """Make the object of its parts (number, ETag as answered), which must be all of them.

    Said twice it is done once. Raises InvalidInput, MissingPart, or ContentMismatch when the whole is not
    what its name says; then the parts are forgotten, since nobody can tell which is wrong.
    """
    contributor = None if is_writer(actor, repo) else actor
    if held_objects(repo, [pointer], contributor=contributor):
        return
    known = sorted((number, _digest(number, etag)) for number, etag in parts)
    wanted = part_count(pointer.size, part_size)
    if [number for number, _ in known] != list(range(1, wanted + 1)):
        raise InvalidInput(f"The object has the parts 1 to {wanted}, each to be named once.")
    store, key = part_store(), _key(actor, repo, pointer)
    if store.size(key, known) != pointer.size:
        raise InvalidInput(f"The parts do not add up to {pointer.size} bytes.")
    try:
        with store.opened(key, known) as body:
            store_lfs_object(actor, repo=repo, pointer=pointer, body=body)
    except ContentMismatch:
        store.drop(key)
        raise
    store.drop(key)


def sweep_parts() -> int:
    """Forget parts of uploads that were never finished; how many uploads."""
    return part_store().sweep(KEEP_SECONDS)


def _key(actor: Actor, repo: Repo, pointer: Pointer) -> str:
    # The uploader is part of the name: one person's parts are no proof that another holds the content.
    return f"{repo.uuid.hex}-{actor.user.pk if actor.user else 0:x}-{pointer.sha256}"


def _digest(number: int, etag: str) -> str:
    found = _ETAG.fullmatch(etag)
    if found is None:
        raise InvalidInput(f"The ETag of part {number} is none that this hub gave.")
    return found[1]
