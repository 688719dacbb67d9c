"""What is put into collections, arranged and taken out. `collection` arguments come from its gate."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from models_app import access
from models_app.actions.collections import locked, move, number, plain_text, record, touch
from models_app.actions.refusals import InvalidInput
from models_app.collections import column_of, find_thing
from models_app.models import Collection, CollectionItem

MAX_NOTE = 500
MAX_ITEMS = 500
ITEM_TYPES = ("model", "dataset", "space", "kernel", "recipe", "tutorial", "paper", "collection", "bucket")


class ItemExists(access.Refusal):
    """The collection holds this already."""


def add_item(
    actor: Actor, *, collection: Collection, item_type: str, item_id: str, note: str = ""
) -> CollectionItem:
    """Put something at the end of a collection.

    Raises ItemExists, access.NotThere for what the actor may not know of, InvalidInput, or the gate's
    refusals.
    """
    if item_type not in ITEM_TYPES:
        raise InvalidInput(f"'type' must be one of {', '.join(ITEM_TYPES)}.")
    note = plain_text(note, MAX_NOTE, "note")
    with transaction.atomic():
        row = locked(actor, collection)
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
        touch(row)
        record(actor, row, "add-item")
    return made


def change_item(
    actor: Actor, *, collection: Collection, key: str, note: str | None = None, position: int | None = None
) -> CollectionItem:
    """Change an item's note, or move it; a position past the end is the end. access.NotThere without it."""
    with transaction.atomic():
        row = locked(actor, collection)
        item = _item(row, key)
        if note is not None:
            item.note = plain_text(note, MAX_NOTE, "note")
            item.save(update_fields=["note"])
        if position is not None:
            move(row.items.order_by("position", "pk"), item, position)
        touch(row)
        record(actor, row, "change-item")
    return item


def delete_item(actor: Actor, *, collection: Collection, key: str) -> None:
    """Take something out of a collection; access.NotThere without it."""
    with transaction.atomic():
        row = locked(actor, collection)
        _item(row, key).delete()
        number(list(row.items.order_by("position", "pk")))
        touch(row)
        record(actor, row, "delete-item")


def _item(collection: Collection, key: str) -> CollectionItem:
    found = collection.items.filter(key=key).first() if key.isprintable() else None
    if found is None:
        raise access.NotThere("There is no such item in this collection.")
    return found
