"""The family of a model: bounded, without cycles, and nothing told of what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from accounts.actor import Actor
from accounts.models import User
from models_app.lineage import MAX_CHILDREN, MAX_DEPTH, Kin, family_of
from models_app.models import BaseModelEdge, Repo, RepoCard
from tests.models_app.people import session

NOBODY = Actor(None)
Make = Callable[..., Repo]


@pytest.fixture
def make(alice: User) -> Make:
    """Repos without git: a family is a matter of tables."""

    def made(name: str, *parents: Repo | str, private: bool = False, licence: str = "mit") -> Repo:
        repo = Repo.objects.create(repo_type="model", namespace=alice.namespace, name=name, private=private)
        RepoCard.objects.create(repo=repo, license=licence)
        for parent in parents:
            known = parent if isinstance(parent, Repo) else None
            BaseModelEdge.objects.create(
                child=repo,
                parent=known,
                parent_repo_id=known.repo_id if known else str(parent),
                relation="merge" if len(parents) > 1 else "finetune",
            )
        return repo

    return made


def names(kin: Kin) -> object:
    """A tree as nested lists."""
    return [kin.name.partition("/")[2], *map(names, kin.children)]


def test_a_line_is_one_tree_from_the_root_to_the_grandchildren(make: Make, alice: User) -> None:
    root = make("root", licence="cc-by-nc-4.0")
    base = make("base", root)
    here = make("here", base)
    child = make("child", here)
    make("grandchild", child)
    family = family_of(here, NOBODY)
    assert [names(tree) for tree in family.trees] == [["root", ["base", ["here", ["child", ["grandchild"]]]]]]
    assert family.licences == {"alice/base": "mit", "alice/root": "cc-by-nc-4.0"}
    assert family.children_count == 1


def test_a_merge_has_a_line_for_each_parent(make: Make) -> None:
    root = make("root")
    left, right = make("left", root), make("right")
    here = make("here", left, right)
    make("child", here)
    family = family_of(here, NOBODY)
    assert [names(tree) for tree in family.trees] == [["root", ["left"]], ["right"], ["here", ["child"]]]
    assert [kin.name for kin in family.trees[-1].others] == ["alice/left", "alice/right"]
    assert set(family.licences) == {"alice/left", "alice/right", "alice/root"}


def test_a_cycle_and_a_model_that_names_itself_end(make: Make) -> None:
    one = make("one")
    two = make("two", one)
    BaseModelEdge.objects.create(child=one, parent=two, parent_repo_id=two.repo_id)
    BaseModelEdge.objects.create(child=one, parent=one, parent_repo_id=one.repo_id)
    for repo in (one, two):
        family = family_of(repo, NOBODY)
        assert family.trees
        assert repo.repo_id not in family.licences


def test_a_hidden_parent_is_only_the_name_on_the_card(make: Make, alice: User) -> None:
    root = make("root", licence="gpl-3.0")
    hidden = make("hidden", root, private=True)
    here = make("here", hidden)
    family = family_of(here, NOBODY)
    assert [(kin.name, kin.address) for kin in family.parents] == [("alice/hidden", "")]
    assert family.licences == {}
    assert family_of(here, session(alice)).licences == {"alice/hidden": "mit", "alice/root": "gpl-3.0"}


def test_hidden_children_are_neither_drawn_nor_counted(make: Make, alice: User) -> None:
    here = make("here")
    make("quiet", here, private=True)
    family = family_of(here, NOBODY)
    assert family.is_empty
    assert family_of(here, session(alice)).children_count == 1


def test_many_children_and_a_long_line_are_cut(make: Make) -> None:
    last = make("m0")
    for number in range(1, MAX_DEPTH + 6):
        last = make(f"m{number}", last)
    for number in range(MAX_CHILDREN + 3):
        make(f"c{number}", last)
    family = family_of(last, NOBODY)
    assert len(family.ancestors) == MAX_DEPTH
    assert family.children_count == MAX_CHILDREN + 3
    here = family.trees[0]
    while not here.is_here:
        here = here.children[0]
    assert (len(here.children), here.more) == (MAX_CHILDREN, 3)


def test_a_parent_that_is_not_here_is_named(make: Make) -> None:
    here = make("here", "elsewhere/base")
    tree = family_of(here, NOBODY).trees[0]
    assert (tree.name, tree.address, tree.children[0].name) == ("elsewhere/base", "", "alice/here")


def test_a_family_costs_few_queries(
    make: Make, django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    root = make("root")
    here = make("here", make("base", root))
    for number in range(5):
        make(f"grand{number}", make(f"child{number}", here))
    with django_assert_max_num_queries(6):
        family_of(here, NOBODY)
