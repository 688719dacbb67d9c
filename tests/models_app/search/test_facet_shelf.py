"""Counts kept in memory follow what happens: new, changed, private, deleted, disabled; hidden ones too."""

from __future__ import annotations

import random

import pytest
from django.http import QueryDict

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app import facet_shelf
from models_app.actions.commits import commit
from models_app.actions.repos import change_settings, create_repo, delete_repo, disable_repo
from models_app.facets import facets_of
from models_app.finding import found_repos, question_of
from models_app.listing import MAX_PAGES, CountedPaginator, Listing
from models_app.models import Repo, RepoCard, RepoTag
from models_app.storage.operations import AddFile
from tests.models_app.people import organization, session

CARD = "---\nlicense: {license}\npipeline_tag: {task}\nlanguage: [{languages}]\n---\n# {name}\n"


def publish(
    user: User, name: str, licence: str = "mit", task: str = "fill-mask", languages: str = "en"
) -> Repo:
    repo = Repo.objects.filter(name=name).first()
    if repo is None:
        repo = create_repo(session(user), repo_type="model", namespace=None, name=name, private=False)
    text = CARD.format(license=licence, task=task, languages=languages, name=name)
    file = AddFile("README.md", text.encode())
    commit(session(user), repo=repo, branch="main", operations=[file], summary="Card")
    return repo


def counts(name: str, query: str = "", actor: Actor = ANONYMOUS) -> dict[str, int]:
    facet = next(facet for facet in facets_of("model") if facet.name == name)
    found = Listing(actor, question_of("model", QueryDict(query))).counts(facet)
    return {value: count for value, count in found.items() if count}


def total(query: str = "", actor: Actor = ANONYMOUS) -> int:
    return Listing(actor, question_of("model", QueryDict(query))).count


def test_counts_follow_what_happens(alice: User, bob: User, mod: User) -> None:
    assert counts("license") == {}
    repo = publish(alice, "one")
    publish(alice, "two", "apache-2.0", languages="en, zh")
    assert counts("license") == {"mit": 1, "apache-2.0": 1}
    assert counts("language") == {"en": 2, "zh": 1}
    publish(alice, "one", "apache-2.0")
    assert counts("license") == {"apache-2.0": 2}
    change_settings(session(alice), repo=repo, private=True)
    assert (counts("license"), total()) == ({"apache-2.0": 1}, 1)
    assert counts("license", actor=session(alice)) == {"apache-2.0": 2}
    assert counts("license", actor=session(bob)) == {"apache-2.0": 1}
    change_settings(session(alice), repo=repo, private=False)
    disable_repo(session(mod), repo=repo, reason="x")
    assert total() == 1
    assert total(actor=session(mod)) == 2
    delete_repo(session(alice), repo=Repo.objects.get(name="two"))
    assert (counts("license"), total()) == ({}, 0)


def test_members_count_what_is_private_to_their_organization(alice: User, bob: User, carol: User) -> None:
    organization("team", admin=alice, write=bob)
    create_repo(session(alice), repo_type="model", namespace="team", name="inside", private=True)
    assert (total(actor=session(bob)), total(actor=session(carol)), total()) == (1, 0, 0)


def test_many_changes_at_once_make_the_table_anew(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facet_shelf, "MOST_CHANGES", 2)
    assert total() == 0
    for number in range(4):
        publish(alice, f"net-{number}")
    assert counts("task") == {"fill-mask": 4}


def test_what_the_log_does_not_tell_is_seen_in_the_end(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(alice, "one")
    assert counts("license") == {"mit": 1}
    RepoCard.objects.update(license="gemma")
    monkeypatch.setattr(facet_shelf, "LIFETIME", -1.0)
    assert counts("license") == {"gemma": 1}


def test_the_memory_and_the_database_agree_on_every_question(alice: User) -> None:
    chance = random.Random(3)
    tags = (
        ("language", "en"),
        ("language", "zh"),
        ("dataset", "a/b"),
        ("base_model", "a/c"),
        ("tag", "gguf"),
    )
    for number in range(40):
        repo = Repo.objects.create(
            repo_type="model", namespace=alice.namespace, name=f"net-{number}", private=number % 5 == 0,
            gated=chance.choice(("false", "auto")),
        )  # fmt: skip
        RepoCard.objects.create(
            repo=repo,
            pipeline_tag=chance.choice(("fill-mask", "translation", "")),
            library_name=chance.choice(("timm", "peft")),
            license=chance.choice(("mit", "gpl-3.0", "cc-by-nc-4.0", "other", "")),
            parameters=chance.choice((None, 10**7, 10**9, 7 * 10**9)),
            weights_bytes=chance.choice((None, 10**8, 10**10)),
            total_bytes=chance.choice((0, 10**7, 10**10)),
            search_text="",
        )
        RepoTag.objects.bulk_create(
            RepoTag(repo=repo, kind=kind, value=value) for kind, value in chance.sample(tags, k=2)
        )
    parts = (
        "task=fill-mask", "task=fill-mask&task=translation", "library=timm", "license=mit",
        "license=mit&license=other",
        "permission=commercial-use", "permission=commercial-use&permission=no-share-alike", "language=zh",
        "params=-100M", "params=1B-3B&params=3B-10B", "size=10M-100M", "fits=2", "fits=80",
        "dataset=a/b", "base=a/c",
        "format=gguf", "gated=auto",
    )  # fmt: skip
    for _ in range(150):
        query = "&".join(chance.sample(parts, k=chance.choice((0, 1, 2, 3))))
        for actor in (ANONYMOUS, session(alice)):
            listing = Listing(actor, question_of("model", QueryDict(query)))
            assert listing.count == found_repos(actor, "model", QueryDict(query)).count(), query
    for facet in facets_of("model"):
        for value, count in Listing(ANONYMOUS, question_of("model", QueryDict())).counts(facet).items():
            query = QueryDict(mutable=True)
            query[facet.name] = value
            assert found_repos(ANONYMOUS, "model", query).count() == count, (facet.name, value)


@pytest.mark.parametrize("few", [0, 1000])
def test_pages_hold_what_was_counted_in_their_order(
    alice: User, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("models_app.listing.FEW", few)
    for number in range(25):
        repo = Repo.objects.create(
            repo_type="model", namespace=alice.namespace, name=f"net-{number:02}", likes_count=number % 7
        )
        RepoCard.objects.create(repo=repo, license="mit" if number % 2 else "gemma")
    listing = Listing(session(alice), question_of("model", QueryDict("license=mit")))
    order = ("-likes_count", "-pk")
    pages = [[repo.name for repo in listing.page(order, str(number), 5)] for number in (1, 2, 3)]
    wanted = Repo.objects.filter(card__license="mit").order_by(*order).values_list("name", flat=True)
    assert [name for page in pages for name in page] == list(wanted)
    assert [repo.name for repo in listing.page(order, "99", 5)] == pages[2]


def test_no_page_is_deeper_than_the_last_one_allowed() -> None:
    pages = CountedPaginator(range(10**6), 30, 10**6)
    assert pages.num_pages == MAX_PAGES
    for number in ("9" * 40, "-1", "x", "", None, "200"):
        assert 1 <= pages.get_page(number).number <= MAX_PAGES
