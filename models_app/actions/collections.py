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
from models_app.collections import check_collection, column_of, find_thing
from models_app.models import Collection, CollectionItem, EventTag

MAX_TITLE, MAX_DESCRIPTION, MAX_NOTE = 60, 150, 500
MAX_COLLECTIONS = 500
MAX_ITEMS = 500
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")
ITEM_TYPES = ("model", "dataset", "space", "kernel", "paper", "collection", "bucket")

Row = TypeVar("Row", Collection, CollectionItem)


class CollectionExists(access.Refusal):
    """The namespace has a collection of this title; `collection` is it."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(f"A collection with this title already exists: {collection.slug}")
        self.collection = collection


class ItemExists(access.Refusal):
    """The collection holds this already."""


def create_collection(
    actor: Actor, *, namespace: str | None, title: str, description: str = "", private: bool = False
) -> Collection:
    """Make an empty collection at the end of its owner's.

    Raises CollectionExists, InvalidInput, or the gate's refusals (`access.access_namespace`).
    """
    title, description = _title(title), _text(description, MAX_DESCRIPTION, "description")
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
        _record(actor, made, "create")
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
        row = _locked(actor, collection)
        others = Collection.objects.select_related("namespace").filter(namespace=row.namespace)
        if title is not None and _title(title) != row.title:
            _refuse_twin(others.exclude(pk=row.pk), _title(title))
            row.title = _title(title)
        if description is not None:
            row.description = _text(description, MAX_DESCRIPTION, "description")
        row.private = row.private if private is None else private
        row.theme = row.theme if theme is None else theme
        if position is not None:
            _move(others.order_by("position", "pk"), row, position)
        _touch(row)
        _record(actor, row, "change")
    return row


def delete_collection(actor: Actor, *, collection: Collection) -> None:
    """Remove the list; what was in it stays where it is."""
    with transaction.atomic():
        row = _locked(actor, collection)
        _record(actor, row, "delete")
        row.delete()


def add_item(
    actor: Actor, *, collection: Collection, item_type: str, item_id: str, note: str = ""
) -> CollectionItem:
    """Put something at the end of a collection.

    Raises ItemExists, access.NotThere for what the actor may not know of, InvalidInput, or the gate's
    refusals.
    """
    if item_type not in ITEM_TYPES:
        raise InvalidInput(f"'type' must be one of {', '.join(ITEM_TYPES)}.")
    note = _text(note, MAX_NOTE, "note")
    with transaction.atomic():
        row = _locked(actor, collection)
        thing = find_thing(actor, item_type, item_id)
        if thing == row:
            raise InvalidInput("A collection cannot hold itself.")
        place = {column_of(thing): thing}
        if row.items.filter(**place).exists():
            raise ItemExists(f"The collection already holds {item_type} {item_id[:200]}.")
        others = list(row.items.order_by("position", "pk"))
        if len(others) >= MAX_ITEMS:
            raise InvalidInput(f"The collection holds {MAX_ITEMS} items: remove one first.")
        last = others[-1].position + 1 if others else 0
        made = CollectionItem.objects.create(collection=row, note=note, position=last, **place)
        _touch(row)
        _record(actor, row, "add-item")
    return made


def change_item(
    actor: Actor, *, collection: Collection, key: str, note: str | None = None, position: int | None = None
) -> CollectionItem:
    """Change an item's note, or move it; a position past the end is the end. access.NotThere without it."""
    with transaction.atomic():
        row = _locked(actor, collection)
        item = _item(row, key)
        if note is not None:
            item.note = _text(note, MAX_NOTE, "note")
            item.save(update_fields=["note"])
        if position is not None:
            _move(row.items.order_by("position", "pk"), item, position)
        _touch(row)
        _record(actor, row, "change-item")
    return item


def delete_item(actor: Actor, *, collection: Collection, key: str) -> None:
    """Take something out of a collection; access.NotThere without it."""
    with transaction.atomic():
        row = _locked(actor, collection)
        _item(row, key).delete()
        _number(list(row.items.order_by("position", "pk")))
        _touch(row)
        _record(actor, row, "delete-item")


def _locked(actor: Actor, collection: Collection) -> Collection:
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


def _move(rows: Iterable[Row], row: Row, position: int) -> None:
    """Put `row` at `position` among `rows`, which holds it too."""
    order = [other for other in rows if other.pk != row.pk]
    order.insert(max(0, position), row)
    _number(order)


def _number(order: list[Row]) -> None:
    changed = []
    for number, row in enumerate(order):
        if row.position != number:
            row.position = number
            changed.append(row)
    if changed:
        type(changed[0])._default_manager.bulk_update(changed, ["position"])  # type: ignore[arg-type]


def _item(collection: Collection, key: str) -> CollectionItem:
    found = collection.items.filter(key=key).first() if key.isprintable() else None
    if found is None:
        raise access.NotThere("There is no such item in this collection.")
    return found


def _touch(collection: Collection) -> None:
    collection.updated_at = timezone.now()
    collection.save()


def _record(actor: Actor, collection: Collection, verb: str) -> None:
    record_event(actor, EventTag.COLLECTION_CHANGE, verb=verb, collection=collection.key)


def _title(text: str) -> str:
    title = " ".join(_text(text, MAX_TITLE, "title").split())
    if not title:
        raise InvalidInput("A collection needs a title.")
    return title


def _text(text: str, limit: int, name: str) -> str:
    plain = text.replace("\0", "").strip()
    if len(plain) > limit:
        raise InvalidInput(f"{name!r} is longer than {limit} characters.")
    return plain
