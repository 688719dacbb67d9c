"""Collections, told by the unmodified stock client."""

from __future__ import annotations

import pytest
from huggingface_hub import Collection
from huggingface_hub.errors import HfHubHTTPError

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def status_of(refusal: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(refusal.value.response.status_code)


def test_a_collection_is_made_changed_and_removed(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    made = api.create_collection(f"My cool stuff {unique}", description="Contains a lot of cool stuff")
    assert isinstance(made, Collection)
    assert made.slug.startswith(f"alice/my-cool-stuff-{unique}-")
    assert made.url == f"{hub.url}/collections/{made.slug}"
    assert (made.items, made.private, made.upvotes) == ([], False, 0)
    assert made.description == "Contains a lot of cool stuff"
    changed = api.update_collection_metadata(
        made.slug, title=f"New title {unique}", description="New", private=True, theme="pink"
    )
    assert (changed.title, changed.description, changed.private, changed.theme) == (
        f"New title {unique}",
        "New",
        True,
        "pink",
    )
    assert changed.slug != made.slug
    assert changed.slug.split("-")[-1] == made.slug.split("-")[-1]
    for slug in (made.slug, changed.slug):
        assert api.get_collection(slug).slug == changed.slug
    api.delete_collection(changed.slug)
    with pytest.raises(HfHubHTTPError) as refusal:
        api.delete_collection(changed.slug)
    assert status_of(refusal) == 404
    api.delete_collection(changed.slug, missing_ok=True)


def test_a_title_is_taken_once(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    first = api.create_collection(unique)
    with pytest.raises(HfHubHTTPError) as refusal:
        api.create_collection(unique)
    assert status_of(refusal) == 409
    again = api.create_collection(unique, description="never written", exists_ok=True)
    assert (again.slug, again.description) == (first.slug, None)
    elsewhere = hub.api("bob").create_collection(unique, namespace="team")
    assert elsewhere.slug.startswith("team/")


def test_a_private_collection_looks_missing(hub: LiveHub, unique: str) -> None:
    api, carol = hub.api(), hub.api("carol")
    made = api.create_collection(unique, private=True)
    assert api.get_collection(made.slug).private
    for other in (carol, hub.api(None)):
        with pytest.raises(HfHubHTTPError) as refusal:
            other.get_collection(made.slug)
        assert status_of(refusal) == 404
        assert made.slug not in [found.slug for found in other.list_collections(owner="alice")]
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.update_collection_metadata(made.slug, private=False)
    assert status_of(refusal) == 404
    api.update_collection_metadata(made.slug, private=False)
    assert carol.get_collection(made.slug).slug == made.slug
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.delete_collection(made.slug)
    assert status_of(refusal) == 403


def test_items_are_added_arranged_and_taken_out(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    model = api.create_repo(unique).repo_id
    data = api.create_repo(unique, repo_type="dataset").repo_id
    slug = api.create_collection(unique).slug
    assert api.add_collection_item(slug, model, "model", note="This is my model").items[-1].item_id == model
    api.add_collection_item(slug, data, "dataset")
    first, second = api.get_collection(slug).items
    assert (first.item_id, first.item_type, first.note) == (model, "model", "This is my model")
    assert (second.item_id, second.item_type, second.note) == (data, "dataset", None)
    with pytest.raises(HfHubHTTPError) as refusal:
        api.add_collection_item(slug, model, "model")
    assert status_of(refusal) == 409
    assert len(api.add_collection_item(slug, model, "model", exists_ok=True).items) == 2
    for item_id, item_type in (
        (f"{model}-none", "model"),
        ("2307.09288", "paper"),
        (slug[:-1], "collection"),
    ):
        with pytest.raises(HfHubHTTPError) as refusal:
            api.add_collection_item(slug, item_id, item_type)  # type: ignore[arg-type]
        assert status_of(refusal) == 404
    api.update_collection_item(slug, first.item_object_id, note="New note", position=1)
    now = api.get_collection(slug).items
    assert [(item.item_id, item.note, item.position) for item in now] == [
        (data, None, 0),
        (model, "New note", 1),
    ]
    api.delete_collection_item(slug, first.item_object_id)
    api.delete_collection_item(slug, first.item_object_id, missing_ok=True)
    assert [item.item_id for item in api.get_collection(slug).items] == [data]


def test_a_collection_in_a_collection_goes_by_its_slug(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    inner, outer = api.create_collection(f"{unique} inner"), api.create_collection(f"{unique} outer")
    (item,) = api.add_collection_item(outer.slug, inner.slug, "collection").items
    assert (item.item_id, item.item_type) == (inner.slug, "collection")
    with pytest.raises(HfHubHTTPError, match="cannot hold itself"):
        api.add_collection_item(outer.slug, outer.slug, "collection")
    api.update_collection_metadata(inner.slug, private=True)
    assert hub.api("carol").get_collection(outer.slug).items == []


def test_each_reader_sees_the_items_they_may_know_of(hub: LiveHub, unique: str) -> None:
    api, bob, carol = hub.api(), hub.api("bob"), hub.api("carol")
    shut = api.create_repo(f"team/{unique}", private=True).repo_id
    opened = api.create_repo(unique).repo_id
    slug = api.create_collection(unique, namespace="team").slug
    api.add_collection_item(slug, shut, "model", note="secret plans")
    api.add_collection_item(slug, opened, "model")
    assert [item.item_id for item in bob.get_collection(slug).items] == [shut, opened]
    assert [item.item_id for item in carol.get_collection(slug).items] == [opened]
    assert [found.slug for found in bob.list_collections(item=f"models/{shut}")] == [slug]
    assert list(carol.list_collections(item=f"models/{shut}")) == []
    own = carol.create_collection(unique)
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.add_collection_item(own.slug, shut, "model")
    assert status_of(refusal) == 404


def test_collections_are_listed_by_owner_and_by_item(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    model = api.create_repo(unique).repo_id
    slugs = [api.create_collection(f"{unique} {count}", namespace="team").slug for count in range(3)]
    for slug in slugs:
        api.add_collection_item(slug, model, "model")
    found = list(api.list_collections(item=f"models/{model}", sort="upvotes"))
    assert [(one.slug, one.position) for one in found] == list(zip(slugs[::-1], range(3), strict=True))
    assert [item.item_id for item in found[0].items] == [model]
    assert len(list(api.list_collections(owner="team", limit=2))) == 2
    both = api.list_collections(owner=["team", "nobody"], item=[f"models/{model}", "papers/2311.12983"])
    assert {one.slug for one in both} == set(slugs)
    assert list(api.list_collections(owner="nobody")) == []


def test_who_may_not_write_in_the_namespace_makes_nothing_there(hub: LiveHub, unique: str) -> None:
    for namespace in ("team", "nobody-at-all"):
        with pytest.raises(HfHubHTTPError, match="rights to create a collection") as refusal:
            hub.api("carol").create_collection(unique, namespace=namespace)
        assert status_of(refusal) == 403
