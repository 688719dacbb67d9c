"""Collections and their items as the wire's JSON (hf-wire section 11)."""

from __future__ import annotations

from typing import Any

from django.utils.html import escape

from accounts.actor import Actor
from models_app import collections as reads
from models_app.api.people import owner_json
from models_app.api.summaries import summary_json
from models_app.api.wire import wire_time
from models_app.models import Collection, CollectionItem, RepoType

_REPO_PROPERTIES = ("author", "downloads", "gated", "lastModified", "likes", "private")


def collection_json(collection: Collection, items: list[CollectionItem]) -> dict[str, Any]:
    """A collection as an entry of a list; an empty description is left out."""
    found: dict[str, Any] = {
        "slug": collection.slug,
        "title": collection.title,
        "gating": False,
        "lastUpdated": wire_time(collection.updated_at),
        "owner": owner_json(collection.namespace),
        "items": [item_json(item) for item in items],
        "theme": collection.theme,
        "private": collection.private,
        "upvotes": 0,
        "isUpvotedByUser": False,
    }
    return {**found, "description": collection.description} if collection.description else found


def single_json(collection: Collection, actor: Actor) -> dict[str, Any]:
    """A collection by itself, with every item and its own place among its owner's."""
    items = reads.items_of(actor, collection)
    return {**collection_json(collection, items), "position": collection.position}


def item_json(item: CollectionItem) -> dict[str, Any]:
    """An item with what a list shows of the thing; `_id` is the item's own."""
    found = _thing_json(item)
    found |= {"_id": item.key, "type": item.item_type, "position": item.position}
    if item.note:
        found["note"] = {"text": item.note, "html": escape(item.note)}
    return found


def _thing_json(item: CollectionItem) -> dict[str, Any]:
    if item.repo is not None:
        is_model = item.repo.repo_type == RepoType.MODEL
        wanted = (*_REPO_PROPERTIES, "pipeline_tag") if is_model else _REPO_PROPERTIES
        return {**summary_json(item.repo, wanted), "repoType": item.repo.repo_type}
    if item.nested is not None:
        nested = item.nested
        return {
            "id": nested.key,
            "slug": nested.slug,
            "title": nested.title,
            "private": nested.private,
            "theme": nested.theme,
            "lastUpdated": wire_time(nested.updated_at),
        }
    bucket = item.bucket
    return {"id": bucket.bucket_id, "private": bucket.private} if bucket else {}
