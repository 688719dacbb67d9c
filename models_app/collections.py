"""The gate of collections, and what pages and wire read of them.

A collection belongs to its namespace as a whole: who may read there sees the private ones, who may write
there changes them. What an item is, is asked of every viewer anew.
"""

from __future__ import annotations

from django.db.models import Prefetch, Q, QuerySet

from accounts.actor import Actor, Level
from models_app import access
from models_app.buckets import access_bucket, visible_buckets
from models_app.models import Bucket, Collection, CollectionItem, Repo, RepoType
from models_app.models.social import CollectionItemQuerySet, CollectionQuerySet

SHOWN_IN_LISTS = 4
# The plural that URLs say, and `item=models/…` filters: {plural: repo type}.
PLURALS = {f"{repo_type.value}s": repo_type.value for repo_type in RepoType if repo_type != RepoType.FORUM}


def access_collection(actor: Actor, namespace: str, slug: str, need: Level = Level.READ) -> Collection:
    """The collection of this address, if the actor may do `need` with it.

    The slug's words may be those of an older title: the 24 digits at its end count. Raises access.NotThere
    (also for a private one), Forbidden or LoginRequired.
    """
    key = slug.rpartition("-")[2]
    rows = Collection.objects.select_related("namespace__user", "namespace__organization")
    found = None
    if namespace.isprintable() and key.isprintable():
        found = rows.filter(key=key, namespace__name__lower=namespace.lower()).first()
    if found is None:
        raise access.NotThere("Collection not found")
    return check_collection(actor, found, need)


def check_collection(actor: Actor, collection: Collection, need: Level = Level.READ) -> Collection:
    """The same question about a collection already at hand."""
    ceiling = actor.namespace_ceiling(collection.namespace)
    level = access.level_within(actor, collection.namespace, ceiling, private=collection.private)
    if level < Level.READ:
        raise access.NotThere("Collection not found")
    if level < need:
        raise access.too_little(actor, f"collection {collection.slug}", need)
    return collection


def visible_items(actor: Actor) -> CollectionItemQuerySet:
    """Items that are something the actor may know of."""
    return CollectionItem.objects.for_lists().filter(
        Q(repo__in=Repo.objects.visible_to(actor))
        | Q(nested__in=Collection.objects.visible_to(actor))
        | Q(bucket__in=visible_buckets(actor))
    )


def items_of(actor: Actor, collection: Collection) -> list[CollectionItem]:
    """Every item that the actor may know of, in order."""
    return list(visible_items(actor).filter(collection=collection))


def with_first_items(actor: Actor, collections: CollectionQuerySet) -> CollectionQuerySet:
    """Collections for a list, each with its first items as `first_items`."""
    items = visible_items(actor)[:SHOWN_IN_LISTS]
    rows = collections.select_related("namespace__user", "namespace__organization")
    return rows.prefetch_related(Prefetch("items", queryset=items, to_attr="first_items"))


def holding(actor: Actor, named: list[str]) -> QuerySet[CollectionItem]:
    """The items that are any of these, each named `models/ns/name`, as far as the actor may know of it; what
    is no such name is nowhere."""
    wanted = Q(pk__in=[])
    for text in named:
        plural, _, item_id = text.partition("/")
        try:
            thing = find_thing(actor, PLURALS.get(plural, plural.removesuffix("s")), item_id)
        except access.NotThere:
            continue
        wanted |= Q(**{column_of(thing): thing})
    return CollectionItem.objects.filter(wanted)


def find_thing(actor: Actor, item_type: str, item_id: str) -> Repo | Collection | Bucket:
    """What an item of this type and id is, if the actor may know of it; access.NotThere otherwise."""
    namespace, _, name = item_id.partition("/")
    try:
        if item_type in RepoType.values:
            # Clients write `datasets/ns/name` here too.
            plain = item_id.removeprefix(f"{item_type}s/") if item_id.count("/") == 2 else item_id
            return access.access_repo(actor, item_type, plain, content=False)
        if item_type == "collection":
            return access_collection(actor, namespace, name)
        if item_type == "bucket":
            return access_bucket(actor, item_id)
    except access.Refusal as refusal:
        raise access.NotThere(f"There is no {item_type} {item_id[:200]!r}.") from refusal
    raise access.NotThere(f"There is no {item_type[:20]} {item_id[:200]!r}.")


_COLUMNS: dict[type, str] = {Repo: "repo", Collection: "nested", Bucket: "bucket"}


def column_of(thing: Repo | Collection | Bucket) -> str:
    """The column of an item that refers to such a thing."""
    return _COLUMNS[type(thing)]
