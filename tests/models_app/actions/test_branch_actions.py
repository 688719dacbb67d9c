"""Branches and tags: made once, removed once, each with its event."""

from __future__ import annotations

import pytest

from accounts.models import User
from models_app.access import Forbidden
from models_app.actions import branches as actions
from models_app.actions.refusals import InvalidInput
from models_app.files import git_store
from models_app.models import Event, EventTag
from models_app.storage.errors import BadRefName, RefExists, RevisionNotFound
from tests.models_app.people import by_token, repo_of


def test_a_branch_starts_where_it_is_told(alice: User) -> None:
    repo = repo_of(alice)
    actor = by_token(alice)
    assert actions.create_branch(actor, repo=repo, branch="dev") == repo.head_oid
    assert actions.create_branch(actor, repo=repo, branch="feat/x", starting_point="dev") == repo.head_oid
    with pytest.raises(RefExists, match="Reference refs/heads/dev already exists"):
        actions.create_branch(actor, repo=repo, branch="dev")
    with pytest.raises(RevisionNotFound):
        actions.create_branch(actor, repo=repo, branch="other", starting_point="nope")
    for name in ("refs/heads/x", "HEAD", "", "a b", "a..b", "x" * 300, "dev/sub", "a\0b", ".x", "x.lock"):
        with pytest.raises(BadRefName):
            actions.create_branch(actor, repo=repo, branch=name)
    tags = [event.tag for event in Event.objects.filter(tag__startswith="repo:branch")]
    assert tags == [EventTag.BRANCH_CREATE] * 2


def test_the_default_branch_stays(alice: User) -> None:
    repo = repo_of(alice)
    with pytest.raises(InvalidInput, match="Cannot delete refs/heads/main"):
        actions.delete_branch(by_token(alice), repo=repo, branch="main")


def test_deleting_a_tag_as_a_branch_or_the_reverse_finds_nothing(alice: User) -> None:
    repo = repo_of(alice)
    actor = by_token(alice)
    actions.create_tag(actor, repo=repo, tag="v1", revision="main", message="First")
    with pytest.raises(RevisionNotFound, match="Invalid rev id: v1"):
        actions.delete_branch(actor, repo=repo, branch="v1")
    with pytest.raises(RevisionNotFound):
        actions.delete_tag(actor, repo=repo, tag="main")
    actions.delete_tag(actor, repo=repo, tag="v1")
    assert git_store(repo).refs()[1] == []
    assert Event.objects.filter(tag=EventTag.TAG_DELETE).count() == 1


def test_the_revision_of_a_tag_is_checked_before_its_name(alice: User) -> None:
    repo = repo_of(alice)
    actor = by_token(alice)
    actions.create_tag(actor, repo=repo, tag="v1", revision=repo.head_oid[:8])
    with pytest.raises(RefExists):
        actions.create_tag(actor, repo=repo, tag="v1", revision="main")
    with pytest.raises(RevisionNotFound):
        actions.create_tag(actor, repo=repo, tag="v1", revision="nope")
    with pytest.raises(BadRefName):
        actions.create_tag(actor, repo=repo, tag="a b", revision="main")


def test_readers_move_no_references(alice: User, bob: User) -> None:
    repo = repo_of(alice)
    with pytest.raises(Forbidden):
        actions.create_branch(by_token(bob), repo=repo, branch="dev")
    with pytest.raises(Forbidden):
        actions.create_tag(by_token(bob), repo=repo, tag="v1", revision="main")
