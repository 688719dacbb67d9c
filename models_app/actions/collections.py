"""Collections are made, filled, arranged and removed. `collection` arguments come from its gate.

Order is kept by whole numbers, written anew from 0 whenever somebody changes it, so a position that a client
reads is one it can write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import check_credential
from models_app.actions.refusals import InvalidInput
from models_app.collections import check_collection
from models_app.models import Collection, CollectionItem, EventTag

MAX_TITLE, MAX_DESCRIPTION = 60, 150
MAX_COLLECTIONS = 500
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")

Row = TypeVar("Row", Collection, CollectionItem)


class CollectionExists(access.Refusal):
    """The namespace has a collection of this title; `collection` is it."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(f"A collection with this title already exists: {collection.slug}")
        self.collection = collection


def create_collection(
    actor: Actor, *, namespace: str | None, title: str, description: str = "", private: bool = False
) -> Collection:
    """Make an empty collection at the end of its owner's.

    Raises CollectionExists, InvalidInput, or the gate's refusals (`access.access_namespace`).
    """
    title, description = _title(title), plain_text(description, MAX_DESCRIPTION, "description")
    place = access.access_namespace(actor, namespace, Level.WRITE, what="a collection")
    with transaction.atomic():
        check_credential(actor)
        _lock(place)
        others = Collection.objects.select_related("namespace").filter(namespace=place)
        _refuse_twin(others, title)
        if others.count() >= MAX_COLLECTIONS:
            raise InvalidInput(f"{place.name} has {MAX_COLLECTIONS} collections: delete one first.")
        made = Collection.objects.create(
            namespace=place, title=title, description=description, private=private, position=others.count()
        )
        record(actor, made, "create")
    return made


def change_collection(
    actor: Actor,
    *,
    collection: Collection,
    title: str | None = None,
    description: str | None = None,
    private: bool | None = None,
    theme: str | None = None,
    position: int | None = None,
) -> Collection:
    """Change what is given; a new title makes a new slug, the old one still leads here.

    Raises CollectionExists, InvalidInput, or the gate's refusals.
    """
    if theme is not None and theme not in THEMES:
        raise InvalidInput(f"'theme' must be one of {', '.join(THEMES)}.")
    with transaction.atomic():
        row = locked(actor, collection)
        others = Collection.objects.select_related("namespace").filter(namespace=row.namespace)
        if title is not None and _title(title) != row.title:
            _refuse_twin(others.exclude(pk=row.pk), _title(title))
            row.title = _title(title)
        if description is not None:
            row.description = plain_text(description, MAX_DESCRIPTION, "description")
        row.private = row.private if private is None else private
        row.theme = row.theme if theme is None else theme
        if position is not None:
            move(others.order_by("position", "pk"), row, position)
        touch(row)
        record(actor, row, "change")
    return row


def delete_collection(actor: Actor, *, collection: Collection) -> None:
    """Remove the list; what was in it stays where it is."""
    with transaction.atomic():
        row = locked(actor, collection)
        record(actor, row, "delete")
        row.delete()


def locked(actor: Actor, collection: Collection) -> Collection:
    """The fresh row, its whole namespace locked until the transaction ends: positions are across rows."""
    check_credential(actor)
    _lock(collection.namespace)
    row = Collection.objects.select_related("namespace").filter(pk=collection.pk).first()
    if row is None:
        raise access.NotThere("Collection not found")
    return check_collection(Actor(actor.user, actor.token), row, Level.WRITE)


def _lock(namespace: Namespace) -> None:
    # On SQLite the immediate transaction itself is the lock.
    Namespace.objects.select_for_update().filter(pk=namespace.pk).first()


def _refuse_twin(others: Iterable[Collection], title: str) -> None:
    for other in others:
        if other.title == title:
            raise CollectionExists(other)


def move(rows: Iterable[Row], row: Row, position: int) -> None:
    """Put `row` at `position` among `rows`, which holds it too."""
    order = [other for other in rows if other.pk != row.pk]
    order.insert(max(0, position), row)
    number(order)


def number(order: list[Row]) -> None:
    """Write the places of the rows anew where they are others."""
    changed = []
    for place, row in enumerate(order):
        if row.position != place:
            row.position = place
            changed.append(row)
    if changed:
        type(changed[0])._default_manager.bulk_update(changed, ["position"])


def touch(collection: Collection) -> None:
    """Save the row as changed just now."""
    collection.updated_at = timezone.now()
    collection.save()


def record(actor: Actor, collection: Collection, verb: str) -> None:
    """Tell the log; `verb` is what was done, such as `add-item`."""
    record_event(actor, EventTag.COLLECTION_CHANGE, verb=verb, collection=collection.key)


def _title(text: str) -> str:
    title = " ".join(plain_text(text, MAX_TITLE, "title").split())
    if not title:
        raise InvalidInput("A collection needs a title.")
    return title


def plain_text(text: str, limit: int, name: str) -> str:
    """The text without its edges, or InvalidInput naming the field that has over `limit` characters."""
    plain = text.replace("\0", "").strip()
    if len(plain) > limit:
        raise InvalidInput(f"{name!r} is longer than {limit} characters.")
    return plain
